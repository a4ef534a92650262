import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import write_folder, write_npz, write_parquet
from trainables.file_source import FileSource
from trainables.folder_source import FolderSource
from trainables.npz_source import NpzSource
from trainables.open_source import open_source
from trainables.parquet_source import ParquetSource
from trainables.source import DataError
from trainables.synthetic_source import SyntheticSource


def line_of(name, **options):
    return refusal(DataError, lambda: open_source(str(name), **options).rows())


@pytest.mark.parametrize(
    ("write", "name", "kind"),
    [
        (write_parquet, "cells.parquet", ParquetSource),
        (write_npz, "cells.npz", NpzSource),
        (write_folder, "cells", FolderSource),
        (write_folder, "cells.npz", FolderSource),
        (write_npz, "synthetic:mine.npz", NpzSource),
    ],
)
def test_source_is_opened_by_what_its_path_is(tmp_path, write, name, kind):
    assert isinstance(open_source(str(write(tmp_path / name))), kind)


@pytest.mark.parametrize("name", ["cells", "cells/basophil/0.png"])
def test_folder_or_picture_is_a_source_without_labels_where_none_are_needed(tmp_path, name):
    write_folder(tmp_path / "cells")
    assert isinstance(open_source(str(tmp_path / name), labelled=False), FileSource)


def test_name_with_a_colon_is_a_synthetic_source_and_a_tilde_the_home_folder(tmp_path, monkeypatch):
    assert isinstance(open_source("synthetic:blood-cells"), SyntheticSource)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_npz(tmp_path / "cells.npz")
    assert open_source("~/cells.npz").name == str(tmp_path / "cells.npz")


@pytest.mark.parametrize(
    ("name", "content", "start"),
    [
        ("nothing.npz", None, "no such file or folder; give a .parquet, a .npz or a folder"),
        ("nothing", None, "no such file or folder; give a .parquet, a .npz or a folder"),
        ("cells.npz", b"", "is an empty file; give a file with images"),
        ("cells.parquet", b"", "is an empty file; give a file with images"),
        ("a.csv", b"image", "is a .csv, but must be .parquet, .npz or a folder"),
        ("a", b"image", "is a file without suffix, but must be .parquet, .npz or a folder"),
        ("cells.npz", b"nonsense" * 100, "is no npz file, or only a part of one"),
        ("cells.parquet", b"nonsense" * 100, "cannot be read as "),
    ],
)
def test_file_that_is_missing_or_no_source_is_refused(tmp_path, name, content, start):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert line_of(tmp_path / name).startswith(f"{tmp_path / name}: {start}")


@pytest.mark.parametrize(
    ("write", "name", "what"),
    [(write_npz, "a.npz", "is no npz file"), (write_parquet, "a.parquet", "cannot be read as ")],
)
def test_file_that_was_cut_is_refused(tmp_path, write, name, what):
    whole = write(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert line_of(tmp_path / name).startswith(f"{tmp_path / name}: {what}")


@pytest.mark.parametrize("name", ["synthetic:bloodcells", "cells:blood"])
def test_unknown_name_with_a_colon_is_refused_with_the_known_one(name):
    assert line_of(name).startswith(f"{name}: no such source; ")
    assert "synthetic:blood-cells" in line_of(name)


@pytest.mark.parametrize("name", ["cells.npz", "synthetic:blood-cells"])
def test_part_of_a_source_is_no_source_to_learn_from(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "cells.npz")
    assert line_of(f"{name}#train") == (
        f"{name}#train: is a part, but a sweep learns from a whole source, as data.split divides"
        f" it; give {name}, and name parts to evaluate and predict only"
    )


def test_group_is_handed_to_parquet_and_refused_elsewhere(tmp_path):
    path = write_parquet(tmp_path / "cells.parquet", patient=list("aabbcc"))
    assert list(open_source(str(path), group="patient").rows().groups) == [0, 0, 1, 1, 2, 2]
    assert line_of(write_npz(tmp_path / "cells.npz"), group="patient") == (
        f"{tmp_path / 'cells.npz'}: has no columns, but data.split.group is 'patient'; leave it out"
    )
