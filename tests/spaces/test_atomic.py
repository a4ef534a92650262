from pathlib import Path

import pytest

from spaces import replacing, write_text


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def folder_with(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_write_text_makes_the_file_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "Zellgröße")
    assert (tmp_path / "a.txt").read_bytes() == "Zellgröße".encode()
    assert names_in(tmp_path) == ["a.txt"]


def test_reader_during_the_block_still_sees_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "half"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_error_in_the_block_leaves_the_old_file_or_folder_and_no_temporary(tmp_path, error):
    file, folder = tmp_path / "a.txt", folder_with(tmp_path / "model", weights="old")
    file.write_text("old")
    with pytest.raises(error), replacing(file) as temporary:
        temporary.write_text("half")
        raise error
    with pytest.raises(error), replacing(folder) as temporary:
        folder_with(temporary, weights="half")
        raise error
    assert file.read_text() == (folder / "weights").read_text() == "old"
    assert names_in(tmp_path) == ["a.txt", "model"]


def test_working_directory_can_be_replaced_by_its_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(folder_with(tmp_path / "model"))
    with replacing(Path()) as temporary:
        folder_with(temporary, weights="new")
    assert names_in(tmp_path / "model") == ["weights"]


@pytest.mark.parametrize("old", [{}, {"weights": "old", "leftover": "x"}], ids=["none", "old"])
def test_new_folder_takes_the_place_of_the_old_one_whole(tmp_path, old):
    path = folder_with(tmp_path / "model", **old) if old else tmp_path / "model"
    with replacing(path) as temporary:
        folder_with(temporary, weights="new")
    assert names_in(path) == ["weights"]
    assert (path / "weights").read_text() == "new"
    assert names_in(tmp_path) == ["model"]
