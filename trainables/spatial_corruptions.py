"""Corruptions of image batches that move or mix pixels: another frame, another lens, another file.

Each function takes images (Tensor, float32, [B, 3, H, W], 0..1, not modified), a strength for each
(Tensor, float32, [B], in a unit of its own) and a generator on their device, and returns new
images, float32, [B, 3, H, W], 0..1 up to rounding. What is drawn does not depend on the strength.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.io import ImageReadMode, decode_jpeg, encode_jpeg

from trainables import affine
from trainables.color_corruptions import random_signs


def rotate(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Turn about the centre either way, black where the frame's corners leave the image.

    Strength is in degrees. The corners do the harm, as in a scan that was turned and cropped; they
    grow up to 45 degrees. White blood cells are nearly round and lie in the middle: with borders
    repeated instead, 13 to 180 degrees cost an unaugmented model less than 5 points (PBC, 64 px).
    """
    turned = affine.rotation(strength * random_signs(len(images), generator))
    return affine.warp(images, turned, padding="zeros")


def move(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Move in a random direction, repeating border pixels; strength is a part of the side."""
    angle = _random_angles(len(images), 2 * math.pi, generator)
    right = strength * images.shape[3] * angle.cos()
    down = strength * images.shape[2] * angle.sin()
    return affine.warp(images, affine.translation(right, down), padding="border")


def zoom(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Enlarge or shrink by 1 + strength, whichever is drawn, repeating border pixels outside."""
    factors = (1 + strength) ** random_signs(len(images), generator)
    return affine.warp(images, affine.scaling(factors, factors), padding="border")


def defocus(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Smear every point to an even disc; strength is its radius as a part of the width."""
    radius = (strength * images.shape[3]).view(-1, 1, 1)
    right, down = _offsets(radius)
    # A pixel at the rim counts by about the part that the disc covers: radii need not be whole.
    discs = (radius + 0.5 - torch.hypot(right, down)).clamp(0, 1)
    return _convolve(images, discs)


def blur_by_motion(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Smear every point to a line of random direction; strength is its length, part of the width.

    The line is one pixel wide and fades out over one pixel at its sides and ends.
    """
    half = (strength * images.shape[3] / 2).view(-1, 1, 1)
    angle = _random_angles(len(images), math.pi, generator).view(-1, 1, 1)
    right, down = _offsets(half)
    beyond = ((right * angle.cos() + down * angle.sin()).abs() - half).clamp(min=0)
    beside = down * angle.cos() - right * angle.sin()
    return _convolve(images, (1 - torch.hypot(beyond, beside)).clamp(min=0))


def pixelate(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Replace blocks by their mean; strength is the number of blocks along a side."""
    rows = _block_means(images.shape[2], strength)
    columns = _block_means(images.shape[3], strength)
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def compress_jpeg(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Write as JPEG with colours at half resolution, and read again; strength is the quality.

    Quality is a whole number, 1..100. Images are rounded to 256 levels, on the CPU.
    """
    levels = (images * 255).round().to("cpu", torch.uint8)
    quality = strength.cpu()
    read = torch.empty_like(levels)
    for value in quality.unique().tolist():
        chosen = (quality == value).nonzero().flatten()
        files = encode_jpeg([image.contiguous() for image in levels[chosen]], quality=int(value))
        read[chosen] = torch.stack(decode_jpeg(files, mode=ImageReadMode.RGB))
    return read.to(images.device).float().div_(255)


def _random_angles(count: int, limit: float, generator: Generator) -> Tensor:
    """Return angles in 0..limit, radians, float32, [count]."""
    return limit * torch.rand(count, generator=generator, device=generator.device)


def _offsets(reach: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole steps right, [1, K], and down, [K, 1], from a kernel's middle up to `reach`."""
    limit = int(reach.max().ceil())
    offset = torch.arange(-limit, limit + 1, device=reach.device, dtype=torch.float32)
    return offset[None], offset[:, None]


def _convolve(images: Tensor, weights: Tensor) -> Tensor:
    """Return images, mirrored at the border, averaged with weights [B, K, K] each, K odd."""
    # In Fourier space the cost does not grow with the kernel, and every image can have its own.
    kernels = weights / weights.sum(dim=(1, 2), keepdim=True)
    reach = kernels.shape[-1] // 2
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    size = padded.shape[2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels, s=size)[:, None]
    result: Tensor = torch.fft.irfft2(spectrum, s=size)
    return result[:, :, 2 * reach :, 2 * reach :]


def _block_means(side: int, blocks: Tensor) -> Tensor:
    """Return matrices [B, side, side] that replace each of [B] blocks of a vector by its mean."""
    pixel = torch.arange(side, device=blocks.device) + 0.5
    block = (pixel * blocks[:, None] / side).floor()
    same = (block[:, :, None] == block[:, None]).float()
    return same / same.sum(dim=2, keepdim=True)
