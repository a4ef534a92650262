import numpy as np
import pytest

from spaces import SplitSpec
from tests.spaces.builders import refusal
from tests.trainables.builders import encoded, image_store, pictures, write_parquet
from trainables.open_source import open_source
from trainables.source import DataError
from trainables.split import split_store
from trainables.store import open_store

LABELS = [0] * 80 + [1] * 40 + [2] * 24


def split_of(store, **spec):
    return split_store(store, SplitSpec(**spec))


def sets_of(split):
    return [split.train, split.validation, split.test]


def line_of(store, **spec):
    return refusal(DataError, split_of, store, **spec)


def assert_apart(split, values):
    """Check that no two sets of a split share a value, and that all rows are in one."""
    found = [set(values[indices]) for indices in sets_of(split)]
    assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2]
    assert sorted(np.concatenate(sets_of(split))) == list(range(len(values)))


def store_of_patients(folder, monkeypatch, labels, patients, images=None):
    """Return the store of a parquet file with a column of patients."""
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(folder / "cache"))
    files = [encoded(image) for image in pictures(len(labels), size=8)]
    for copy, original in (images or {}).items():
        files[copy] = files[original]
    path = write_parquet(folder / "cells.parquet", labels, files, patient=patients)
    return open_store(open_source(str(path)), size=8)


@pytest.mark.parametrize("fractions", [(0.125, 0.0), (0.2, 0.3), (0.5, 0.25)])
def test_split_is_disjoint_covers_everything_and_has_the_fractions_in_every_class(fractions):
    split = split_of(image_store(LABELS), validation=fractions[0], test=fractions[1])
    assert sorted(np.concatenate(sets_of(split))) == list(range(len(LABELS)))
    for indices, fraction in zip(sets_of(split), (1 - sum(fractions), *fractions), strict=True):
        counts = np.bincount(np.array(LABELS)[indices], minlength=3)
        np.testing.assert_allclose(counts, fraction * np.array([80, 40, 24]), atol=1)
        assert (np.diff(indices) > 0).all()


def test_same_seed_gives_the_same_split_and_another_seed_another():
    store = image_store(LABELS)
    first, again, other = (split_of(store, seed=seed, test=0.2) for seed in (3, 3, 4))
    for one, two in zip(sets_of(first), sets_of(again), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.validation, other.validation)
    assert not np.array_equal(first.test, other.test)


@pytest.mark.parametrize("seed", range(3))
def test_identical_images_never_straddle_the_sets(seed):
    contents = np.arange(len(LABELS)) // 3  # one content has pictures of two classes
    store = image_store(LABELS, contents=contents)
    assert_apart(split_of(store, validation=0.3, test=0.3, seed=seed), contents)


def test_parts_of_the_source_are_kept():
    parts = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10 + ["shifted"] * 4
    split = split_of(image_store([0, 1] * 22, parts=parts), validation=0.5, test=0.4)
    assert list(split.train) == list(range(20))
    assert list(split.validation) == list(range(20, 30))
    assert list(split.test) == list(range(30, 40))


def test_training_part_is_split_where_there_is_no_validation_part():
    store = image_store([0, 1] * 30, parts=["train"] * 40 + ["test"] * 20)
    split = split_of(store, validation=0.25, test=0.4)
    assert (len(split.train), len(split.validation)) == (30, 10)
    assert sorted([*split.train, *split.validation]) == list(range(40))
    assert list(split.test) == list(range(40, 60))


@pytest.mark.parametrize("part", ["test", "validation", "shifted"])
def test_part_beside_undivided_images_is_not_trained_on(part):
    store = image_store([0, 1] * 30, parts=[""] * 40 + [part] * 20)
    assert split_of(store).train.max() < 40


def test_missing_label_in_a_part_that_is_not_trained_on_is_fine():
    store = image_store([0, 1] * 8 + [-1], parts=["train"] * 16 + ["shifted"])
    assert len(split_of(store).train) == 14


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        ([0, 1, -1, 0], "row 2 has no label; training needs one for every row"),
        (
            [1, 1],
            "has one class only (eosinophil) to train on, but must have at least 2; add the others",
        ),
        (
            [0],
            "has one class only (basophil) to train on, but must have at least 2; add the others",
        ),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(labels, line):
    assert line_of(image_store(labels)) == f"cells.npz: {line}"


