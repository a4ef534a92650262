"""Batches of training images on the device: resident where they fit, else streamed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.picture import Pixels
from trainables.sampling import EpochOrder
from trainables.split import Indices
from trainables.store import ImageStore

_RESIDENT_SHARE = 0.5
"""Part of a GPU's free memory that resident images may take."""


class Batch(NamedTuple):
    """Images of one optimiser step, on the device."""

    pixels: Tensor
    """uint8, [B, S, S, 3]"""
    labels: Tensor
    """int64, [B]"""
    repeated: Tensor | None
    """bool, [B], whether the image came before in this epoch; None where none did."""


def batches(
    store: ImageStore,
    train: Indices,
    order: EpochOrder,
    *,
    batch_size: int,
    count: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Yield the first `count` batches of an epoch.

    A GPU that has room for all images holds them. Else, and this is the only difference, a thread
    gathers the next batch into pinned memory while the device works on this one.

    Parameters
    ----------
    store : ImageStore
    train : array, int64, [n], indices of the training images into the store
    order : EpochOrder, positions into `train`
    batch_size : int
        Images of a batch, but no more than there are.
    count : int
    device : torch.device
    """
    chosen = [
        _sorted_batch(train, order, slice(start, start + batch_size))
        for start in range(0, count * batch_size, batch_size)
    ]
    labels = [torch.from_numpy(store.labels[rows]) for rows, _ in chosen]
    pixels = _pixels(store.images, [rows for rows, _ in chosen], device)
    for images, label, (_, repeated) in zip(pixels, labels, chosen, strict=True):
        yield Batch(
            images,
            label.to(device, non_blocking=True),
            torch.from_numpy(repeated).to(device, non_blocking=True) if repeated.any() else None,
        )


def _sorted_batch(
    train: Indices, order: EpochOrder, part: slice
) -> tuple[Indices, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return rows of the store and whether each repeats; sorted, so that pages are read in turn."""
    rows = train[order.positions[part]]
    by_row = rows.argsort(kind="stable")
    return rows[by_row], order.repeated[part][by_row]


def _pixels(images: Pixels, rows: Sequence[Indices], device: torch.device) -> Iterator[Tensor]:
    if device.type != "cuda":
        return (torch.from_numpy(images[chosen]) for chosen in rows)
    file = getattr(images, "filename", None)
    resident = _resident(str(file), device) if file is not None else None
    if resident is None:
        return streamed(images, rows, device)
    return (resident[torch.from_numpy(chosen).to(device)] for chosen in rows)


@lru_cache(maxsize=1)
def _resident(file: str, device: torch.device) -> Tensor | None:
    """Return all images of a store on the device, kept for the trials to come; None if too many."""
    images = np.load(file, mmap_mode="r")
    free, _ = torch.cuda.mem_get_info(device)
    if images.nbytes > _RESIDENT_SHARE * free:
        return None
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)


def streamed(images: Pixels, rows: Sequence[Indices], device: torch.device) -> Iterator[Tensor]:
    """Yield the images of each batch on the device, gathering the next one meanwhile.

    Parameters
    ----------
    images : array, uint8, [N, S, S, 3], memory-mapped
    rows : sequence of int64 arrays, the images of each batch
    device : torch.device
    """

    def gather(chosen: Indices) -> Tensor:
        shape = (len(chosen), *images.shape[1:])
        # Torch's allocator keeps a pinned block until the copy that reads it has ended.
        block = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        np.take(images, chosen, axis=0, out=block.numpy(), mode="clip")
        return block

    with ThreadPoolExecutor(1) as pool:
        gathered = (pool.submit(gather, chosen) for chosen in rows)  # one by one, as they are asked
        ahead = next(gathered, None)
        while ahead is not None:
            block, ahead = ahead.result(), next(gathered, None)
            yield block.to(device, non_blocking=True)
