import numpy as np
import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import NAMES, pictures, write_npz
from trainables.npz_source import NpzSource
from trainables.source import DataError

IMAGES, LABELS = pictures(4), np.array([0, 1, 1, 2])


def source_of(folder, **arrays):
    return NpzSource(write_npz(folder / "cells.npz", **arrays))


def line_of(folder, **arrays):
    """Return the line with which arrays are refused, or the file that is there already."""
    path = folder / "cells.npz"
    source = source_of(folder, **arrays) if arrays else NpzSource(path)
    return refusal(DataError, source.rows).removeprefix(f"{path}: ")


def test_plain_arrays_are_one_undivided_set(tmp_path):
    source = source_of(tmp_path, images=IMAGES, labels=LABELS)
    rows = source.rows()
    assert list(rows.labels) == [0, 1, 1, 2]
    assert set(rows.parts) == {""}
    assert rows.class_names == ("0", "1", "2")
    assert rows.paths == ["row 0", "row 1", "row 2", "row 3"]
    np.testing.assert_array_equal(source.picture(2), IMAGES[2])


def test_parts_follow_one_another_in_a_fixed_order(tmp_path):
    arrays = {}
    for number, part in enumerate(["shifted", "test", "val", "train"]):
        arrays[f"{part}_labels"] = np.array([[number]], dtype=np.uint8)
        arrays[f"{part}_images"] = IMAGES[number : number + 1, :, :, 0]
    source = source_of(tmp_path, **arrays)
    assert list(source.rows().parts) == ["train", "validation", "test", "shifted"]
    assert list(source.rows().labels) == [3, 2, 1, 0]
    np.testing.assert_array_equal(source.picture(3), IMAGES[0, :, :, 0])
    with pytest.raises(IndexError):
        source.picture(4)


def test_class_names_come_from_their_array_and_one_array_alone_is_no_part(tmp_path):
    arrays = {"images": IMAGES, "labels": LABELS, "class_names": np.array(NAMES)}
    rows = source_of(tmp_path, **arrays, test_images=IMAGES).rows()
    assert (rows.class_names, len(rows.labels)) == (NAMES, 4)


@pytest.mark.parametrize(
    ("arrays", "has"),
    [({"x": LABELS, "images": IMAGES}, "images, x"), ({"train_images": IMAGES}, "train_images"),
     ({}, "nothing")],
)  # fmt: skip
def test_missing_arrays_are_refused_with_those_there_are(tmp_path, arrays, has):
    np.savez(tmp_path / "cells.npz")
    assert line_of(tmp_path, **arrays) == (
        f"has {has}, but must have images and labels, or train_images and train_labels;"
        " rename the arrays"
    )


def test_images_without_labels_are_enough_where_none_are_needed(tmp_path):
    path = write_npz(tmp_path / "cells.npz", test_images=IMAGES, labels=LABELS)
    rows = NpzSource(path, labelled=False).rows()
    assert list(rows.labels) == [-1] * 4
    assert set(rows.parts) == {"test"}


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"val_images": IMAGES}, "has val_images but no val_labels; add them, or leave both out"),
        ({"val_labels": LABELS}, "has val_labels but no val_images; add them, or leave both out"),
        (
            {"class_names": np.array("a")},
            "class_names has shape (), but must be [K] names; store a list of them",
        ),
    ],
)
def test_half_of_what_is_trained_with_or_names_of_another_shape_are_refused(tmp_path, arrays, line):
    assert line_of(tmp_path, train_images=IMAGES, train_labels=LABELS, **arrays) == line


def test_file_with_pickled_objects_is_refused_unread(tmp_path):
    labels = np.array([0, "one", None, 2], dtype=object)
    line = line_of(tmp_path, images=IMAGES, labels=labels)
    assert line.startswith("cannot be read as npz (Object arrays")
    assert line.endswith("; write it with numpy.savez")


def test_file_that_is_no_npz_or_a_damaged_one_is_refused(tmp_path):
    line = "is no npz file, or only a part of one; write it with numpy.savez"
    np.save((tmp_path / "cells.npz").open("wb"), IMAGES)
    assert line_of(tmp_path) == line
    (tmp_path / "cells.npz").write_text("basophil, eosinophil\n" * 20)
    assert line_of(tmp_path) == line
    with (tmp_path / "cells.npz").open("w+b") as stream:
        np.savez_compressed(stream, images=IMAGES // 64, labels=LABELS)
        stream.seek(200)
        stream.write(bytes(60))
    assert line_of(tmp_path).startswith("cannot be read as npz (")


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint16, bool])
def test_images_of_another_type_are_refused(tmp_path, kind):
    line = f"images is {np.dtype(kind)}, but must be uint8; convert it"
    assert line_of(tmp_path, images=IMAGES.astype(kind), labels=LABELS) == line


@pytest.mark.parametrize(
    "shape",
    [(), (4, 16), (4, 0, 16, 3), (4, 16, 0), (0, 16, 16, 3), (4, 3, 16, 16), (4, 16, 16, 2)],
)
def test_arrays_without_pixels_are_refused_with_their_shape(tmp_path, shape):
    labels = LABELS[: shape[0] if shape else 1]
    line = line_of(tmp_path, test_images=np.zeros(shape, np.uint8), test_labels=labels)
    assert line == (
        f"test_images has shape {shape}, but must be [N, H, W] or [N, H, W, 3] with"
        " pixels in it; store whole images"
    )


@pytest.mark.parametrize(
    "labels",
    [np.array([0, 1]), np.eye(4, dtype=int), np.array([0.0, 1, 1, 2]), np.array(list("abca"))],
)
def test_labels_of_another_shape_or_type_are_refused(tmp_path, labels):
    assert line_of(tmp_path, images=IMAGES, labels=labels) == (
        f"labels is {labels.dtype} of shape {labels.shape}, but must be 4 whole numbers,"
        " one per image"
    )


@pytest.mark.parametrize(
    ("label", "names"), [(3, {"class_names": np.array(NAMES)}), (-2, {}), (1_000_000, {})]
)
def test_label_out_of_range_is_refused(tmp_path, label, names):
    line = line_of(tmp_path, images=IMAGES, labels=np.array([0, 1, 2, label]), **names)
    assert line.startswith(f"row 3 has label {label}, but must be 0..")
