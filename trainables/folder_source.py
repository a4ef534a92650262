"""A folder of class folders, with or without folders of parts above them."""

from functools import cached_property
from pathlib import Path

import numpy as np

from trainables.file_source import is_visible, picture_files
from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import PARTS, DataError, SourceRows

_PART_OF_FOLDER = {**{part: part for part in PARTS}, "val": "validation"}


class FolderSource:
    """`<class>/<picture>` or `<part>/<class>/<picture>`; classes in alphabetical order."""

    labelled = True

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._root)

    def fingerprint(self) -> str:
        """Return the hash of the pictures' names and contents."""
        return fingerprint_files([file for _, _, file in self._files], self._root)

    def rows(self) -> SourceRows:
        """Return labels, parts and paths of all pictures."""
        names = tuple(sorted({class_name for _, class_name, _ in self._files}))
        index = {class_name: label for label, class_name in enumerate(names)}
        return SourceRows(
            labels=np.array([index[name] for _, name, _ in self._files], dtype=np.int64),
            class_names=names,
            parts=np.array([part for part, _, _ in self._files], dtype="<U10"),
            paths=[str(file.relative_to(self._root)) for _, _, file in self._files],
        )

    def picture(self, row: int) -> RawPicture:
        """Return the bytes of a picture's file."""
        return self._files[row][2].read_bytes()

    @cached_property
    def _files(self) -> list[tuple[str, str, Path]]:
        """Return (part, class name, file) of every picture, sorted."""
        above = self._part_folders() or [("", self._root)]
        files = [
            (part, class_folder.name, file)
            for part, folder in above
            for class_folder in _folders_in(folder)
            for file in picture_files(class_folder)
        ]
        if not files:
            raise DataError(
                f"{self.name}: holds no images in class folders; put them in"
                f" {self._root.name}/<class>/"
            )
        return files

    def _part_folders(self) -> list[tuple[str, Path]]:
        """Return (part, folder) where the folders are parts; refuse parts beside classes."""
        folders = _folders_in(self._root)
        classes = [folder.name for folder in folders if folder.name not in _PART_OF_FOLDER]
        if classes and len(classes) < len(folders):
            parts = ", ".join(f.name for f in folders if f.name not in classes)
            raise DataError(
                f"{self.name}: holds parts ({parts}) beside classes ({classes[0]}, ...), but must"
                " hold only one kind; put every class folder into a part"
            )
        return [] if classes else [(_PART_OF_FOLDER[f.name], f) for f in folders]


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and is_visible(path.name)]
