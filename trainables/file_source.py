"""Picture files without labels: one file, or all below a folder."""

from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import NO_LABEL, DataError, SourceRows


def picture_files(folder: Path) -> list[Path]:
    """Return the files below `folder` whose suffix Pillow knows, sorted, none of them hidden."""
    known = Image.registered_extensions()
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in known
        and all(map(is_visible, file.relative_to(folder).parts))
        and file.is_file()
    ]


def is_visible(name: str) -> bool:
    """Return whether a file or folder is a user's, not hidden or a system's as `__MACOSX` is."""
    return not name.startswith((".", "__"))


class FileSource:
    """Pictures to predict, sorted by their paths; files with other suffixes are passed over."""

    labelled = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The file's or folder's path."""
        return str(self._path)

    def fingerprint(self) -> str:
        """Return the hash of the files' names and contents."""
        return fingerprint_files(self._files, self._path.parent)

    def rows(self) -> SourceRows:
        """Return the paths; no row has a label or a part."""
        count = len(self._files)
        return SourceRows(
            labels=np.full(count, NO_LABEL),
            class_names=("unlabelled",),
            parts=np.full(count, "", dtype="<U10"),
            paths=[str(file) for file in self._files],
        )

    def picture(self, row: int) -> RawPicture:
        """Return the bytes of a file."""
        return self._files[row].read_bytes()

    @cached_property
    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        files = picture_files(self._path)
        if not files:
            raise DataError(f"{self.name}: holds no images; give a folder with pictures in it")
        return files
