import numpy as np

from analysis import image_map
from analysis.image_map import choose_mapped, map_images


def test_images_of_two_kinds_lie_apart_on_the_map():
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], 40)
    images = (100 * kinds[:, None, None, None] + rng.integers(60, size=(80, 16, 16, 3))).astype(
        np.uint8
    )
    points = map_images(images, seed=0)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (kinds[distance.argmin(axis=1)] == kinds).all()


def test_too_few_or_equal_images_have_no_map():
    assert map_images(np.zeros((4, 8, 8, 3), np.uint8), seed=0) is None
    assert map_images(np.full((30, 8, 8, 3), 7, np.uint8), seed=0) is None


def test_marked_images_are_mapped_before_others(monkeypatch):
    monkeypatch.setattr(image_map, "MAX_MAPPED", 3)
    is_marked = np.array([False, True, False, False, True, False])
    chosen = choose_mapped(is_marked, seed=0)
    assert len(chosen) == 3
    assert {1, 4} <= set(chosen)
