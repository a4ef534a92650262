from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from spaces import SplitSpec
from tests.spaces.builders import refusal
from tests.trainables.builders import FakeSource, image_store, pictures
from trainables.manifest import Manifest, kept_rows, read_manifest, write_manifest
from trainables.source import DataError
from trainables.split import split_store
from trainables.store import BadRow

COLUMNS = ["row", "path", "label", "verdict", "reason", "group", "score", "suggested_label"]


def frame_of(number=6, **columns):
    """Return the frame that keeps the rows of a `FakeSource`, but for the given columns."""
    return kept_rows(FakeSource(list(pictures(number))).rows()).assign(**columns)


def manifest_of(frame, fingerprint="0" * 64):
    return Manifest(frame=frame, fingerprint=fingerprint, name="manifest.parquet")


def store_of(number=6, **parts):
    return image_store((np.arange(number) % 3).tolist(), **parts)


def test_manifest_keeps_its_columns_and_types_and_the_fingerprint_in_the_schema(tmp_path):
    frame = frame_of(reason=["junk", *[None] * 5])
    path = tmp_path / "audit" / "manifest.parquet"
    write_manifest(path, frame, "abc")
    manifest = read_manifest(path)
    assert list(manifest.frame) == COLUMNS
    kinds = "int64 string int64 string string int64 float64 int64".split()
    assert [str(kind) for kind in manifest.frame.dtypes] == kinds
    assert manifest.frame["reason"].isna().tolist() == [False] + [True] * 5
    assert (manifest.fingerprint, manifest.name) == ("abc", str(path))
    assert b"abc" in pq.read_schema(path).metadata[b"PANDAS_ATTRS"]


@pytest.mark.parametrize("with_attributes", [True, False])
def test_manifest_that_was_edited_and_sorted_still_applies(tmp_path, with_attributes):
    path = tmp_path / "manifest.parquet"
    write_manifest(path, frame_of(), "0" * 64)
    edited = pd.read_parquet(path).sort_values("label")
    edited.loc[edited["row"] == 4, ["verdict", "suggested_label"]] = ["relabel", 2.0]
    edited.attrs = edited.attrs if with_attributes else {}
    edited.to_parquet(path)
    assert read_manifest(path).applied(store_of()).labels.tolist() == [0, 1, 2, 0, 2, 2]


def test_dropped_rows_are_in_no_set_and_relabelled_ones_have_their_new_label():
    verdict = ["drop"] * 3 + ["relabel"] + ["keep"] * 56
    frame = frame_of(60, verdict=verdict, suggested_label=[2] * 60)
    store = manifest_of(frame).applied(store_of(60))
    split = split_store(store, SplitSpec(validation=0.25, test=0.25))
    found = np.concatenate([split.train, split.validation, split.test])
    assert sorted(found) == list(range(3, 60))
    assert store.labels.tolist() == [0, 1, 2, 2, *(np.arange(4, 60) % 3)]


def test_dropped_rows_leave_the_parts_of_the_source_too():
    frame = frame_of(12, verdict=["drop", "keep"] * 6)
    store = store_of(12, parts=["train"] * 6 + ["validation"] * 6)
    split = split_store(manifest_of(frame).applied(store), SplitSpec())
    assert (list(split.train), list(split.validation)) == ([1, 3, 5], [7, 9, 11])


@pytest.mark.parametrize("seed", range(3))
def test_groups_and_the_contents_they_link_never_straddle_the_sets(seed):
    group = np.full(60, -1)
    group[[0, 9, 30]] = 4
    contents = np.arange(60)
    contents[59] = 30
    store = manifest_of(frame_of(60, group=group)).applied(store_of(60, contents=contents))
    split = split_store(store, SplitSpec(validation=0.25, test=0.25, seed=seed))
    linked = {0, 9, 30, 59}
    assert all(linked & set(part) in (linked, set()) for part in (split.train, split.validation))


