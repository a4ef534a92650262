import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.spaces.builders import raising, refusal
from tests.trainables.builders import NAMES, FakeSource, encoded, pictures, write_folder, write_npz
from trainables.open_source import open_source
from trainables.source import DataError
from trainables.store import BadRow, open_store

PIXELS = pictures(6, size=16)
FILES = [encoded(image) for image in PIXELS]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))


def stored(raws=FILES, size=16, **options):
    return open_store(FakeSource(raws), size=size, **options)


def stores(folder):
    return sorted(p.name for p in (folder / "cache" / "stores").iterdir() if p.suffix != ".lock")


def test_store_holds_every_picture_with_its_label_part_and_row_mapped_and_read_only():
    store = stored()
    np.testing.assert_array_equal(store.images, PIXELS)
    assert list(store.labels) == [0, 1, 2, 0, 1, 2]
    assert list(store.rows) == list(range(6))
    assert list(store.parts) == [""] * 6
    assert (store.source, store.fingerprint, store.class_names) == ("fake", "0", NAMES)
    assert store.bad_rows == ()
    assert isinstance(store.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0


@pytest.mark.parametrize("threads", [1, 2])
def test_store_is_built_once_also_where_two_open_it_at_once(threads):
    source = FakeSource(FILES)
    with ThreadPoolExecutor(threads) as pool:
        first, second = pool.map(lambda _: open_store(source, size=16), range(2))
    assert source.asked == 6
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.contents, second.contents)


@pytest.mark.parametrize(
    ("content", "other"), [("0", {"size": 8}), ("0", {"resize": "pad"}), ("1", {})]
)
def test_store_of_another_size_or_content_is_another_store(tmp_path, content, other):
    stored()
    options = {"size": 16} | other
    store = open_store(FakeSource(FILES, content=content), **options)
    assert store.images.shape == (6, options["size"], options["size"], 3)
    assert len(stores(tmp_path)) == 2


def test_undecodable_rows_are_left_out_and_named_and_the_rest_keeps_its_order():
    raws = [FILES[0], None, FILES[2], b"nonsense", FILES[4], OSError("gone")]
    store = stored(raws)
    assert list(store.rows) == [0, 2, 4]
    assert list(store.labels) == [0, 2, 1]
    np.testing.assert_array_equal(store.images, PIXELS[[0, 2, 4]])
    assert store.bad_rows == (
        BadRow(row=1, path="picture 1", reason="no bytes"),
        BadRow(row=3, path="picture 3", reason="undecodable (UnidentifiedImageError)"),
        BadRow(row=5, path="picture 5", reason="gone"),
    )
    assert stored(raws).bad_rows == store.bad_rows


def test_source_without_one_good_picture_is_refused(tmp_path):
    assert refusal(DataError, stored, [None, b"nonsense"]) == (
        "fake: not one of 2 pictures can be used (row 0: no bytes); give images that decode"
    )
    assert stores(tmp_path) == []


def test_source_of_another_name_and_equal_content_is_not_decoded_again(tmp_path):
    stored()
    moved = FakeSource(FILES, name="moved")
    assert (open_store(moved, size=16).source, moved.asked) == ("moved", 0)
    assert len(stores(tmp_path)) == 1


def test_what_a_killed_build_left_is_removed_by_the_next_one(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path: None)  # a killed process removes nothing
        with pytest.raises(RuntimeError):
            stored(progress=raising(RuntimeError()))
    left = tmp_path / "cache" / "stores" / stores(tmp_path)[0]
    assert left.name.startswith(".")
    stored(size=8)
    assert left.exists()  # it is of another store, which may be under construction
    stored()
    assert not left.exists()
    assert len(stores(tmp_path)) == 2


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_building_that_was_interrupted_leaves_nothing_and_is_done_again(tmp_path, error):
    def interrupt(done, total):
        raise error

    with pytest.raises(error):
        stored(progress=interrupt)
    assert stores(tmp_path) == []
    assert len(stored().images) == 6


def test_contents_are_equal_for_identical_pictures_and_for_no_others():
    contents = stored([FILES[0], FILES[1], FILES[0], PIXELS[0], PIXELS[1], PIXELS[0]]).contents
    assert contents[0] == contents[2]
    assert contents[3] == contents[5]
    assert len(set(contents)) == 4
    assert contents.dtype == np.int64


def test_rows_beyond_one_chunk_keep_their_order_and_progress_ends_with_all():
    told, raws = [], [None if row % 7 == 0 else PIXELS[row % 6] for row in range(300)]
    store = stored(raws, progress=lambda *steps: told.append(steps))
    good = [row for row in range(300) if row % 7]
    assert list(store.rows) == good
    np.testing.assert_array_equal(store.images, PIXELS[np.array(good) % 6])
    assert told == [(1, 300), (257, 300), (300, 300)]


def test_source_opened_with_or_without_labels_first_is_whole_the_other_way_later(tmp_path):
    path = str(write_folder(tmp_path / "cells"))
    open_store(open_source(path, labelled=False), size=16)
    assert list(open_store(open_source(path), size=16).labels) == [0, 0, 1, 1, 2, 2]
    arrays = {"train_images": PIXELS, "train_labels": np.arange(6), "test_images": PIXELS}
    path = str(write_npz(tmp_path / "cells.npz", **arrays))
    open_store(open_source(path), size=16)
    store = open_store(open_source(path, labelled=False), size=16)
    assert list(store.parts) == ["train"] * 6 + ["test"] * 6
