"""Junk among drawn cells; what a real collection gives is in the benchmark."""

from functools import cache

import numpy as np
import pytest

from analysis.junk import JunkVerdict, find_junk
from trainables.cells import CELL_CLASSES, clean_lab, draw_cells

SIDE = 32
NUM_CELLS = 160


@cache
def cells() -> tuple[np.ndarray, np.ndarray]:
    """Draw cells of all classes, [160, 32, 32, 3], once for all tests."""
    labels = np.arange(NUM_CELLS) % len(CELL_CLASSES)
    rng = np.random.default_rng(0)
    return draw_cells(labels, size=SIDE, rng=rng, domain=clean_lab()), labels


def stripes(count: int) -> np.ndarray:
    """Draw stripes of any colours and widths, [count, 32, 32, 3]."""
    rng = np.random.default_rng(1)
    periods = rng.integers(3, 12, (count, 1, 1, 1))
    bars = np.arange(SIDE)[None, :, None, None] // periods % 2
    colors = rng.integers(0, 256, (2, count, 1, 1, 3))
    drawn = np.where(bars, *colors) + np.zeros((1, 1, SIDE, 1))
    return drawn.astype(np.uint8)


def judged(junk: np.ndarray, junk_label: int | None = None, **options) -> JunkVerdict:
    """Judge the cells and, behind them, junk, of all classes or one."""
    images, labels = cells()
    given = np.arange(len(junk)) % 8 if junk_label is None else np.full(len(junk), junk_label)
    everything = np.concatenate([images, junk])
    return find_junk(everything, np.concatenate([labels, given]), **options)


def noise(count: int) -> np.ndarray:
    """Draw noise, [count, 32, 32, 3]."""
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def assert_found(verdict: JunkVerdict, kind: str) -> None:
    """Check that all behind the cells is of a kind, and at most one of 160 cells is junk."""
    assert set(verdict.kinds[NUM_CELLS:]) == {kind}
    assert verdict.junk[:NUM_CELLS].sum() <= 1
    assert ((verdict.scores >= 0) & (verdict.scores <= 1)).all()


@pytest.mark.parametrize("level", [0, 117, 255])
def test_a_frame_of_one_colour_is_blank(level):
    assert_found(judged(np.full((3, SIDE, SIDE, 3), level, np.uint8)), "blank")


def test_noise_is_found_by_its_spectrum():
    assert_found(judged(noise(4)), "noise")


def test_pictures_that_do_not_belong_are_strangers():
    assert_found(judged(stripes(8)), "stranger")


def test_one_picture_that_is_repeated_more_often_than_there_are_cells_is_a_stranger():
    assert_found(judged(np.repeat(stripes(1), 2 * NUM_CELLS, axis=0)), "stranger")


def test_a_dense_cluster_of_pictures_that_differ_a_little_is_strange():
    wobble = np.random.default_rng(3).integers(-9, 10, (30, 1, 1, 3))
    crowd = np.clip(np.repeat(stripes(1), 30, axis=0) + wobble, 0, 255).astype(np.uint8)
    assert_found(judged(crowd), "stranger")


def test_junk_in_one_class_only_is_strange():
    assert_found(judged(stripes(8), junk_label=3), "stranger")


def test_a_rare_class_of_another_stain_is_kept():
    images, labels = cells()
    stained = images[labels == 0][:, :, :, ::-1]
    verdict = judged(stained, junk_label=8)
    assert verdict.junk[NUM_CELLS:].mean() <= 0.1


def test_a_duplicate_group_has_one_verdict():
    groups = np.full(NUM_CELLS + 2, -1)
    groups[[0, -1]] = 7
    scores = judged(stripes(2), groups=groups).scores
    assert scores[0] == scores[-1]
    assert scores[-2] > 0.5


def test_a_lower_threshold_finds_more():
    low, high = (judged(stripes(2), threshold=threshold).junk.sum() for threshold in (0.01, 0.99))
    assert low > NUM_CELLS / 4
    assert high <= 2


def test_equal_arguments_give_equal_scores():
    assert (judged(stripes(2)).scores == judged(stripes(2)).scores).all()


def test_progress_is_told_up_to_the_end():
    told = []
    judged(stripes(2), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (NUM_CELLS + 2, NUM_CELLS + 2)


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(cells()[0][:0], id="none"),
        pytest.param(cells()[0][:1], id="one"),
        pytest.param(cells()[0][:10], id="ten"),
        pytest.param(np.repeat(cells()[0][:1], 60, axis=0), id="all identical"),
        pytest.param(noise(60)[:, :1, :1], id="one pixel"),
        pytest.param(noise(60)[:, :7, :7], id="seven pixels"),
    ],
)
def test_pictures_that_tell_nothing_of_what_is_usual_are_kept(images):
    assert not find_junk(images, np.zeros(len(images), np.int64)).junk.any()


@pytest.mark.parametrize("junk", [noise(40), np.zeros((40, SIDE, SIDE, 3), np.uint8)])
def test_noise_and_blank_frames_alone_are_all_junk(junk):
    assert find_junk(junk, np.zeros(40, np.int64)).junk.all()


def test_one_class_without_labels_loses_few_cells():
    verdict = find_junk(cells()[0], np.full(NUM_CELLS, -1))
    assert verdict.junk.sum() <= 1


def test_stripes_alone_are_judged_without_a_crash():
    scores = find_junk(stripes(40), np.zeros(40, np.int64)).scores
    assert np.isfinite(scores).all()


def test_pictures_of_eight_pixels_are_judged():
    verdict = find_junk(cells()[0][:, ::4, ::4], cells()[1])
    assert verdict.junk.mean() < 0.1
