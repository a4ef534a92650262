import hashlib
import os
from pathlib import Path

import pytest

from trainables.fingerprint import fingerprint_files


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_fingerprint_is_the_hash_of_names_and_contents(tmp_path):
    files = [write(tmp_path / "a" / "1", "one"), write(tmp_path / "2", "two")]
    inner = [hashlib.sha256(text).hexdigest() for text in (b"one", b"two")]
    expected = hashlib.sha256(f"a/1\0{inner[0]}\n2\0{inner[1]}\n".encode()).hexdigest()
    assert fingerprint_files(files, tmp_path) == expected


def test_file_is_read_again_only_where_it_was_touched(tmp_path, monkeypatch):
    file = write(tmp_path / "a", "one")
    first = fingerprint_files([file], tmp_path)
    os.utime(file, (1, 1))
    assert fingerprint_files([file], tmp_path) == first
    assert len(list((tmp_path / "cache" / "fingerprints").iterdir())) == 2
    monkeypatch.delattr(hashlib, "file_digest")
    assert fingerprint_files([file], tmp_path) == first


@pytest.mark.parametrize("how", ["written in place", "another file put there"])
def test_other_content_of_equal_size_and_time_is_read_again(tmp_path, how):
    file = write(tmp_path / "a", "one")
    before, seen = fingerprint_files([file], tmp_path), file.stat()
    if how == "written in place":
        write(file, "two")
    else:
        write(tmp_path / "b", "two").replace(file)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert fingerprint_files([file], tmp_path) != before


def test_file_is_remembered_by_the_folder_it_is_in_not_by_a_relative_name(tmp_path, monkeypatch):
    found = []
    for name, text in (("x", "one"), ("y", "two")):
        write(tmp_path / name / "a", text)
        monkeypatch.chdir(tmp_path / name)
        found.append(fingerprint_files([Path("a")], Path()))
        assert fingerprint_files([tmp_path / name / "a"], tmp_path / name) == found[-1]
    assert found[0] != found[1]
    assert len(list((tmp_path / "cache" / "fingerprints").iterdir())) == 2


@pytest.mark.parametrize(("name", "text"), [("a", "two"), ("b", "one"), ("a", "longer")])
def test_other_name_or_content_gives_another_fingerprint(tmp_path, name, text):
    one = fingerprint_files([write(tmp_path / "x" / "a", "one")], tmp_path / "x")
    assert fingerprint_files([write(tmp_path / "y" / name, text)], tmp_path / "y") != one


def test_same_files_under_another_root_have_another_fingerprint(tmp_path):
    file = write(tmp_path / "class" / "deep" / "1.png", "one")
    above = fingerprint_files([file], tmp_path)
    assert fingerprint_files([file], tmp_path / "class") != above
