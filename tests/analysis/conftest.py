"""What the tests of `analysis` share: a cache of their own, and one run that was trained."""

from collections.abc import Iterator

import pytest

from spaces import RunPaths
from tests.analysis.builders import bright_cells, train_run


@pytest.fixture(scope="package", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def trained(_own_cache: None, tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a run of two trials on `cells.npz` beside it; tests that write take a copy."""
    folder = tmp_path_factory.mktemp("trained")
    return train_run(folder / "run", bright_cells(folder / "cells.npz"))
