import json

import numpy as np
import pytest

from analysis import audit as audit_source
from analysis import save_audit
from analysis.label_errors import find_label_errors, out_of_sample_probabilities
from spaces import DataSpec, UserError
from tests.analysis.builders import smooth_pictures
from tests.trainables.builders import bright_pictures
from trainables import load_trial_data, open_source, open_store
from trainables.manifest import read_manifest


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return an npz of 12 pictures: row 5 is row 1 again, row 7 is row 2 under another label."""
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    images = smooth_pictures(12)
    images[5], images[7] = images[1], images[2]
    labels = np.array([0, 1] * 6)
    np.savez(tmp_path / "cells.npz", images=images, labels=labels)
    return str(tmp_path / "cells.npz")


def verdicts(frame):
    return {
        int(row.row): (row.verdict, row.reason)
        for row in frame[frame["reason"].notna()].itertuples()
    }


def test_audit_drops_a_second_picture_and_both_of_a_contradiction(source):
    found = audit_source(source, fast=True)
    assert verdicts(found.frame) == {
        2: ("drop", "conflicting_duplicate"),
        5: ("drop", "duplicate"),
        7: ("drop", "conflicting_duplicate"),
    }


def test_audit_keeps_as_suspects_what_it_is_not_to_drop(source):
    found = audit_source(source, drop=["duplicate"], fast=True)
    assert verdicts(found.frame)[2] == ("keep", "conflicting_duplicate")
    assert verdicts(found.frame)[5] == ("drop", "duplicate")


def test_classes_too_small_to_judge_are_left_alone_and_said_so(source):
    found = audit_source(source)
    assert found.notes == [
        "labels: not judged, as that takes 2 classes, each of 8 pictures or more"
    ]


def test_saved_audit_is_what_a_sweep_applies(source, tmp_path):
    found = audit_source(source, fast=True)
    save_audit(found, tmp_path / "audit")
    assert read_manifest(tmp_path / "audit/manifest.parquet").fingerprint == found.store.fingerprint
    data = load_trial_data(
        DataSpec(
            source=source,
            image_size=16,
            keep=str(tmp_path / "audit/manifest.parquet"),
            split={"validation": 0.3},
        )
    )
    used = np.concatenate([data.split.train, data.split.validation])
    assert not set(used) & {2, 5, 7}
    summary = json.loads((tmp_path / "audit/summary.json").read_text())
    assert summary["verdicts"] == {"keep": 9, "drop": 3}
    assert summary["reasons"]["duplicate"] == {"1": 1}
    with pytest.raises(UserError, match="holds an audit already"):
        save_audit(found, tmp_path / "audit")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"drop": ["blurry"]}, "'blurry' is no reason"), ({"threshold": 2}, "threshold: is 2, but")],
)
def test_unknown_reasons_and_impossible_thresholds_are_refused(source, options, message):
    with pytest.raises(UserError, match=message):
        audit_source(source, **options)


def test_confident_learning_suspects_the_label_that_every_other_picture_contradicts():
    labels = np.repeat([0, 1], 20)
    probabilities = np.where(labels[:, None] == [0, 1], 0.95, 0.05).astype(np.float32)
    labels[3] = 1
    found = find_label_errors(labels, probabilities)
    assert list(np.flatnonzero(found.is_suspect)) == [3]
    assert found.suggested[3] == 0
    assert found.score[3] == pytest.approx(0.9)


def test_probabilities_come_from_models_that_did_not_see_the_group(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    images, labels = bright_pictures(60)
    np.savez(tmp_path / "cells.npz", images=images, labels=labels)
    store = open_store(open_source(str(tmp_path / "cells.npz")), size=16)
    told = []
    found = out_of_sample_probabilities(
        store, np.arange(60), np.arange(60), progress=lambda *done: told.append(done)
    )
    assert found.shape == (60, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
