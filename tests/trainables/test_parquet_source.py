import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import NAMES, encoded, pictures, write_parquet
from trainables.parquet_source import ParquetSource
from trainables.source import DataError

FILES = [encoded(image) for image in pictures(3)]


def features(**columns):
    """Return the metadata of a table in which Hugging Face describes `columns`."""
    return {"huggingface": json.dumps({"info": {"features": columns}})}


METADATA = features(label={"names": NAMES, "_type": "ClassLabel"})


def source_of(folder, *args, group=None, labelled=True, **parts):
    path = write_parquet(folder / "cells.parquet", *args, **parts)
    return ParquetSource(path, group=group, labelled=labelled)


def rows_of(folder, *args, **parts):
    return source_of(folder, *args, **parts).rows()


@pytest.mark.parametrize(
    ("values", "parts", "labels", "class_names"),
    [
        (pa.array(["b", "a", None], pa.string()), {}, [1, 0, -1], ("a", "b")),
        (pa.array(["b", "a", None], pa.large_string()), {}, [1, 0, -1], ("a", "b")),
        (pa.array(["b", "a", "b"]).dictionary_encode(), {}, [1, 0, 1], ("a", "b")),
        (["monocyte", "basophil"], {"metadata": METADATA}, [2, 0], NAMES),
        ([2, 0, 0], {"metadata": METADATA}, [2, 0, 0], NAMES),
        ([0, 2], {"metadata": features()}, [0, 2], ("0", "1", "2")),
        ([0, 2], {"metadata": features(label={"dtype": "int64"})}, [0, 2], ("0", "1", "2")),
        (pa.array([0, 1, None], pa.int8()), {}, [0, 1, -1], ("0", "1")),
        (pa.array([0, 1, None], pa.int64()), {}, [0, 1, -1], ("0", "1")),
        (pa.array([0, 1, None], pa.uint8()), {}, [0, 1, -1], ("0", "1")),
        (pa.array([0, 1, None], pa.uint64()), {}, [0, 1, -1], ("0", "1")),
        ([0, 0], {"label": None, "labelled": False}, [-1, -1], ("unlabelled",)),
    ],
    ids=["text", "large text", "categories", "text of named classes", "numbers of named classes",
         "no features", "no names", "int8", "int64", "uint8",
         "uint64", "none needed"],
)  # fmt: skip
def test_labels_may_be_text_whole_numbers_or_missing(tmp_path, values, parts, labels, class_names):
    rows = rows_of(tmp_path, values, **parts)
    assert (list(rows.labels), rows.class_names) == (labels, class_names)


@pytest.mark.parametrize(
    ("args", "parts", "line"),
    [
        (([0, 1],), {"metadata": {"huggingface": "{"}}, ".*"),
        (
            (["monocyte", "monozyte"],), {"metadata": METADATA},
            "label 'monozyte' is not a class name: basophil, eosinophil, monocyte",
        ),
        (
            ([0, 3],), {"metadata": METADATA},
            "row 1 has label 3, but must be 0..2; correct the labels or the class names",
        ),
        (([0, 1_000_000],), {}, ".*1000000.*"),
        (([0.5, 1.0],), {}, "column label is .*, but must be whole numbers or names"),
        (([True, False],), {}, "column label is .*, but must be whole numbers or names"),
        (([0, 0],), {"label": None}, "has no column 'label'; it has image"),
        (
            ([0, 1],), {"picture": FILES[:2], "image": None},
            "has no column 'image'; it has label, picture",
        ),
        (
            ([0, 1],), {"slide": [0, 1], "group": "patient"},
            "has no column 'patient'; it has image, label, slide",
        ),
        (([0, 1], ["a.png", "b.png"]), {}, "column image is .*, but must be {bytes, path}"),
        (([0, 1], [1, 2]), {}, "column image is .*, but must be {bytes, path}"),
        (
            (pa.array([], pa.int64()), pa.array([], pa.binary())), {},
            "has no rows; give a file with images",
        ),
    ],
)  # fmt: skip
def test_table_that_holds_no_labelled_images_is_refused(tmp_path, args, parts, line):
    found = refusal(DataError, rows_of, tmp_path, *args, **parts)
    assert re.fullmatch(f"{tmp_path}/cells.parquet: {line}", found)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_images_may_be_plain_bytes(tmp_path, kind):
    source = source_of(tmp_path, [0, 1, 2], pa.array(FILES, kind))
    assert [source.picture(row) for row in range(3)] == FILES
    assert source.rows().paths == ["row 0", "row 1", "row 2"]


def test_image_without_bytes_and_file_is_nothing(tmp_path):
    images = [None, {"bytes": None, "path": None}, {"bytes": None, "path": "gone.png"}]
    source = source_of(tmp_path, [0, 1, 2], images)
    assert [source.picture(row) for row in range(3)] == [None, None, None]


def test_rows_of_several_row_groups_come_in_their_order(tmp_path):
    path = write_parquet(tmp_path / "cells.parquet", [2, 0, 1], FILES)
    pq.write_table(pq.read_table(path), path, row_group_size=1)
    source = ParquetSource(path)
    assert list(source.rows().labels) == [2, 0, 1]
    assert [source.picture(row) for row in range(3)] == FILES


def test_rows_without_a_group_stand_alone(tmp_path):
    patients = ["b", None, "a", "b", None]
    groups = rows_of(tmp_path, [0, 1, 0, 1, 0], patient=patients, group="patient").groups
    assert groups.dtype == np.int64
    assert groups[0] == groups[3]
    assert len(set(groups)) == 4
