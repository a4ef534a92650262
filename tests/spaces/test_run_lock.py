import json
import os

import pytest

from spaces import UserError, is_locked, run_lock


def test_lock_is_held_inside_the_block_and_free_before_and_after_it_even_after_an_error(tmp_path):
    assert not is_locked(tmp_path / "lock")
    with pytest.raises(RuntimeError), run_lock(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")
        raise RuntimeError
    assert not is_locked(tmp_path / "lock")


def test_second_driver_is_refused_with_who_holds_the_lock_and_leaves_it_with_its_holder(tmp_path):
    with run_lock(tmp_path / "lock"):
        with pytest.raises(UserError) as caught, run_lock(tmp_path / "lock"):
            raise AssertionError("held twice")
        assert is_locked(tmp_path / "lock")
    assert str(caught.value).startswith(f"{tmp_path}: a live driver works on this run (")
    assert f'"pid": {os.getpid()}' in str(caught.value)


def test_lock_file_of_a_killed_driver_stops_nobody(tmp_path):
    (tmp_path / "lock").write_text('{"pid": 1, "host": "gone"}')
    assert not is_locked(tmp_path / "lock")
    with run_lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
