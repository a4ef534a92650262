from collections import Counter
from functools import cache

import numpy as np
import pytest

from trainables import synthetic_cells as module
from trainables.cells import CELL_CLASSES
from trainables.synthetic_cells import SyntheticCells, synthetic_cells


@cache
def small_set(seed: int = 0) -> SyntheticCells:
    """Draw the data set at the smallest size, once for all tests."""
    return synthetic_cells(size=16, seed=seed)


def rows_with(fault: str) -> np.ndarray:
    """Return the numbers of the training rows with a fault; an empty fault means sound."""
    cells = small_set()
    return np.flatnonzero((cells.faults == fault) & (cells.parts == "train"))


def distances(row: int) -> np.ndarray:
    """Return the mean difference in grey levels, [N], of a picture to all sound training ones."""
    images = small_set().images
    return np.abs(images[rows_with("")].astype(int) - images[row]).mean((1, 2, 3))


def test_arrays_have_the_promised_shapes_and_types():
    cells = small_set()
    count = len(cells.labels)
    assert cells.images.shape == (count, 16, 16, 3)
    assert (cells.images.dtype, cells.labels.dtype) == (np.uint8, np.int64)
    assert cells.parts.shape == cells.faults.shape == (count,)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"\[1, 2\] rows"):
        SyntheticCells(
            images=np.zeros((1, 16, 16, 3), np.uint8),
            labels=np.zeros(2, np.int64),
            parts=np.array(["train"]),
            faults=np.array([""]),
        )


def test_parts_have_their_sizes():
    assert Counter(small_set().parts.tolist()) == {"train": 2600, "test": 800, "shifted": 800}


def test_faults_have_their_shares():
    assert Counter(small_set().faults.tolist()) == {
        "": 4200 - 52 - 26 - 52 - 52 - 8,
        "duplicate": 52,
        "near_duplicate": 26,
        "junk": 52,
        "label": 52,
        "undecodable": 8,
    }


@pytest.mark.parametrize("part", ["test", "shifted"])
def test_test_parts_have_no_fault(part):
    cells = small_set()
    assert set(cells.faults[cells.parts == part]) == {""}


def test_class_shares_add_up_to_one():
    assert np.isclose(sum(module.CLASS_SHARES), 1)
    assert len(module.CLASS_SHARES) == len(CELL_CLASSES)


@pytest.mark.parametrize("part", ["train", "test", "shifted"])
def test_classes_are_imbalanced_and_none_is_missing(part):
    cells = small_set()
    shares = np.bincount(cells.labels[cells.parts == part], minlength=8)
    shares = shares / shares.sum()
    assert 0.04 < shares.min() < 0.1
    assert 0.15 < shares.max() < 0.25


def test_same_seed_draws_the_same_cells():
    again = synthetic_cells(size=16)
    for name in ("images", "labels", "parts", "faults"):
        assert np.array_equal(getattr(small_set(), name), getattr(again, name))


def test_another_seed_draws_other_cells():
    assert not np.array_equal(small_set().images, small_set(seed=1).images)


def test_changing_the_training_part_leaves_the_test_parts(monkeypatch):
    monkeypatch.setattr(module, "NUM_CELLS", 200)
    fewer = synthetic_cells(size=16)
    for part in ("test", "shifted"):
        kept = small_set().images[small_set().parts == part]
        assert np.array_equal(kept, fewer.images[fewer.parts == part])


def test_each_duplicate_equals_one_sound_picture():
    assert all((distances(row) == 0).sum() == 1 for row in rows_with("duplicate"))


def test_a_few_duplicates_contradict_the_label_of_the_original():
    labels, sound = small_set().labels, rows_with("")
    twins = rows_with("duplicate")
    originals = [sound[np.argmin(distances(row))] for row in twins]
    assert (labels[twins] != labels[originals]).sum() == 12


def test_each_near_duplicate_is_like_one_sound_picture_but_not_equal():
    for row in rows_with("near_duplicate"):
        nearest, second = np.sort(distances(row))[:2]
        assert 0 < nearest < second


def test_sound_pictures_are_all_different():
    images = small_set().images[rows_with("")]
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_undecodable_pictures_are_empty():
    assert not small_set().images[rows_with("undecodable")].any()


def test_junk_holds_noise_blanks_and_one_picture_many_times():
    junk = small_set().images[rows_with("junk")]
    steps = np.abs(np.diff(junk.astype(int), axis=2)).mean((1, 2, 3))
    repeats = Counter(image.tobytes() for image in junk)
    assert (steps > 75).sum() == 13
    assert (steps == 0).sum() == 13
    assert max(repeats.values()) >= 13


def test_shifted_pictures_are_darker_than_the_clean_ones():
    cells = small_set()
    clean, shifted = (cells.images[cells.parts == part].mean() for part in ("test", "shifted"))
    assert shifted < 0.9 * clean
