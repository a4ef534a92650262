"""Picture files without labels: one file, or all below a folder."""

from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import NO_LABEL, DataError, SourceRows


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
        known = Image.registered_extensions()
        below = sorted(self._path.rglob("*"))
        files = [f for f in below if f.suffix.lower() in known and f.is_file()]
        if not files:
            raise DataError(f"{self.name}: holds no images; give a folder with pictures in it")
        return files
