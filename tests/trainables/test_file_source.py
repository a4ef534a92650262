from tests.spaces.builders import refusal
from tests.trainables.builders import write_folder
from trainables.file_source import FileSource
from trainables.source import DataError


def test_folder_of_files_has_a_row_for_every_picture_at_any_depth(tmp_path):
    files = {"b.png": b"b", "a/d/2.jpg": b"2", "a/1.PNG": b"1", "s.tif/3.bmp": b"3", "n.md": b""}
    files |= {"._b.png": b"", "__MACOSX/b.png": b"", "a/.ipynb_checkpoints/1.png": b""}
    source = FileSource(write_folder(tmp_path, files))
    rows, names = source.rows(), ("a/1.PNG", "a/d/2.jpg", "b.png", "s.tif/3.bmp")
    assert rows.paths == [str(tmp_path / name) for name in names]
    assert [source.picture(row) for row in range(4)] == [b"1", b"2", b"b", b"3"]
    assert (list(rows.labels), rows.class_names) == ([-1] * 4, ("unlabelled",))
    assert set(rows.parts) == {""}


def test_one_file_is_a_source_of_one_picture(tmp_path):
    source = FileSource(write_folder(tmp_path, {"a.png": b"1", "b.png": b"2"}) / "b.png")
    assert source.rows().paths == [str(tmp_path / "b.png")]
    assert source.picture(0) == b"2"


def test_fingerprint_of_files_changes_with_their_content(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    path = write_folder(tmp_path / "cells", {"a.png": b"1"})
    before = FileSource(path).fingerprint()
    (path / "a.png").write_bytes(b"22")
    assert FileSource(path).fingerprint() != before


def test_folder_without_pictures_is_refused(tmp_path):
    line = f"{tmp_path}: holds no images; give a folder with pictures in it"
    assert refusal(DataError, FileSource(tmp_path).rows) == line
