import numpy as np

from tests.spaces.builders import refusal
from tests.trainables.builders import pictures
from trainables import synthetic_cells
from trainables.cells import CELL_CLASSES
from trainables.source import DataError
from trainables.synthetic_cells import SyntheticCells
from trainables.synthetic_source import SyntheticSource

NAME = "synthetic:blood-cells"


def draw_three(**_):
    parts = np.array(["train", "train", "shifted"])
    faults = np.array(["", "undecodable", ""])
    return SyntheticCells(
        images=pictures(3), labels=np.array([0, 7, 3]), parts=parts, faults=faults
    )


def test_synthetic_rows_and_pictures_are_those_that_were_drawn_but_for_broken_ones(monkeypatch):
    monkeypatch.setattr(synthetic_cells, "synthetic_cells", draw_three)
    source = SyntheticSource(NAME)
    rows = source.rows()
    assert list(rows.labels) == [0, 7, 3]
    assert list(rows.parts) == ["train", "train", "shifted"]
    assert rows.class_names == tuple(CELL_CLASSES)
    assert rows.paths == ["cell 0", "cell 1", "cell 2"]
    np.testing.assert_array_equal(source.picture(0), pictures(3)[0])
    assert source.picture(1) is None


def test_synthetic_cells_are_drawn_once_and_not_for_a_fingerprint(tmp_path, monkeypatch):
    drawn = []

    def draw(**size):
        drawn.append(size)
        return draw_three()

    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path))
    monkeypatch.setattr(synthetic_cells, "synthetic_cells", draw)
    source = SyntheticSource(NAME)
    assert source.fingerprint() == SyntheticSource(NAME).fingerprint()
    assert drawn == []
    source.rows()
    source.picture(2)
    assert drawn == [{"size": 64, "seed": 0}]


def test_unknown_synthetic_source_is_refused_with_the_nearest():
    line = "synthetic:blod-cells: no such source; did you mean 'synthetic:blood-cells'?"
    assert refusal(DataError, SyntheticSource, "synthetic:blod-cells") == line
