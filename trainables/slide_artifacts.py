"""What lies on a slide beside cells: dried stain, and air under the cover glass.

Each function takes images (Tensor, float32, [B, 3, H, W], 0..1, not modified), the part of each
that is covered (Tensor, float32, [B], 0..1) and a generator on their device, and returns new
images, float32, [B, 3, H, W], 0..1. What is drawn does not depend on the part covered.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

# Red, green and blue of dried stain: darker and more purple than any nucleus.
_STAIN = (0.24, 0.10, 0.34)
_STAIN_OPACITY = 0.9

_GLARE, _RIM_GLARE = 0.25, 0.9
"""Whiteness of a bubble, and of its rim: parts of white mixed in."""
_RIM = 0.15
"""Width over which the rim fades inwards, in radii."""
_SHRINKING = 0.5
"""What is under the middle of a bubble is seen smaller by 1 + this; 0.5 at most, or it folds."""


def lay_stain(images: Tensor, area: Tensor, generator: Generator) -> Tensor:
    """Lay dark purple blobs of irregular outline over the image."""
    field = _smooth_noise(images.shape, generator)
    ranked = field.flatten(1).sort(dim=1, descending=True).values
    last = (area * ranked.shape[1]).long().clamp(max=ranked.shape[1] - 1)
    shore = ranked.gather(1, last[:, None])[:, :, None]
    # 0.05 of the noise's spread: an edge of about two pixels at 64 pixels.
    spread = field.std(dim=(1, 2), keepdim=True)
    cover = _STAIN_OPACITY * torch.sigmoid((field - shore) / (0.05 * spread))[:, None]
    stain = torch.tensor(_STAIN, device=images.device).view(1, 3, 1, 1)
    return torch.lerp(images, stain, cover)


def lay_bubble(images: Tensor, area: Tensor, generator: Generator) -> Tensor:
    """Lay one air bubble at a random place inside the image.

    A round lens that shows what is under it smaller, veiled with white, and with a bright rim.
    """
    count, _, height, width = images.shape
    radius = (area * height * width / math.pi).sqrt().view(-1, 1, 1)
    place = torch.rand((2, count, 1, 1), generator=generator, device=images.device)
    right = _from_centre(place[0], radius, width)
    down = _from_centre(place[1], radius, height).transpose(1, 2)
    distance = torch.hypot(right, down)
    depth = 1 - distance / radius
    bent = _shrunk(images, right, down, depth.clamp(min=0))
    glare = _GLARE + (_RIM_GLARE - _GLARE) * torch.exp(-((depth / _RIM) ** 2))
    inside = (radius - distance + 0.5).clamp(0, 1)[:, None]
    return torch.lerp(images, torch.lerp(bent, torch.ones_like(bent), glare[:, None]), inside)


def _from_centre(place: Tensor, radius: Tensor, pixels: int) -> Tensor:
    """Return the distance of pixels from a centre, [B, 1, pixels], that keeps the disc inside.

    `place`, [B, 1, 1], 0..1, says where between the first and the last possible centre.
    """
    centre = radius + place * (pixels - 2 * radius).clamp(min=0)
    return torch.arange(pixels, device=place.device) + 0.5 - centre


def _shrunk(images: Tensor, right: Tensor, down: Tensor, depth: Tensor) -> Tensor:
    """Return what a lens shows: pixels read from further out, more so the deeper, [B, H, W], 0..1.

    `right`, [B, 1, W], and `down`, [B, H, 1], are the distances of pixels from its centre.
    """
    height, width = images.shape[2:]
    further = _SHRINKING * (2 * depth - depth**2)
    x = torch.arange(width, device=images.device) + 0.5 + right * further
    y = (torch.arange(height, device=images.device) + 0.5)[:, None] + down * further
    grid = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], dim=-1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _smooth_noise(shape: torch.Size, generator: Generator) -> Tensor:
    """Return noise [B, H, W] with hills about a sixth of the side wide and rough outlines."""
    count, _, height, width = shape
    octaves = [
        F.interpolate(
            torch.randn((count, 1, cells, cells), generator=generator, device=generator.device),
            size=(height, width),
            mode="bicubic",
        )
        * (6 / cells)
        for cells in (6, 12, 24)
    ]
    return torch.stack(octaves).sum(dim=0).squeeze(1)
