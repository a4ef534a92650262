"""MedMNIST's data sets by name, from the npz files that the package of that name downloads."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from spaces import did_you_mean
from trainables.npz_source import NpzSource
from trainables.picture import RawPicture
from trainables.source import DataError, SourceRows, check_labels


class MedmnistSource:
    """`medmnist:bloodmnist`, or `medmnist:bloodmnist_64`, with the names of its classes.

    The file is `bloodmnist.npz` in `$MEDMNIST_ROOT`, else in `~/.medmnist`.
    """

    def __init__(self, name: str, *, labelled: bool = True) -> None:
        self._name, self.labelled = name, labelled
        stem = name.partition(":")[2]
        self._class_names = _class_names(name, stem.partition("_")[0])
        self._npz = NpzSource(_npz_file(name, stem), labelled=labelled)

    @property
    def name(self) -> str:
        """`medmnist:` and the name of the data set."""
        return self._name

    def fingerprint(self) -> str:
        """Return the hash of the file's content and of the names of the classes."""
        whole = "\0".join([self._npz.fingerprint(), *self._class_names])
        return hashlib.sha256(whole.encode()).hexdigest()

    def rows(self) -> SourceRows:
        """Return labels, parts and class names."""
        rows = self._npz.rows()
        check_labels(self.name, rows.labels, len(self._class_names))
        return replace(rows, class_names=self._class_names)

    def picture(self, row: int) -> RawPicture:
        """Return the pixels of a row."""
        return self._npz.picture(row)


def _class_names(name: str, data_set: str) -> tuple[str, ...]:
    try:
        from medmnist import INFO  # an extra, and it loads torch
    except ModuleNotFoundError as error:
        if error.name != "medmnist":
            raise
        raise DataError(
            f"{name}: needs the package medmnist; type pip install 'cytosweep[medmnist]'"
        ) from error
    if data_set not in INFO:
        hint = did_you_mean(data_set, INFO) or f"; there are {', '.join(INFO)}"
        raise DataError(f"{name}: MedMNIST has no {data_set}{hint}")
    labels: dict[str, str] = INFO[data_set]["label"]
    return tuple(labels[str(label)] for label in range(len(labels)))


def _npz_file(name: str, stem: str) -> Path:
    root = Path(os.environ.get("MEDMNIST_ROOT") or "~/.medmnist").expanduser()
    file = root / f"{stem}.npz"
    if not file.is_file():
        raise DataError(
            f"{name}: there is no {file}; download {stem}.npz as MedMNIST's page says, and put it"
            " there, or into a folder that MEDMNIST_ROOT names"
        )
    return file
