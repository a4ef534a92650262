"""An npz file: MedMNIST's layout with its parts, or plain `images` and `labels`."""

import zipfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import NO_LABEL, DataError, SourceRows, check_labels, numbered_classes

_PREFIX_OF_PART = {
    "": "",
    "train": "train_",
    "validation": "val_",
    "test": "test_",
    "shifted": "shifted_",
}
_PREFIXES_OF_TRAINING = ("train_", "val_")
_IMAGE_NDIMS = (3, 4)
_CHANNELS = (1, 3, 4)


class NpzSource:
    """Arrays `<part>_images`, uint8 `[N, H, W]` or `[N, H, W, C]`, and `<part>_labels`, `[N]`.

    Parts are `train`, `val`, `test`, `shifted`; without a prefix the file is one undivided set.
    Class names come from an array `class_names`, else classes are named after their numbers.
    """

    def __init__(self, path: Path, *, labelled: bool = True) -> None:
        self._path, self.labelled = path, labelled

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    def fingerprint(self) -> str:
        """Return the hash of the file's content."""
        return fingerprint_files([self._path], self._path)

    def rows(self) -> SourceRows:
        """Return labels, parts and class names of all parts, one after the other."""
        labels = np.concatenate([self._labels(prefix) for prefix in self._parts.values()])
        parts = np.concatenate(
            [np.full(len(self._images[part]), part, dtype="<U10") for part in self._parts]
        )
        names = self._class_names(labels)
        check_labels(self.name, labels, len(names))
        paths = [f"row {row}" for row in range(len(labels))]
        return SourceRows(labels=labels, class_names=names, parts=parts, paths=paths)

    def picture(self, row: int) -> RawPicture:
        """Return the pixels of a row."""
        for images in self._images.values():
            if row < len(images):
                return images[row]  # type: ignore[no-any-return]  # an array's element
            row -= len(images)
        raise IndexError(row)

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        if not zipfile.is_zipfile(self._path):
            raise DataError(
                f"{self.name}: is no npz file, or only a part of one; write it with numpy.savez"
            )
        try:
            with np.load(self._path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self.name}: cannot be read as npz ({reason}); write it with numpy.savez"
            ) from error

    @cached_property
    def _parts(self) -> dict[str, str]:
        """Return the prefix of every part that has images, and labels where they are needed."""
        names = set(self._arrays)
        asked = ("images", "labels") if self.labelled else ("images",)
        found = {p: x for p, x in _PREFIX_OF_PART.items() if {x + a for a in asked} <= names}
        if not found:
            has = ", ".join(sorted(names)) or "nothing"
            raise DataError(
                f"{self.name}: has {has}, but must have images and labels,"
                " or train_images and train_labels; rename the arrays"
            )
        for prefix in _PREFIXES_OF_TRAINING if self.labelled else ():
            self._check_pair(prefix + "images", prefix + "labels")
        return found

    def _check_pair(self, images: str, labels: str) -> None:
        """Refuse one of two arrays: what is meant for training is not left out in silence."""
        given = [name for name in (images, labels) if name in self._arrays]
        if len(given) == 1:
            missing = labels if given == [images] else images
            raise DataError(
                f"{self.name}: has {given[0]} but no {missing}; add them, or leave both out"
            )

    @cached_property
    def _images(self) -> dict[str, NDArray[np.generic]]:
        images = {part: self._arrays[prefix + "images"] for part, prefix in self._parts.items()}
        for part, array in images.items():
            self._check_images(self._parts[part] + "images", array)
        return images

    def _check_images(self, array_name: str, array: NDArray[np.generic]) -> None:
        shape = array.shape
        if array.dtype != np.uint8:
            raise DataError(
                f"{self.name}: {array_name} is {array.dtype}, but must be uint8; convert it"
            )
        is_pixels = array.ndim == _IMAGE_NDIMS[0] or (
            array.ndim == _IMAGE_NDIMS[1] and shape[3] in _CHANNELS
        )
        if not is_pixels or 0 in shape:
            raise DataError(
                f"{self.name}: {array_name} has shape {shape}, but must be [N, H, W] or"
                " [N, H, W, 3] with pixels in it; store whole images"
            )

    def _labels(self, prefix: str) -> NDArray[np.int64]:
        images = next(self._images[part] for part, own in self._parts.items() if own == prefix)
        labels = self._arrays.get(prefix + "labels")
        if labels is None:
            return np.full(len(images), NO_LABEL)
        if not np.issubdtype(labels.dtype, np.integer) or labels.size != len(images):
            raise DataError(
                f"{self.name}: {prefix}labels is {labels.dtype} of shape {labels.shape}, but must"
                f" be {len(images)} whole numbers, one per image"
            )
        return labels.reshape(-1).astype(np.int64)

    def _class_names(self, labels: NDArray[np.int64]) -> tuple[str, ...]:
        if "class_names" in self._arrays:
            names = self._arrays["class_names"]
            if names.ndim != 1:
                raise DataError(
                    f"{self.name}: class_names has shape {names.shape}, but must be [K] names;"
                    " store a list of them"
                )
            return tuple(map(str, names))
        return numbered_classes(labels)
