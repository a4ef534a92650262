"""Tests of the helpers of sources, and the contract that every kind of source keeps."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import encoded, pictures, write_folder, write_npz, write_parquet
from trainables import synthetic_cells
from trainables.open_source import open_source
from trainables.picture import square_pixels
from trainables.source import PARTS, DataError, check_labels, split_part
from trainables.synthetic_cells import SyntheticCells

KINDS = ["parquet", "npz", "npz_parts", "folder", "folder_parts", "synthetic"]
FILE_KINDS = KINDS[:-1]
HALF = 3
"""The first half of the pictures is the training part where there are parts."""
IMAGES, LABELS = pictures(6), np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    cells = SyntheticCells(
        images=IMAGES, labels=LABELS, parts=np.repeat(["train", "test"], HALF), faults=[""] * 6
    )
    monkeypatch.setattr(synthetic_cells, "synthetic_cells", lambda **_: cells)


def write_source(kind, folder, images=IMAGES):
    """Write the same labelled pictures as any kind of source, and return its name."""
    folder.mkdir(exist_ok=True)
    files = [encoded(image) for image in images]
    part = ["train/" if row < HALF else "test/" for row in range(len(files))]
    if kind == "parquet":
        rows = [{"bytes": file, "path": None} for file in files]
        return str(write_parquet(folder / "cells.parquet", LABELS, rows))
    if kind == "npz":
        return str(write_npz(folder / "cells.npz", images=images, labels=LABELS))
    if kind == "npz_parts":
        train = {"train_images": images[:HALF], "train_labels": LABELS[:HALF, None]}
        test = {"test_images": images[HALF:], "test_labels": LABELS[HALF:, None]}
        return str(write_npz(folder / "cells.npz", **train, **test))
    if kind.startswith("folder"):
        part = part if kind == "folder_parts" else [""] * len(files)
        named = {f"{part[row]}{LABELS[row]}/{row}.png": files[row] for row in range(len(files))}
        return str(write_folder(folder / "cells", named))
    return "synthetic:blood-cells"


def labelled_pixels(source):
    """Return (label, part, pixels) of every row, sorted."""
    rows = source.rows()
    decoded = [square_pixels(source.picture(row), size=16, resize="crop") for row in range(6)]
    parts = map(str, rows.parts)
    return sorted(zip(rows.labels, parts, [p.tobytes() for p in decoded], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_source_gives_the_labelled_pictures_that_were_put_in(kind, tmp_path):
    source = open_source(write_source(kind, tmp_path))
    parts = np.repeat(["train", "test"], HALF) if kind[-5:] in ("parts", "hetic") else [""] * 6
    expected = [(LABELS[row], str(parts[row]), IMAGES[row].tobytes()) for row in range(6)]
    assert labelled_pixels(source) == sorted(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_source_has_its_name_rows_of_one_length_and_a_fingerprint_that_stays(kind, tmp_path):
    name = write_source(kind, tmp_path)
    source = open_source(name)
    rows = source.rows()
    assert source.name == name
    assert {len(rows.labels), len(rows.parts), len(rows.paths), len(set(rows.paths))} == {6}
    assert (rows.labels.dtype, rows.groups) == (np.int64, None)
    assert set(rows.parts) <= {"", *PARTS}
    assert len(rows.class_names) == (8 if kind == "synthetic" else 3)
    assert open_source(name).fingerprint() == source.fingerprint()
    assert len(source.fingerprint()) == 64


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_fingerprint_changes_with_one_pixel(kind, tmp_path):
    before = open_source(write_source(kind, tmp_path / "a")).fingerprint()
    changed = IMAGES.copy()
    changed[4, 3, 2, 1] ^= 1
    assert open_source(write_source(kind, tmp_path / "b", changed)).fingerprint() != before


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_fingerprint_is_the_same_for_a_copy_of_another_name(kind, tmp_path, monkeypatch):
    name = Path(write_source(kind, tmp_path / "a"))
    before = open_source(str(name)).fingerprint()
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "other"))
    (tmp_path / "b").mkdir()
    copy = shutil.move(name, tmp_path / "b" / f"renamed{name.suffix}")
    assert open_source(str(copy)).fingerprint() == before


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("cells.npz", ("cells.npz", None)),
        ("cells.npz#test", ("cells.npz", "test")),
        ("cells.npz#val", ("cells.npz", "validation")),
        ("synthetic:blood-cells#shifted", ("synthetic:blood-cells", "shifted")),
    ],
)
def test_name_with_a_part_is_split_at_the_mark(data, expected):
    assert split_part(data) == expected


def test_unknown_part_is_refused_with_the_nearest():
    assert refusal(DataError, split_part, "cells.npz#tset") == (
        "cells.npz#tset: the part is 'tset', but must be one of train, validation, test, shifted;"
        " did you mean 'test'?"
    )


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, -1], []])
def test_labels_of_classes_and_missing_ones_are_fine(labels):
    check_labels("cells.npz", np.array(labels, dtype=np.int64), 3)


@pytest.mark.parametrize(("labels", "row", "label"), [([0, 1, 3], 2, 3), ([0, -2, 9], 1, -2)])
def test_label_out_of_range_is_refused_with_its_row(labels, row, label):
    assert refusal(DataError, check_labels, "cells.npz", np.array(labels), 3) == (
        f"cells.npz: row {row} has label {label}, but must be 0..2; correct the labels or the class"
        " names"
    )
