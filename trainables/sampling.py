"""In which order an epoch goes through the training images."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Sampling = Literal["natural", "balanced"]
"""Every image once; or as many images of every class, up to one."""


class EpochOrder(NamedTuple):
    """The images of one epoch, one after the other."""

    positions: NDArray[np.int64]
    """`[n]`, into the training images."""
    repeated: NDArray[np.bool_]
    """`[n]`, whether the image came before in this epoch."""


def epoch_order(
    labels: NDArray[np.int64], sampling: Sampling, generator: torch.Generator
) -> EpochOrder:
    """Return the order of one epoch of as many images as there are.

    Parameters
    ----------
    labels : array, int64, [n], classes of the training images
    sampling : 'natural' or 'balanced'
        `balanced` goes round the images of each class, in another order each time round, so that
        none comes again before all of its class have come.
    generator : torch.Generator
        Draws the order, whatever its device.
    """
    order = _permutation(len(labels), generator)
    if sampling == "natural":
        return EpochOrder(order, np.zeros(len(labels), dtype=np.bool_))
    # The classes that get one image more than the others are others in every epoch.
    present = np.unique(labels)[_permutation(len(np.unique(labels)), generator)]
    slots = np.resize(present, len(labels))[order]
    positions, repeated = np.empty_like(order), np.empty(len(order), dtype=np.bool_)
    for label in present:
        images, places = np.flatnonzero(labels == label), np.flatnonzero(slots == label)
        positions[places] = _rounds(images, len(places), generator)
        repeated[places] = np.arange(len(places)) >= len(images)
    return EpochOrder(positions, repeated)


def _rounds(images: NDArray[np.int64], count: int, generator: torch.Generator) -> NDArray[np.int64]:
    """Return `count` images: all of them in random order, all of them again, and so on."""
    rounds = [images[_permutation(len(images), generator)] for _ in range(0, count, len(images))]
    return np.concatenate([*rounds, images[:0]])[:count]


def _permutation(count: int, generator: torch.Generator) -> NDArray[np.int64]:
    order = torch.randperm(count, generator=generator, device=generator.device)
    permutation: NDArray[np.int64] = order.cpu().numpy()
    return permutation
