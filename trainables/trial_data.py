"""The data of a trial: the store, its split, and the views that a model is validated on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spaces import DataSpec, ValidationViews
from trainables.augment import AugmentPolicy, augment
from trainables.manifest import read_manifest
from trainables.open_source import open_source
from trainables.picture import Pixels
from trainables.quick_look import data_warning
from trainables.shifts import NUM_SEVERITIES, apply_shift, shift_names
from trainables.split import Indices, Split, split_store
from trainables.store import ImageStore, Progress, open_store

MAX_SHIFT_IMAGES = 128
"""Validation images seen under every shift: a standard error of at most 4.4 points for each.

For the mean over the 12 shifts of the family the binomial bound is 1.3 points (1,536 predictions),
if a shift does not fail on the images on which another fails. They do in part, the images being
the same: unaugmented references on PBC have 2.2 points, by resampling images.
"""

_MAX_STATISTICS_IMAGES = 2000
_LEAST_STD = 1 / 255
_CHUNK = 256
_MAX_COPIES = 9
_VALIDATION_POLICY = AugmentPolicy(ops=1, magnitude=9, flips=True, zoom=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Images to validate on: clean ones, or the same under one shift."""

    name: str
    """`clean`, or the name of the shift."""
    images: Pixels
    """`[M, S, S, 3]`, of which `indices` are looked at."""
    indices: Indices
    """`[n]`, into `images`."""
    labels: NDArray[np.int64]
    """`[n]`."""
    rows: NDArray[np.int64]
    """`[n]`, rows of the source."""
    severities: NDArray[np.int64]
    """`[n]`, 1..5; 0 on the clean view."""

    def batches(self, size: int) -> Iterator[Pixels]:
        """Yield the images in order, `size` at a time."""
        for start in range(0, len(self.indices), size):
            yield self.images[self.indices[start : start + size]]


@dataclass(frozen=True, kw_only=True)
class TrialData:
    """Everything a trial reads; nothing of it is copied from one trial to the next."""

    spec: DataSpec
    store: ImageStore
    split: Split
    mean: tuple[float, float, float]
    """Mean of each channel over the training images, 0..1."""
    std: tuple[float, float, float]
    """Standard deviation of each channel over the training images, 0..1."""
    decisions: str | None = None
    """Hash of what the manifest decides; None where the data have no manifest."""

    @property
    def fingerprints(self) -> dict[str, str | None]:
        """The names in a run's provenance of what tells these data from others, and the values."""
        return {
            "data_fingerprint": self.store.fingerprint,
            "manifest_fingerprint": self.decisions,
        }

    @cached_property
    def warning(self) -> str | None:
        """A line on what an audit would clear away; None where there is nothing or one was made."""
        return data_warning(self.store) if self.decisions is None else None

    @property
    def num_classes(self) -> int:
        """Number of classes, also those without an image."""
        return len(self.store.class_names)

    @cached_property
    def clean(self) -> View:
        """All validation images."""
        return clean_view(self.store, self.split.validation)

    @cached_property
    def augmented(self) -> View:
        """All validation images, and varied copies of the rare classes' up to balance."""
        return augmented_view(self.store, self.split.validation, self.spec.split.seed)

    @cached_property
    def shifts(self) -> tuple[View, ...]:
        """A fixed subset of the validation images under every shift of the `selection` family."""
        return shift_views(self.store, self.split.validation, self.spec.split.seed)

    def views(self, kind: ValidationViews) -> tuple[View, ...]:
        """Return what a trial is validated on: first what `val_*` is measured on, then shifts."""
        match kind:
            case "clean":
                return (self.clean,)
            case "augmented":
                return (self.augmented,)
            case "shifts":
                return (self.clean, *self.shifts)


def load_trial_data(spec: DataSpec, *, progress: Progress | None = None) -> TrialData:
    """Open what `spec` names, apply its manifest, split it; equal in every process."""
    source = open_source(spec.source, group=spec.split.group)
    store = open_store(source, size=spec.image_size, resize=spec.resize, progress=progress)
    manifest = read_manifest(Path(spec.keep)) if spec.keep else None
    if manifest:
        store = manifest.applied(store)
    split = split_store(store, spec.split)
    mean, std = channel_statistics(store.images, split.train)
    return TrialData(
        spec=spec,
        store=store,
        split=split,
        mean=mean,
        std=std,
        decisions=manifest.decisions() if manifest else None,
    )


