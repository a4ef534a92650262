"""Random resized crops, drawn for whole batches as torchvision's RandomResizedCrop draws them."""

from typing import NamedTuple

import torch
from torch import Tensor

from trainables import affine

_MAX_ASPECT = 4 / 3
_TRIES = 10


class Boxes(NamedTuple):
    """One box in each image, in pixels; float32, [B] each."""

    left: Tensor
    top: Tensor
    width: Tensor
    height: Tensor


def draw_boxes(
    left_out: float, size: tuple[int, int], count: int, generator: torch.Generator
) -> Boxes:
    """Draw boxes that leave out up to a part of an image.

    Parameters
    ----------
    left_out : float, 0..1, largest part of the area outside a box
    size : height and width of the images, pixels
    count : int, boxes
    generator : torch.Generator

    Returns
    -------
    Boxes
        Area evenly drawn, aspect 3/4..4/3 evenly on a log scale, the first of ten tries that fits;
        if none does, the largest box of such an aspect in the middle: all of a square image.
    """
    height, width = size
    u = torch.rand((4, _TRIES, count), generator=generator, device=generator.device)
    area, aspect = height * width * (1 - left_out * u[0]), _MAX_ASPECT ** (2 * u[1] - 1)
    largest = torch.tensor([min(width, height * _MAX_ASPECT), min(height, width * _MAX_ASPECT)])
    last = largest.to(u.device).view(2, 1, 1).expand(-1, -1, count)
    boxes = torch.cat([torch.stack([area * aspect, area / aspect]).sqrt_(), last], dim=1)
    first = ((boxes[0] <= width) & (boxes[1] <= height)).int().argmax(dim=0)
    across, down = boxes.gather(1, first.expand(2, 1, -1))[:, 0]
    left, top = torch.where(first < _TRIES, u[2:, 0], 0.5)
    return Boxes(left * (width - across), top * (height - down), across, down)


def crop_maps(boxes: Boxes, size: tuple[int, int]) -> Tensor:
    """Return maps [B, 3, 3] that enlarge each box to an image of height and width `size`."""
    height, width = size
    right = width / 2 - boxes.left - boxes.width / 2
    down = height / 2 - boxes.top - boxes.height / 2
    zoomed = affine.scaling(width / boxes.width, height / boxes.height)
    return affine.translation(right, down) @ zoomed
