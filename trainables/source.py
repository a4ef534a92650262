"""A source of labelled pictures: what every kind of it offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spaces import UserError, did_you_mean
from trainables.picture import RawPicture

PARTS = ("train", "validation", "test", "shifted")
"""Names of the parts a source may bring, after `#` in `DATA#part`."""

_MAX_UNNAMED_CLASSES = 1000

NO_LABEL = -1
"""The label of a row that has none."""


class DataError(UserError):
    """The images a user gave cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """All rows of a source but for their pictures."""

    labels: NDArray[np.int64]
    """`[N]`, index into `class_names`, or -1 where there is none."""
    class_names: tuple[str, ...]
    """Names of the classes in the order of their labels; at least the number of labels."""
    parts: NDArray[np.str_]
    """`[N]`, one of `PARTS`, or empty where the source is not divided."""
    paths: Sequence[str]
    """`N` names of the pictures for people: a file's path or a row's number."""
    groups: NDArray[np.int64] | None = None
    """`[N]`, rows of one group must stay together; None where nobody said so."""


class Source(Protocol):
    """A source of pictures, opened lazily: nothing is decoded before `picture` is asked for one."""

    labelled: bool
    """Whether pictures without labels are no part of the source."""

    @property
    def name(self) -> str:
        """The source as the user named it."""

    def fingerprint(self) -> str:
        """Return a hash of all content; equal content gives equal hashes on any machine."""

    def rows(self) -> SourceRows:
        """Return all rows but for their pictures."""

    def picture(self, row: int) -> RawPicture:
        """Return the picture of a row, encoded or as pixels."""


def split_part(data: str) -> tuple[str, str | None]:
    """Return `("cells.npz", "test")` for `cells.npz#test`, and None as the part without `#`.

    Raises
    ------
    DataError
        Where the part is not one of `PARTS`.
    """
    name, mark, part = data.rpartition("#")
    if not mark or Path(data).exists():
        return data, None
    part = {"val": "validation"}.get(part, part)
    if part not in PARTS:
        hint = did_you_mean(part, PARTS)
        raise DataError(
            f"{data}: the part is {part!r}, but must be one of {', '.join(PARTS)}{hint}"
        )
    return name, part


def numbered_classes(labels: NDArray[np.int64]) -> tuple[str, ...]:
    """Return names for classes that have none: their numbers, at most 1,000 or one a row."""
    most = max(len(labels), _MAX_UNNAMED_CLASSES)
    return tuple(str(label) for label in range(min(int(labels.max()) + 1, most)))


def check_labels(name: str, labels: NDArray[np.int64], num_classes: int) -> None:
    """Raise a `DataError` that names the first row whose label is not in -1..num_classes-1."""
    bad = np.flatnonzero((labels < NO_LABEL) | (labels >= num_classes))
    if len(bad):
        raise DataError(
            f"{name}: row {bad[0]} has label {labels[bad[0]]}, but must be 0..{num_classes - 1};"
            " correct the labels or the class names"
        )
