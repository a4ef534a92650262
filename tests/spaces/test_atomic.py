import shutil
from pathlib import Path

import pytest

from spaces import recover, replacing, restore, write_text


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


class KilledError(BaseException):
    """Stands for a kill."""


def killed_while_replacing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of a folder what a kill between the two renames of its replacement leaves."""
    rename = Path.rename

    def rename_and_die(old: Path, new: Path) -> None:
        rename(old, new)
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError), replacing(path) as temporary:
        folder_with(temporary, weights="new")
        patch.setattr(Path, "rename", rename_and_die)
        patch.setattr(shutil, "rmtree", lambda folder: None)  # the dead clear nothing up


@pytest.mark.parametrize("mend", [restore, recover])
def test_folder_that_a_kill_between_two_renames_took_away_is_put_back(tmp_path, monkeypatch, mend):
    path = folder_with(tmp_path / "model", weights="old")
    killed_while_replacing(path, monkeypatch)
    assert not path.exists()
    mend(path)
    assert (path / "weights").read_text() == "old"
    assert names_in(tmp_path) == ["model"] if mend is recover else "model" in names_in(tmp_path)


def test_recovering_removes_temporary_siblings_and_nothing_else(tmp_path):
    path = folder_with(tmp_path / "model", weights="new")
    folder_with(tmp_path / ".model.0123abcd.old", weights="old")
    (tmp_path / ".model.89abcdef").write_text("half")
    for name in (".model.note", ".models.0123abcd", "other"):
        (tmp_path / name).write_text("mine")
    restore(path)
    assert len(names_in(tmp_path)) == 6
    recover(path)
    assert names_in(tmp_path) == [".model.note", ".models.0123abcd", "model", "other"]
    assert names_in(path) == ["weights"] and (path / "weights").read_text() == "new"


def test_recovering_where_nothing_was_ever_written_does_nothing(tmp_path):
    recover(tmp_path / "deep" / "model")
    assert names_in(tmp_path) == []
