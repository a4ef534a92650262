import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import NAMES, encoded, pictures, write_folder
from trainables.folder_source import FolderSource
from trainables.source import DataError

FILE = encoded(pictures(1)[0])


def source_of(root, *names):
    return FolderSource(write_folder(root, dict.fromkeys(names, FILE) if names else None))


def test_classes_are_the_folders_in_alphabetical_order_and_pictures_the_files(tmp_path):
    source = source_of(tmp_path)
    rows = source.rows()
    assert rows.class_names == NAMES
    assert list(rows.labels) == [0, 0, 1, 1, 2, 2]
    assert set(rows.parts) == {""}
    assert rows.paths[3] == "eosinophil/3.png"
    assert source.picture(3) == (tmp_path / "eosinophil/3.png").read_bytes()


def test_folders_of_parts_stand_above_those_of_classes(tmp_path):
    rows = source_of(
        tmp_path, "train/b/1.png", "val/a/2.png", "test/b/3.png", "train/a/4.png"
    ).rows()
    assert rows.paths == ["test/b/3.png", "train/a/4.png", "train/b/1.png", "val/a/2.png"]
    assert list(rows.parts) == ["test", "train", "train", "validation"]
    assert (list(rows.labels), rows.class_names) == ([1, 0, 1, 0], ("a", "b"))


def test_pictures_are_the_files_that_pillow_knows_at_any_depth(tmp_path):
    known = ["a/1.PNG", "a/deep/er/2.jpg", "b/3.tif", "b/4.webp", "b/5.bmp"]
    source = source_of(tmp_path, *known, "a/notes.txt", "b/.DS_Store", "top.png", "none/readme.md")
    assert source.rows().paths == known
    assert source.rows().class_names == ("a", "b")


def test_hidden_folders_and_files_and_those_of_systems_are_passed_over(tmp_path):
    hidden = [".ipynb_checkpoints/1.png", "__MACOSX/a/2.png", "a/._3.png", "a/.cache/4.png"]
    assert source_of(tmp_path / "one", "a/5.png", *hidden).rows().paths == ["a/5.png"]
    parts = source_of(tmp_path / "two", "train/a/6.png", "train/.git/b/7.png", "__MACOSX/a/8.png")
    assert parts.rows().paths == ["train/a/6.png"]


def test_fingerprint_tells_a_picture_moved_to_another_class(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    before = source_of(tmp_path / "one", "a/1.png", "b/2.png").fingerprint()
    assert source_of(tmp_path / "two", "b/1.png", "b/2.png").fingerprint() != before


@pytest.mark.parametrize("names", [["a/notes.txt"], ["picture.png"], ["train/picture.png"]])
def test_folder_without_images_is_refused(tmp_path, names):
    source = source_of(tmp_path / "cells", *names)
    line = f"{source.name}: holds no images in class folders; put them in cells/<class>/"
    assert refusal(DataError, source.rows) == refusal(DataError, source.fingerprint) == line


def test_class_called_like_a_part_does_not_hide_the_other_classes(tmp_path):
    source = source_of(tmp_path, "control/1.png", "control/2.png", "shifted/deep/3.png")
    assert "control" in refusal(DataError, source.rows)
