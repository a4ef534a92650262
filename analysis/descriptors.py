"""What a picture looks like, in numbers, without a network: colours, textures and layout."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainables.picture import Pixels
from trainables.store import Progress
from trainables.trial_data import to_unit

Descriptors = dict[str, NDArray[np.float32]]

_CHUNK = 64
"""Pictures at a time: what fits a processor's cache takes two thirds of the time."""
_NUM_SCALES = 5
_SIDE = 32
_THUMBNAIL = 8
_NUM_RINGS = 6
_NUM_LEVELS = 16
_TINY = 1e-3
"""A quarter of a grey level of 255: what differs by less looks alike."""


def describe(images: Pixels, progress: Progress | None = None) -> Descriptors:
    """Return the descriptors of pictures, by group; a picture's depend on no other picture.

    Parameters
    ----------
    images : uint8, [N, S, S, 3]
        RGB, of any side; may be memory-mapped, as it is read in chunks.
    progress : callable, optional
        Told (pictures done, pictures in all).

    Returns
    -------
    dict of float32 [N, D]
        `moments`: mean, deviation and skewness of each channel, 0..1. `colors`: square roots of
        the shares of colours, red, green and blue in four steps each. `levels`: shares of pixels
        below grey levels, by channel and difference of channels. `texture`: logarithms of
        differences of neighbours at five scales, how peaked they are, and how much they favour
        one direction. `rings`: mean and deviation by distance from the middle. `thumbnail`: the
        picture at 8 x 8.
    """
    chunks = []
    for start in range(0, len(images), _CHUNK):
        # A copy, as torch takes no memory that it could not write to.
        chunk = to_unit(images[start : start + _CHUNK].copy(), torch.device("cpu"))
        chunks.append(_describe_chunk(chunk.contiguous()))
        if progress:
            progress(min(start + _CHUNK, len(images)), len(images))
    return {name: np.concatenate([chunk[name].numpy() for chunk in chunks]) for name in chunks[0]}


def _describe_chunk(images: Tensor) -> dict[str, Tensor]:
    """Describe `[B, 3, S, S]` float32 in 0..1; every value is float32 `[B, D]`."""
    small = F.adaptive_avg_pool2d(images, _SIDE)
    return {
        "moments": _moments(small),
        "colors": _colors(small),
        "levels": _levels(small),
        "texture": torch.cat([*_texture(images.mean(1, keepdim=True)), *_texture(small)], dim=1),
        "rings": _rings(small),
        "thumbnail": F.adaptive_avg_pool2d(small, _THUMBNAIL).flatten(1),
    }


def _moments(images: Tensor) -> Tensor:
    mean = images.mean(dim=(2, 3), keepdim=True)
    away = images - mean
    deviation = away.square().mean(dim=(2, 3)).sqrt()
    skewness = away.pow(3).mean(dim=(2, 3)) / (deviation.pow(3) + _TINY)
    return torch.cat([mean.flatten(1), deviation, skewness], dim=1)


def _colors(images: Tensor) -> Tensor:
    steps = (images * 4).long().clamp_(0, 3)
    bins = (steps * torch.tensor([16, 4, 1]).view(1, 3, 1, 1)).sum(dim=1).flatten(1)
    return _counts(bins, 64).div_(bins.shape[1]).sqrt_()


def _levels(images: Tensor) -> Tensor:
    red, green, blue = images.flatten(2).unbind(1)
    views = (red, green, blue, (red - green + 1) / 2, (blue - green + 1) / 2)
    shares = []
    for view in views:
        counts = _counts((view * _NUM_LEVELS).long().clamp_(0, _NUM_LEVELS - 1), _NUM_LEVELS)
        shares.append(counts.cumsum(dim=1)[:, :-1] / view.shape[1])
    return torch.cat(shares, dim=1)


def _counts(bins: Tensor, num_bins: int) -> Tensor:
    """Count `[B, P]` numbers of bins by row, float32 `[B, num_bins]`."""
    offsets = torch.arange(len(bins))[:, None] * num_bins
    counts = torch.bincount((bins + offsets).flatten(), minlength=len(bins) * num_bins)
    return counts.view(len(bins), num_bins).float()


def _texture(images: Tensor) -> Iterator[Tensor]:
    for scale in range(_NUM_SCALES):
        if scale and images.shape[-1] > 1:
            images = F.avg_pool2d(images, 2)
        # A single pixel has no neighbour but itself.
        padded = F.pad(images, (0, 1, 0, 1), mode="replicate")
        across = (padded[:, :, :-1, 1:] - images).abs_()
        down = (padded[:, :, 1:, :-1] - images).abs_()
        energy = (across + down).mean(dim=(2, 3))
        peaked = (across.square() + down.square()).mean(dim=(2, 3)).sqrt()
        lean = (across.mean(dim=(1, 2, 3)) + _TINY).log() - (down.mean(dim=(1, 2, 3)) + _TINY).log()
        yield (energy + _TINY).log()
        yield ((peaked + _TINY) / (energy + _TINY)).mean(dim=1, keepdim=True)
        yield lean.abs()[:, None]


def _rings(images: Tensor) -> Tensor:
    axis = torch.linspace(-1, 1, _SIDE)
    away = torch.hypot(axis[:, None], axis).flatten()
    ring = (away * _NUM_RINGS).long().clamp(max=_NUM_RINGS - 1)
    member = F.one_hot(ring, _NUM_RINGS).float()
    member /= member.sum(dim=0)
    mean = images.flatten(2) @ member
    square = images.flatten(2).square() @ member
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    return torch.cat([mean, deviation], dim=1).flatten(1)
