"""Covering a part of every image."""

import torch
from torch import Tensor

_GREY = 0.5


def cover_square(images: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    """Grey out one square at a random place inside every image (DeVries and Taylor's Cutout, 2017).

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1; not modified
    area : Tensor, float32, [B], 0..1, part of the image that the square covers
    generator : torch.Generator, on the device of `images`

    Returns
    -------
    Tensor, float32, [B, 3, H, W]
    """
    count, _, height, width = images.shape
    side = area.sqrt().view(-1, 1)
    start = torch.rand((2, count, 1), generator=generator, device=images.device) * (1 - side)
    down = _between(start[0], side, height)
    across = _between(start[1], side, width)
    cover = down[:, None, :, None] * across[:, None, None]
    return torch.lerp(images, images.new_tensor(_GREY), cover)


def _between(start: Tensor, length: Tensor, pixels: int) -> Tensor:
    """Return [B, pixels] of 1 where a pixel's centre is in [start, start + length), else 0."""
    centre = (torch.arange(pixels, device=start.device) + 0.5) / pixels
    return ((centre >= start) & (centre < start + length)).float()
