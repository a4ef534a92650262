import numpy as np
import pytest

from analysis.duplicates import find_duplicates
from tests.analysis.builders import SMOOTH_SIZE, smooth_pictures
from tests.trainables.builders import encoded, image_store
from trainables.picture import square_pixels


def shifted(cell):
    return np.pad(cell, ((0, 2), (1, 0), (0, 0)), mode="edge")[2:, :-1]


TWINS = {
    "re-encoded": lambda cell: square_pixels(
        encoded(cell, "JPEG", quality=40), size=SMOOTH_SIZE, resize="crop"
    ),
    "brighter": lambda cell: (cell * 1.2).clip(0, 255).astype(np.uint8),
    "darker": lambda cell: (cell * 0.7 - 10).clip(0, 255).astype(np.uint8),
    "shifted": shifted,
    "shifted and darker": lambda cell: shifted(cell) // 2,
}
TURNED = {"mirrored": lambda cell: cell[:, ::-1], "a quarter turn": np.rot90}


def found_in(images, labels=None, contents=None, **options):
    store = image_store([0] * len(images) if labels is None else labels, images=images,
                        contents=contents)  # fmt: skip
    return find_duplicates(store, **options), store


@pytest.mark.parametrize("kind", [*TWINS, *TURNED])
def test_twin_of_every_kind_is_found_and_no_other_picture(kind):
    images = smooth_pictures(40)
    twins = np.stack([(TWINS | TURNED)[kind](cell) for cell in images[:10]])
    found, _ = found_in(np.concatenate([images, twins]), turned=kind in TURNED)
    assert found.groups.tolist() == [*range(10), *[-1] * 30, *range(10)]
    assert (found.scores[:10] > 0.95).all()
    assert not found.scores[10:40].any()


@pytest.mark.parametrize("kind", TURNED)
def test_turned_picture_is_another_one_unless_asked_for(kind):
    images = smooth_pictures(10)
    found, _ = found_in(np.concatenate([images, [TURNED[kind](images[0])]]))
    assert set(found.groups) == {-1}


def test_equal_pixels_or_equal_bytes_are_the_same():
    images = smooth_pictures(4)[[0, 1, 2, 0, 3]]
    found, _ = found_in(images, contents=[0, 1, 1, 2, 3])
    assert found.groups.tolist() == [0, 1, 1, 0, -1]
    assert found.scores.tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_blank_tiny_single_and_identical_pictures_are_no_crash(size):
    blank = np.full((3, size, size, 3), 7, np.uint8)
    blank[2] += 1
    assert found_in(blank)[0].groups.tolist() == [0, 0, -1]
    assert found_in(blank[:1])[0].groups.tolist() == [-1]
    assert found_in(smooth_pictures(3)[:, :size, :size])[0].groups.tolist() == [-1] * 3