def test_rows_of_pictures_that_the_store_leaves_out_are_passed_over():
    store = store_of(5)
    bad = (BadRow(row=0, path="", reason="no bytes"),)
    store = replace(store, rows=np.arange(1, 6), labels=np.arange(1, 6) % 3, bad_rows=bad)
    frame = frame_of(verdict=["drop", "keep", "drop", "keep", "keep", "keep"])
    assert manifest_of(frame).applied(store).kept.tolist() == [True, False, True, True, True]


def test_decisions_are_other_ones_where_a_verdict_a_new_label_or_a_group_is():
    same = [frame_of(), frame_of(score=0.5), frame_of(suggested_label=1), frame_of(reason="junk")]
    relabel = ["relabel"] + ["keep"] * 5
    others = [
        frame_of(verdict=["drop"] + ["keep"] * 5),
        frame_of(verdict=relabel, suggested_label=1),
        frame_of(verdict=relabel, suggested_label=2),
        frame_of(group=[0, 0, -1, -1, -1, -1]),
    ]
    found = [manifest_of(frame).decisions() for frame in [*same, *others]]
    assert len(set(found[: len(same)])) == 1
    assert len(set(found)) == 1 + len(others)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"verdict": "kepp"}, "row 0 has verdict kepp, but must have one of keep, drop, relabel;"
         " correct it; did you mean 'keep'?"),
        ({"group": [0, 0.5, 0, 0, 0, 0]}, "row 1 has group 0.5, but must have a whole number of at"
         " least -1; correct it"),
        ({"suggested_label": "one"}, "row 0 has suggested_label one, but must have a whole number"),
        ({"score": 1.5}, "row 0 has score 1.5, but must have a number in 0..1; correct it"),
        ({"score": None}, "row 0 has score None, but must have a number in 0..1; correct it"),
        ({"row": [0, 1, 2, 3, 3, 5]}, "has 6 rows, but row 4 is not once among them; edit values"),
    ],
)  # fmt: skip
def test_value_that_a_manifest_may_not_have_is_refused(tmp_path, columns, reason):
    path = tmp_path / "manifest.parquet"
    frame_of(**columns).to_parquet(path)
    assert refusal(DataError, read_manifest, path).startswith(f"{path}: {reason}")


def test_manifest_that_is_missing_no_parquet_or_without_columns_is_refused(tmp_path):
    path = tmp_path / "manifest.parquet"
    assert "no such manifest; restore it, or write" in refusal(DataError, read_manifest, path)
    path.write_text("row,verdict")
    assert "is no parquet file (" in refusal(DataError, read_manifest, path)
    frame_of().drop(columns=["group", "score"]).to_parquet(path)
    assert "has no column group, score, but must have row," in refusal(
        DataError, read_manifest, path
    )


@pytest.mark.parametrize(
    ("frame", "fingerprint", "reason"),
    [
        (frame_of(), "1" * 64, "was made of another source than cells.npz (fingerprint"
         " 111111111111, not 000000000000); audit it again with `cytosweep audit cells.npz -o "),
        (frame_of(5), None, "has 5 rows, but cells.npz has 6; restore the rows, or audit it again"),
        (frame_of(label=[0, 1, 2, 0, 2, 2]), "0" * 64, "row 4 has label 2, but cells.npz has"
         " another; put new labels into suggested_label, or audit it again"),
        (frame_of(verdict="relabel", suggested_label=[0, 1, 3, 0, 0, 0]), "0" * 64, "row 2 has"
         " suggested_label 3, but relabel needs one of 0..2; correct it, or keep the row"),
    ],
    ids=["fingerprint", "rows", "label", "suggested label"],
)  # fmt: skip
def test_manifest_that_does_not_fit_its_source_is_refused(frame, fingerprint, reason):
    line = refusal(DataError, manifest_of(frame, fingerprint).applied, store_of())
    assert line.startswith(f"manifest.parquet: {reason}")
