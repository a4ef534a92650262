import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.builders import NAMES, encoded, pictures, write_parquet
from trainables.parquet_source import ParquetSource
from trainables.source import DataError

NAMED = {"info": {"features": {"label": {"names": list(NAMES), "_type": "ClassLabel"}}}}
METADATA = {"huggingface": json.dumps(NAMED)}
FILES = [encoded(image) for image in pictures(3)]


def source_of(folder, *args, group=None, labelled=True, **parts):
    path = write_parquet(folder / "cells.parquet", *args, **parts)
    return ParquetSource(path, group=group, labelled=labelled)


def line_of(folder, *args, **parts):
    with pytest.raises(DataError) as caught:
        source_of(folder, *args, **parts).rows()
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


def test_class_names_come_from_the_huggingface_metadata(tmp_path):
    rows = source_of(tmp_path, [2, 0, 0], metadata=METADATA).rows()
    assert rows.class_names == NAMES
    assert list(rows.labels) == [2, 0, 0]


@pytest.mark.parametrize("features", [{}, {"label": {"dtype": "int64", "_type": "Value"}}])
def test_metadata_without_names_leaves_the_numbers(tmp_path, features):
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    assert source_of(tmp_path, [0, 2], metadata=metadata).rows().class_names == ("0", "1", "2")


def test_metadata_that_is_not_json_is_refused_in_one_line(tmp_path):
    assert line_of(tmp_path, [0, 1], metadata={"huggingface": "{"}).startswith("cells.parquet: ")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_labels_of_text_name_the_classes_in_alphabetical_order(tmp_path, kind):
    rows = source_of(tmp_path, pa.array(["b", "a", None, "b"], kind)).rows()
    assert rows.class_names == ("a", "b")
    assert list(rows.labels) == [1, 0, -1, 1]


def test_labels_of_text_follow_the_metadata_where_there_is_some(tmp_path):
    rows = source_of(tmp_path, ["monocyte", "basophil"], metadata=METADATA).rows()
    assert (list(rows.labels), rows.class_names) == ([2, 0], NAMES)


def test_label_of_text_that_names_no_class_is_refused(tmp_path):
    assert line_of(tmp_path, ["monocyte", "monozyte"], metadata=METADATA) == (
        "cells.parquet: label 'monozyte' is not a class name: basophil, eosinophil, monocyte"
    )


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.int64(),
        pytest.param(pa.uint8()),
        pytest.param(pa.uint64()),
    ],
)
def test_labels_may_be_whole_numbers_of_any_width(tmp_path, kind):
    assert list(source_of(tmp_path, pa.array([0, 1, 1], kind)).rows().labels) == [0, 1, 1]


def test_labels_may_be_names_in_a_dictionary_as_pandas_writes_categories(tmp_path):
    labels = pa.array(["b", "a", "b"]).dictionary_encode()
    assert list(source_of(tmp_path, labels).rows().labels) == [1, 0, 1]


def test_file_without_labels_is_refused_where_labels_are_needed(tmp_path):
    line = line_of(tmp_path, [0, 0], label=None)
    assert line == "cells.parquet: has no column 'label'; it has image"


def test_file_without_labels_has_rows_without_labels_where_none_are_needed(tmp_path):
    rows = source_of(tmp_path, [0, 0], label=None, labelled=False).rows()
    assert (list(rows.labels), rows.class_names) == ([-1, -1], ("unlabelled",))


def test_missing_label_is_minus_one(tmp_path):
    assert list(source_of(tmp_path, [1, None, 0]).rows().labels) == [1, -1, 0]


def test_label_beyond_the_names_is_refused(tmp_path):
    assert line_of(tmp_path, [0, 3], metadata=METADATA) == (
        "cells.parquet: row 1 has label 3, but must be 0..2; correct the labels or the class names"
    )


def test_label_that_cannot_be_a_class_is_refused_without_names_too(tmp_path):
    assert "1000000" in line_of(tmp_path, [0, 1_000_000])


@pytest.mark.parametrize("labels", [[0.5, 1.0], [True, False]])
def test_labels_of_another_type_are_refused(tmp_path, labels):
    line = line_of(tmp_path, labels)
    assert line.startswith("cells.parquet: column label is ")
    assert line.endswith(", but must be whole numbers or names")


def test_missing_image_column_is_refused_with_what_there_is(tmp_path):
    line = line_of(tmp_path, [0, 1], picture=FILES[:2], image=None)
    assert line == "cells.parquet: has no column 'image'; it has label, picture"


def test_missing_group_column_is_refused_with_what_there_is(tmp_path):
    line = line_of(tmp_path, [0, 1], slide=[0, 1], group="patient")
    assert line == "cells.parquet: has no column 'patient'; it has image, label, slide"


@pytest.mark.parametrize("images", [["a.png", "b.png"], [1, 2]])
def test_image_column_of_another_type_is_refused(tmp_path, images):
    line = line_of(tmp_path, [0, 1], images)
    assert line.startswith("cells.parquet: column image is ")
    assert line.endswith(", but must be {bytes, path}")


def test_file_without_rows_is_refused(tmp_path):
    empty = pa.array([], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    line = line_of(tmp_path, pa.array([], pa.int64()), empty)
    assert line == "cells.parquet: has no rows; give a file with images"


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
    groups = source_of(tmp_path, [0, 1, 0, 1, 0], patient=patients, group="patient").rows().groups
    assert groups.dtype == np.int64
    assert groups[0] == groups[3]
    assert len(set(groups)) == 4