@pytest.mark.parametrize(
    ("labels", "parts", "line"),
    [
        ([0, 1, 0, -1], "tr tr va va", "row 3 has no label; training needs one for every row"),
        ([0, 1, 2, 0], "tr tr va va", "class monocyte is in the validation part and not in those to"
         " train on; add images of it there, or take it out"),
        ([0, 1, 0, 1], "te te te sh", "has no images to train on, only the parts shifted, test;"
         " add a part train"),
        ([0, 0, 0, 1], "tr tr va va", "has one class only (basophil) to train on, but must have at"
         " least 2; add the others"),
    ],
)  # fmt: skip
def test_parts_of_the_source_that_cannot_be_learned_from_are_refused(labels, parts, line):
    names = {"tr": "train", "va": "validation", "te": "test", "sh": "shifted"}
    store = image_store(labels, parts=[names[part] for part in parts.split()])
    assert line_of(store) == f"cells.npz: {line}"


@pytest.mark.parametrize(
    ("labels", "contents", "test", "what"),
    [
        ([0, 0, 0, 1], None, 0.0, "1 different image"),
        ([0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 3, 3], 0.0, "1 different image"),
        ([0, 0, 0, 1, 1], None, 0.2, "1 different image"),
        ([0, 0, 0, 1, 1], None, 0.8, "2 different images"),
    ],
)
def test_class_with_fewer_images_than_sets_is_refused(labels, contents, test, what):
    store = image_store(labels, contents=contents)
    assert line_of(store, validation=0.1, test=test) == (
        f"cells.npz: class eosinophil has {what} to split, but each set needs one; add images or"
        " leave the class out"
    )


@pytest.mark.parametrize(
    ("fraction", "test"),
    [(0.1, 0.0), (0.2, 0.0), (0.25, 0.25), (0.3, 0.0), (0.4, 0.0), (0.5, 0.0), (0.7, 0.0)],
)
def test_groups_never_straddle_the_sets_and_make_about_the_fractions(
    tmp_path, monkeypatch, fraction, test
):
    patients = np.arange(60) // 3
    store = store_of_patients(tmp_path, monkeypatch, [0, 1, 2] * 20, patients)
    split = split_of(store, validation=fraction, test=test, group="patient")
    assert_apart(split, patients)
    assert len(split.validation) / 60 == pytest.approx(fraction, abs=0.05)
    assert len(split.test) == 60 * test


def test_groups_hold_together_what_identical_images_link(tmp_path, monkeypatch):
    patients = np.arange(40) // 4
    same = {39: 0}  # links the first patient and the last
    store = store_of_patients(tmp_path, monkeypatch, [0, 1] * 20, patients, same)
    linked = {0, 1, 2, 3, 36, 37, 38, 39}
    for seed in range(5):
        split = split_of(store, validation=0.25, seed=seed, group="patient")
        assert linked & set(split.train) in (linked, set())


def test_too_few_groups_are_refused(tmp_path, monkeypatch):
    store = store_of_patients(tmp_path, monkeypatch, [0, 1] * 6, [0] * 12)
    assert line_of(store, validation=0.25, group="patient").endswith(
        "cells.parquet: column patient makes 1 group, too few to hold out 0.25 of the images; take"
        " another group"
    )


@pytest.mark.parametrize(
    ("patients", "fraction", "held"),
    [([0, 1] * 6, 0.2, "6 of 12"), ([0] * 9 + [1] * 3, 0.1, "3 of 12"), ([0, 1, 2] * 4, 0.1, "4")],
)
def test_groups_that_make_another_fraction_than_asked_for_are_refused_with_it(
    tmp_path, monkeypatch, patients, fraction, held
):
    store = store_of_patients(tmp_path, monkeypatch, [0, 1] * 6, patients)
    line = line_of(store, validation=fraction, group="patient").partition("cells.parquet: ")[2]
    assert line.startswith(f"column patient makes {len(set(patients))} groups, with which {held}")
    assert f" images are held out for a fraction of {fraction:g}; try 0." in line


def test_fraction_of_an_eighth_is_an_eighth_of_the_groups(tmp_path, monkeypatch):
    store = store_of_patients(tmp_path, monkeypatch, [0, 1] * 60, np.arange(120) // 3)
    assert len(split_of(store, validation=0.125, group="patient").validation) == 15


def test_fewer_images_in_every_class_than_folds_are_no_crash(tmp_path, monkeypatch):
    store = store_of_patients(tmp_path, monkeypatch, [0, 1] * 5, np.arange(10))
    assert len(split_of(store, validation=0.125, group="patient").validation) >= 1


def test_class_of_one_group_only_is_trained_on_or_refused(tmp_path, monkeypatch):
    labels = np.array([0, 1] * 18 + [2] * 4)
    store = store_of_patients(tmp_path, monkeypatch, labels, np.arange(40) // 4)
    for seed in range(12):
        try:
            split = split_of(store, validation=0.25, seed=seed, group="patient")
        except DataError:
            continue
        assert set(labels[split.train]) == {0, 1, 2}
