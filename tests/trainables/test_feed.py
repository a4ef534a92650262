import numpy as np
import pytest
import torch

from tests.trainables.builders import image_store, pictures
from trainables.feed import batches, streamed
from trainables.sampling import EpochOrder

CPU = torch.device("cpu")
STORE = image_store([0, 1, 2] * 10, images=pictures(30, size=8))
TRAIN = np.arange(3, 27)


def order(positions):
    """Return an order in which every second image counts as repeated."""
    positions = np.array(positions)
    return EpochOrder(positions, np.arange(len(positions)) % 2 == 1)


def fed(positions, batch_size=4, count=2):
    options = {"batch_size": batch_size, "count": count, "device": CPU}
    return list(batches(STORE, TRAIN, order(positions), **options))


def test_batches_hold_the_images_in_their_order_each_batch_by_row():
    first, second = fed([5, 1, 9, 0, 7, 20, 2, 3])
    assert first.pixels.shape == (4, 8, 8, 3)
    np.testing.assert_array_equal(first.pixels, STORE.images[[3, 4, 8, 12]])
    np.testing.assert_array_equal(second.pixels, STORE.images[[5, 6, 10, 23]])
    assert first.labels.tolist() == STORE.labels[[3, 4, 8, 12]].tolist()
    assert first.repeated.tolist() == [True, True, False, False]


def test_batch_in_which_no_image_repeats_says_so():
    natural = EpochOrder(np.arange(8), np.zeros(8, dtype=bool))
    (batch,) = batches(STORE, TRAIN, natural, batch_size=8, count=1, device=CPU)
    assert batch.repeated is None


def test_no_more_batches_come_than_asked_for():
    assert len(fed(range(24), count=3)) == 3


def test_batch_has_no_more_images_than_there_are():
    assert [len(batch.labels) for batch in fed(range(3), batch_size=8, count=1)] == [3]


@pytest.mark.parametrize("num_batches", [0, 1, 5])
def test_stream_yields_every_batch_in_turn(num_batches):
    rows = [np.array([batch, 29 - batch]) for batch in range(num_batches)]
    found = list(streamed(STORE.images, rows, CPU))
    assert len(found) == num_batches
    for images, chosen in zip(found, rows, strict=True):
        np.testing.assert_array_equal(images, STORE.images[chosen])


def test_stream_reads_a_memory_map_and_never_all_of_it(tmp_path):
    np.save(tmp_path / "images.npy", STORE.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    stream = streamed(mapped, [np.array([1]), np.array([2])], CPU)
    np.testing.assert_array_equal(next(stream), STORE.images[[1]])


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["streamed", "resident"])
def test_gpu_is_fed_the_same_whether_the_images_fit_or_not(tmp_path, monkeypatch, share):
    monkeypatch.setattr("trainables.feed._RESIDENT_SHARE", share)
    np.save(tmp_path / "images.npy", STORE.images)
    mapped = image_store(STORE.labels, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    cuda = torch.device("cuda")
    options = {"batch_size": 4, "count": 6, "device": cuda}
    for batch, expected in zip(
        batches(mapped, TRAIN, order(range(24)), **options), fed(range(24), count=6), strict=True
    ):
        assert batch.pixels.is_cuda
        assert torch.equal(batch.pixels.cpu(), expected.pixels)
