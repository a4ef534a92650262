from pathlib import Path

import pytest

from trainables.cache import cache_folder


@pytest.mark.parametrize(
    ("named", "xdg", "expected"),
    [
        ("/big/cache", "/xdg", "/big/cache"),
        ("~/cache", "", "/users/me/cache"),
        ("", "/xdg", "/xdg/cytosweep"),
        ("", "", "/users/me/.cache/cytosweep"),
    ],
)
def test_cache_is_ours_by_name_else_in_the_xdg_cache(monkeypatch, named, xdg, expected):
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.setenv("CYTOSWEEP_CACHE", named)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert cache_folder() == Path(expected)