def channel_statistics(
    images: Pixels, indices: Indices
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and standard deviation of each channel, 0..1, over at most 2,000 images."""
    step = -(-len(indices) // _MAX_STATISTICS_IMAGES)
    pixels = images[indices[::step]].reshape(-1, 3)
    counts = [np.bincount(pixels[:, channel], minlength=256) for channel in range(3)]
    values = np.arange(256) / 255
    means = [float(np.average(values, weights=count)) for count in counts]
    stds = [
        # A channel that is everywhere the same must not be divided by nothing.
        max(float(np.sqrt(np.average((values - mean) ** 2, weights=count))), _LEAST_STD)
        for mean, count in zip(means, counts, strict=True)
    ]
    return (means[0], means[1], means[2]), (stds[0], stds[1], stds[2])


def clean_view(store: ImageStore, indices: Indices) -> View:
    """Return the given images of a store as they are."""
    return View(
        name="clean",
        images=store.images,
        indices=indices,
        labels=store.labels[indices],
        rows=store.rows[indices],
        severities=np.zeros(len(indices), dtype=np.int64),
    )


def augmented_view(store: ImageStore, indices: Indices, seed: int) -> View:
    """Return the given images, and varied copies of those of rare classes, until all are balanced.

    No image has more than nine copies, which tell little new: very rare classes stay rarer.
    """
    labels = store.labels[indices]
    counts = np.bincount(labels)
    rng = np.random.default_rng(seed)
    copied = [
        np.tile(rng.permutation(np.flatnonzero(labels == label)), _MAX_COPIES)[: counts.max() - n]
        for label, n in enumerate(counts)
        if n
    ]
    # In the order of the images, so that the copies of one follow each other.
    copies = np.sort(np.concatenate(copied))
    chosen = np.concatenate([np.arange(len(indices)), copies])
    varied = _varied(store.images[indices[copies]], seed)
    return View(
        name="augmented",
        images=np.concatenate([store.images[indices], varied]),
        indices=np.arange(len(chosen)),
        labels=labels[chosen],
        rows=store.rows[indices[chosen]],
        severities=np.zeros(len(chosen), dtype=np.int64),
    )


def _varied(pixels: Pixels, seed: int) -> Pixels:
    """Return `[n, S, S, 3]` pixels, each turned, mirrored, zoomed and recoloured in its own way."""
    generator = torch.Generator().manual_seed(seed)

    def vary(images: Tensor, _: slice) -> Tensor:
        return augment(images, _VALIDATION_POLICY, generator)

    return _mapped(pixels, vary)


def shift_views(store: ImageStore, indices: Indices, seed: int) -> tuple[View, ...]:
    """Return a fixed random subset of the images under every shift of the `selection` family.

    Severities rotate over images and shifts, so that every shift is seen at all five of them.
    """
    chosen = np.random.default_rng(seed).permutation(indices)[:MAX_SHIFT_IMAGES]
    chosen.sort()
    views = []
    for offset, name in enumerate(shift_names("selection")):
        severities = 1 + (np.arange(len(chosen)) + offset) % NUM_SEVERITIES
        views.append(
            View(
                name=name,
                images=shifted_pixels(store.images[chosen], name, severities, seed),
                indices=np.arange(len(chosen)),
                labels=store.labels[chosen],
                rows=store.rows[chosen],
                severities=severities,
            )
        )
    return tuple(views)


def shifted_pixels(pixels: Pixels, name: str, severities: NDArray[np.int64], seed: int) -> Pixels:
    """Return `[n, S, S, 3]` pixels under the shift `name` at `[n]` severities 1..5."""
    generator = torch.Generator().manual_seed(seed)

    def shift(images: Tensor, part: slice) -> Tensor:
        return apply_shift(images, name, torch.from_numpy(severities[part]), generator)

    return _mapped(pixels, shift)


def _mapped(pixels: Pixels, change: Callable[[Tensor, slice], Tensor]) -> Pixels:
    """Return `[n, S, S, 3]` pixels after `change`, which is given images in 0..1 and their rows."""
    changed = np.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = slice(start, start + _CHUNK)
        images = change(to_unit(pixels[part].copy(), torch.device("cpu")), part)
        changed[part] = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return changed


def to_unit(pixels: Pixels | Tensor, device: torch.device) -> Tensor:
    """Return `[B, S, S, 3]` uint8 as `[B, 3, S, S]` float32 in 0..1, channels_last, on `device`."""
    batch = torch.as_tensor(pixels).to(device, non_blocking=True)
    return batch.permute(0, 3, 1, 2).float().div_(255)
