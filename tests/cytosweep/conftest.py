"""The tests of `cytosweep` need what those of `analysis` need."""

from tests.analysis.conftest import _own_cache, trained

__all__ = ["_own_cache", "trained"]
