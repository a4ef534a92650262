from dataclasses import replace

import pytest

from tests.trainables.builders import image_store
from trainables.quick_look import data_warning
from trainables.store import BadRow

BAD = (BadRow(row=9, path="9.png", reason="no bytes"),)


def warning_of(labels=(0, 1, 1, 0), bad_rows=(), **parts):
    return data_warning(replace(image_store(labels, **parts), bad_rows=bad_rows))


def test_clean_data_and_consistent_duplicates_are_no_warning():
    assert warning_of() is None
    assert warning_of(contents=[0, 1, 1, 2], parts=["train", "train", "train", "test"]) is None


@pytest.mark.parametrize(
    ("found", "given"),
    [
        ("rows that cannot be decoded: 1", {"bad_rows": BAD}),
        ("images under different labels: 1", {"contents": [0, 0, 0, 1]}),
        ("images in several parts: 1", {"contents": [0, 1, 1, 2], "parts": list("aabb")}),
        ("rows that cannot be decoded: 1, images under different labels: 2, images in several"
         " parts: 1",
         {"bad_rows": BAD, "contents": [0, 0, 1, 1], "parts": list("abbb")}),
    ],
    ids=["undecodable", "conflict", "leak", "all"],
)  # fmt: skip
def test_warning_counts_what_hashes_tell_and_leads_to_the_audit(found, given):
    assert warning_of(**given) == (
        f"cells.npz: {found}; find more with `cytosweep audit cells.npz -o DIR`, and name its"
        " manifest in data.keep"
    )
