"""Faults of every kind that the audit looks for, planted into pictures believed clean."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.audit_junk import Images, Kind
from trainables.picture import BadPictureError, square_pixels
from trainables.synthetic_cells import to_uint8

Labels = NDArray[np.int64]
Rng = np.random.Generator
File = bytes | None

NUM_UNDECODABLE_EACH = 3
NUM_COPIES_EACH = 12
NUM_JUNK_EACH = 8
NUM_REPEATS = 120
WRONG_LABELS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A faulty data set whose faults are known; all have one entry per row."""

    files: list[File]
    """Encoded pictures, as a source gives them."""
    labels: Labels
    """`[N]`, as the audit sees them."""
    truths: Labels
    """`[N]`, the labels of the pictures believed clean; -1 for junk and what does not decode."""
    faults: NDArray[np.str_]
    """`[N]`, empty, or a step and a kind, such as `junk: text`."""
    originals: Labels
    """`[N]`, the row of the picture that the row is a copy of, or the row itself."""

    def save(self, path: Path) -> None:
        """Write the faulty set in Hugging Face's image layout."""
        pictures = [{"bytes": file, "path": None} for file in self.files]
        pd.DataFrame({"image": pictures, "label": self.labels}).to_parquet(path)

    def pixels(self, size: int) -> tuple[Images, Labels]:
        """Return the pictures that decode, uint8 `[M, S, S, 3]`, and their rows, `[M]`."""
        images, rows = [], []
        for row, file in enumerate(self.files):
            try:
                images.append(square_pixels(file, size=size, resize="crop"))
            except BadPictureError:
                continue
            rows.append(row)
        return np.stack(images), np.array(rows)


def jpeg(picture: Images, quality: int = 92) -> bytes:
    """Return a picture as a JPEG file."""
    return _encoded(picture, "JPEG", quality=quality)


def _encoded(picture: Images, form: str, **options: int) -> bytes:
    target = io.BytesIO()
    Image.fromarray(picture).save(target, form, **options)
    return target.getvalue()


def _decoded(file: bytes) -> Images:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


UNDECODABLE: dict[str, Callable[[Rng, bytes], File]] = {
    "missing": lambda rng, file: None,
    "empty": lambda rng, file: b"",
    "truncated": lambda rng, file: file[: int(len(file) * rng.uniform(0.2, 0.8))],
    "header only": lambda rng, file: file[:20],
    "random bytes": lambda rng, file: rng.bytes(len(file)),
    "text": lambda rng, file: b"<html><body>404 Not Found</body></html>",
    "zeroed": lambda rng, file: bytes(len(file)),
}
EXACT: dict[str, Callable[[Rng, bytes], File]] = {
    "same bytes": lambda rng, file: file,
    "same pixels": lambda rng, file: _encoded(_decoded(file), "PNG"),
}
"""Copies that are no different once they are decoded."""


def _changed(change: Callable[[Rng, Images], Images]) -> Callable[[Rng, bytes], File]:
    return lambda rng, file: jpeg(change(rng, _decoded(file)))


def _shifted(rng: Rng, picture: Images) -> Images:
    down, across = rng.choice([[0, 1], [1, 0], [1, 1], [2, 1], [0, -2], [-1, 2]])
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    height, width = picture.shape[:2]
    return padded[2 + down : 2 + down + height, 2 + across : 2 + across + width]


def _relit(rng: Rng, picture: Images) -> Images:
    return to_uint8(picture * rng.choice([rng.uniform(0.85, 0.95), rng.uniform(1.05, 1.15)]))


NEAR: dict[str, Callable[[Rng, bytes], File]] = {
    "re-encoded": lambda rng, file: jpeg(_decoded(file), int(rng.integers(50, 85))),
    "brighter or darker": _changed(_relit),
    "shifted": _changed(_shifted),
    "mirrored": _changed(lambda rng, picture: picture[:, ::-1]),
    "turned": _changed(lambda rng, picture: np.rot90(picture, int(rng.integers(1, 4)))),
}
"""Copies that differ a little."""


def plant(cells: Images, labels: Labels, junk: Mapping[str, Kind], seed: int) -> Planted:
    """Return the cells with faults among them, in an order that says nothing.

    Parameters
    ----------
    cells : uint8, [N, S, S, 3]
        Pictures believed clean, a hundred or more.
    labels : int64, [N]
    junk : mapping
        Kinds of junk by name. A name with `repeat` or `rephotograph` in it gives 120 pictures, all
        others 8; one with `in one class` has the label of the rarest class, others any.
    seed : int, 0 or more
    """
    rng = np.random.default_rng(seed)
    rows = [
        _Row(jpeg(cell), int(label), int(label), "", number)
        for number, (cell, label) in enumerate(zip(cells, labels, strict=True))
    ]
    order = iter(rng.permutation(len(cells)).tolist())
    classes = int(labels.max()) + 1
    for row in (next(order) for _ in range(int(WRONG_LABELS * len(cells)))):
        other = int(labels[row] + rng.integers(1, classes)) % classes
        rows[row] = rows[row]._replace(label=other, fault="label: wrong")
    for step, ways in (("exact", EXACT), ("near", NEAR), ("undecodable", UNDECODABLE)):
        for kind, way in ways.items():
            broken = step == "undecodable"
            for _ in range(NUM_UNDECODABLE_EACH if broken else NUM_COPIES_EACH):
                row = next(order)
                file, label = way(rng, jpeg(cells[row])), int(labels[row])
                truth, original = (-1, len(rows)) if broken else (label, row)
                rows.append(_Row(file, label, truth, f"{step}: {kind}", original))
    for _ in range(NUM_COPIES_EACH):
        row = next(order)
        other = int(labels[row] + rng.integers(1, classes)) % classes
        rows.append(_Row(rows[row].file, other, int(labels[row]), "exact: conflicting label", row))
    rare = int(np.argmin(np.where(np.bincount(labels) > 0, np.bincount(labels), len(labels))))
    for kind, draw in junk.items():
        often = "repeat" in kind or "rephotograph" in kind
        for picture in draw(rng, cells.shape[1], NUM_REPEATS if often else NUM_JUNK_EACH, cells):
            label = rare if "in one class" in kind else int(rng.integers(classes))
            rows.append(_Row(jpeg(picture), label, -1, f"junk: {kind}", len(rows)))
    return _shuffled(rows, rng)


class _Row(NamedTuple):
    """A row of what `Planted` holds."""

    file: File
    label: int
    truth: int
    fault: str
    original: int


def _shuffled(rows: list[_Row], rng: Rng) -> Planted:
    order = rng.permutation(len(rows))
    files, labels, truths, faults, originals = zip(*(rows[row] for row in order), strict=True)
    return Planted(
        files=list(files),
        labels=np.array(labels),
        truths=np.array(truths),
        faults=np.array(faults),
        originals=np.argsort(order)[list(originals)],
    )
