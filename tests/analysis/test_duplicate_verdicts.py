import numpy as np
import pytest

from analysis.duplicate_verdicts import duplicate_verdicts, leaking_groups
from analysis.duplicates import find_duplicates
from tests.analysis.builders import smooth_pictures
from tests.trainables.builders import image_store


def verdicts_of(images, labels, **options):
    """Return verdict and reason of every row that has a duplicate, and suggested labels."""
    store = image_store(labels, images=images)
    table = duplicate_verdicts(find_duplicates(store), store, **options)
    columns = table[["row", "verdict", "reason"]].astype(object)
    shown = [tuple(row) for row in columns.where(columns.notna(), None).values]
    return shown, table["suggested_label"].tolist()


def test_lowest_row_stays_and_the_others_are_dropped_as_what_they_are():
    images = smooth_pictures(3)
    twin = images[1] // 2
    shown, suggested = verdicts_of(np.stack([*images, images[0], twin, twin]), [0] * 6)
    assert shown == [
        (0, "keep", None),
        (3, "drop", "duplicate"),
        (1, "keep", None),
        (4, "drop", "near_duplicate"),
        (5, "drop", "duplicate"),
    ]
    assert suggested == [-1] * 5


@pytest.mark.parametrize(
    ("labels", "verdicts", "suggested"),
    [
        ([2, 1, 1], "relabel drop drop", [1, -1, -1]),
        ([1, 2, 1], "keep drop drop", [-1] * 3),
        ([0, 1, 2], "drop drop drop", [-1] * 3),
        ([0, 1], "drop drop", [-1] * 2),
    ],
)
def test_conflicting_group_takes_its_majority_label_or_goes(labels, verdicts, suggested):
    shown, found = verdicts_of(smooth_pictures(1)[[0] * len(labels)], labels)
    reason = "conflicting_duplicate"
    assert shown == [(row, verdict, reason) for row, verdict in enumerate(verdicts.split())]
    assert found == suggested


def test_picture_without_a_label_takes_that_of_its_twins():
    shown, suggested = verdicts_of(smooth_pictures(1)[[0, 0]], [-1, 1])
    assert shown == [(0, "relabel", "duplicate"), (1, "drop", "duplicate")]
    assert suggested == [1, -1]


def test_label_of_a_picture_for_tests_has_no_say_beside_others():
    images = smooth_pictures(1)[[0] * 4]
    parts = ["train", "test", "test", "test"]
    store = image_store([0, 1, 1, 1], images=images, parts=parts)
    table = duplicate_verdicts(find_duplicates(store), store)
    assert table["verdict"].tolist() == ["keep", "drop", "drop", "drop"]
    assert table["reason"].unique().tolist() == ["conflicting_duplicate"]


def test_group_is_judged_without_the_pictures_that_are_settled():
    settled = np.array([True, False, False, False, True])
    shown, _ = verdicts_of(smooth_pictures(2)[[0, 0, 0, 1, 1]], [0, 1, 1, 2, 2], settled=settled)
    assert shown == [(1, "keep", None), (2, "drop", "duplicate")]


def test_leaking_groups_are_those_in_several_parts():
    groups, parts = np.array([0, 0, 1, 1, -1, -1]), np.array(list("aabaab"))
    assert leaking_groups(groups, parts).tolist() == [1]
    assert leaking_groups(np.array([-1, -1]), np.array(["a", "b"])).tolist() == []
