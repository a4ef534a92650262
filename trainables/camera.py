"""What a camera does to whole batches: blur, noise, and the order of its colour channels."""

from itertools import permutations

import torch
from torch import Tensor

CHANNEL_ORDERS = tuple(permutations(range(3)))
"""The six orders of three channels, the usual one first."""

_SHARPEST, _LEAST_WEIGHT = 1e-3, 1e-9


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with a Gaussian, mirrored at the outer pixel edges.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W]; not modified
    sigma : Tensor, float32, [B], pixels, at least 0, which keeps the image; at most a quarter of
        the shorter side

    Returns
    -------
    Tensor, float32, [B, 3, H, W], contiguous
    """
    count, channels, height, width = images.shape
    across = _blur_matrices(sigma, width)
    down = across if height == width else _blur_matrices(sigma, height)
    # 64x3x96x96, one core: 6 ms whatever sigma is.
    blurred = images.reshape(count, channels * height, width).bmm(across)
    return down[:, None] @ blurred.view_as(images)


def add_noise(images: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Add to every value of every image its own normally distributed number.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1, contiguous; not modified
    deviation : Tensor, float32, [B], standard deviation of the noise
    generator : torch.Generator, on the device of `images`

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, contiguous
    """
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return noise.mul_(deviation.view(-1, 1, 1, 1)).add_(images).clamp_(0, 1)


def reorder_channels(images: Tensor, order: Tensor) -> Tensor:
    """Let the colour channels of each image change places.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W]; not modified
    order : Tensor, float32, [B], whole numbers in 0..5: places in CHANNEL_ORDERS

    Returns
    -------
    Tensor, float32, [B, 3, H, W]
    """
    orders = torch.tensor(CHANNEL_ORDERS, device=images.device)[order.long()]
    first = 3 * torch.arange(len(images), device=images.device)
    planes = (first[:, None] + orders).flatten()
    return images.flatten(0, 1).index_select(0, planes).view(images.shape)


def _blur_matrices(sigma: Tensor, side: int) -> Tensor:
    """Return [B, side, side]: each pixel's weight in each pixel of a blurred line."""
    steps = torch.arange(1 - 2 * side, 2 * side, device=sigma.device)
    weights = torch.exp(-0.5 * (steps / sigma.clamp(min=_SHARPEST)[:, None]) ** 2)
    # Numbers too small for float32's usual form would make the products 20 times slower.
    weights *= weights > _LEAST_WEIGHT
    weights /= weights.sum(dim=1, keepdim=True)
    # Row s, column j hold the weight of the distance s + j + 1 - 2 * side. Pixel j is seen from
    # pixel i at the distance j - i, and its mirror images at j + i + 1 and j + i + 1 - 2 * side.
    lines = weights.unfold(1, side, 1)
    mirrored = lines[:, 2 * side :] + lines[:, :side]
    return mirrored.add_(lines[:, side : 2 * side].flip(1))
