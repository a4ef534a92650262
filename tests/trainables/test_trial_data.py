import numpy as np
import pytest
import torch

from spaces import DataSpec, SplitSpec
from tests.trainables.builders import image_store, pictures, trial_data, write_npz
from trainables import trial_data as module
from trainables.shifts import shift_names
from trainables.trial_data import (
    augmented_view,
    channel_statistics,
    load_trial_data,
    shift_views,
    to_unit,
)  # fmt: skip

CPU = torch.device("cpu")
LABELS = [0, 1, 2] * 10


def data_spec(folder, **changed):
    path = folder / "cells.npz"
    if not path.exists():
        write_npz(path, images=pictures(40, size=20), labels=np.arange(40) % 3)
    split = SplitSpec(validation=0.25)
    return DataSpec(source=str(path), image_size=16, split=split, **changed)


@pytest.mark.parametrize("count", [1, 24])
def test_statistics_are_those_of_numpy_over_the_given_images(count):
    images, indices = pictures(30, size=8), np.arange(count)
    mean, std = channel_statistics(images, indices)
    pixels = images[indices].reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("count", [2000, 3999, 4000])
def test_statistics_look_at_two_thousand_images_at_most(count):
    class Images:
        def __getitem__(self, indices):
            looked.append(len(indices))
            return np.ones((len(indices), 1, 1, 3), np.uint8)

    looked = []
    channel_statistics(Images(), np.arange(count))
    assert looked[0] <= 2000


def test_clean_view_shows_the_images_as_they_are():
    data = trial_data()
    view = data.clean
    np.testing.assert_array_equal(np.concatenate(list(view.batches(4))), data.store.images[24:])
    assert [len(batch) for batch in view.batches(4)] == [4, 2]
    assert (view.name, list(view.rows), set(view.severities)) == ("clean", list(range(24, 30)), {0})
    np.testing.assert_array_equal(view.labels, data.store.labels[24:])


@pytest.mark.parametrize(
    ("kind", "names"),
    [("clean", ["clean"]), ("augmented", ["augmented"]), ("shifts", ["clean", "darker"])],
)
def test_views_are_those_asked_for_and_made_once(kind, names):
    data = trial_data()
    assert [view.name for view in data.views(kind)] == names
    assert data.views(kind)[0] is data.views(kind)[0]


def test_augmented_view_adds_varied_copies_of_rare_classes_up_to_balance():
    labels = [0] * 12 + [1] * 4 + [2]
    store = image_store(labels)
    view = augmented_view(store, np.arange(17), seed=0)
    assert np.bincount(view.labels).tolist() == [12, 12, 10]  # of one image nine copies at most
    np.testing.assert_array_equal(view.images[:17], store.images)
    np.testing.assert_array_equal(view.labels, store.labels[view.rows])
    originals = store.images[view.rows[17:]]
    assert (view.images[17:] != originals).any(axis=(1, 2, 3)).all()


def test_augmented_view_is_fixed_by_its_seed():
    store = image_store([0] * 12 + [1] * 4)
    first, again, other = (augmented_view(store, np.arange(16), s).images for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_shift_views_are_all_of_the_selection_family_on_the_same_images_at_all_severities():
    views = shift_views(image_store(LABELS), np.arange(4, 30), seed=0)
    assert tuple(view.name for view in views) == shift_names("selection")
    for view in views:
        assert list(view.rows) == list(range(4, 30))
        np.testing.assert_array_equal(view.labels, np.array(LABELS)[4:])
        assert (view.images.shape, view.images.dtype) == ((26, 16, 16, 3), np.uint8)
        assert set(view.severities) == {1, 2, 3, 4, 5}
    assert {int(view.severities[0]) for view in views} == set(range(1, 6))  # every image sees all


def test_shift_views_take_a_fixed_random_subset_of_many_images(monkeypatch):
    monkeypatch.setattr(module, "MAX_SHIFT_IMAGES", 8)
    store, indices = image_store(LABELS), np.arange(30)
    first, again, other = (shift_views(store, indices, seed)[0].rows for seed in (0, 0, 1))
    assert len(first) == 8
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_to_unit_is_channels_last_in_zero_to_one():
    pixels = pictures(2, size=8)
    images = to_unit(pixels, CPU)
    assert (images.shape, images.dtype) == ((2, 3, 8, 8), torch.float32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1), np.float32(pixels) / np.float32(255))


def test_trial_data_is_what_the_spec_says_every_time(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    data, again = (load_trial_data(data_spec(tmp_path)) for _ in range(2))
    assert data.store.images.shape == (40, 16, 16, 3)
    assert data.num_classes == 3
    assert (len(data.split.train), len(data.split.validation)) == (30, 10)
    np.testing.assert_array_equal(data.clean.indices, data.split.validation)
    assert (data.mean, data.std) == channel_statistics(data.store.images, data.split.train)
    assert len(data.shifts) == len(shift_names("selection"))
    np.testing.assert_array_equal(data.split.train, again.split.train)
    for one, two in zip(data.shifts, again.shifts, strict=True):
        np.testing.assert_array_equal(one.images, two.images)
