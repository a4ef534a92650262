"""Drawn blood cells as a source, for a machine without data or network."""

from functools import cached_property
from pathlib import Path

from spaces import did_you_mean
from trainables import cells, synthetic_cells
from trainables.cells import CELL_CLASSES
from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import DataError, SourceRows

_NAMES = ("synthetic:blood-cells",)
_DRAWN_SIZE = 64
_SEED = 0


class SyntheticSource:
    """Cells with planted faults, a clean `test` part, and `shifted` from another laboratory."""

    labelled = True

    def __init__(self, name: str) -> None:
        if name not in _NAMES:
            hint = did_you_mean(name, _NAMES) or f"; known is {_NAMES[0]}"
            raise DataError(f"{name}: no such source{hint}")
        self._name = name

    @property
    def name(self) -> str:
        """`synthetic:blood-cells`."""
        return self._name

    def fingerprint(self) -> str:
        """Return the hash of the code that draws: equal code and seed draw equal cells."""
        drawing = [Path(cells.__file__), Path(synthetic_cells.__file__)]
        return fingerprint_files(drawing, Path(__file__).parent)

    def rows(self) -> SourceRows:
        """Return labels and parts."""
        drawn = self._cells
        paths = [f"cell {row}" for row in range(len(drawn.labels))]
        return SourceRows(
            labels=drawn.labels, class_names=CELL_CLASSES, parts=drawn.parts, paths=paths
        )

    def picture(self, row: int) -> RawPicture:
        """Return the pixels of a cell; nothing where an undecodable picture was planted."""
        drawn = self._cells
        return None if drawn.faults[row] == "undecodable" else drawn.images[row]

    @cached_property
    def _cells(self) -> synthetic_cells.SyntheticCells:
        return synthetic_cells.synthetic_cells(size=_DRAWN_SIZE, seed=_SEED)
