from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from analysis import label_errors
from analysis.label_errors import find_label_errors, out_of_sample_probabilities
from spaces import UserError
from tests.trainables.builders import bright_pictures
from trainables import open_source, open_store


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Return a store of 60 pictures of three classes."""
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    images, labels = bright_pictures(60)
    np.savez(tmp_path / "cells.npz", images=images, labels=labels)
    return open_store(open_source(str(tmp_path / "cells.npz")), size=16)


def test_confident_learning_suspects_the_label_that_every_other_picture_contradicts():
    labels = np.repeat([0, 1], 20)
    probabilities = np.where(labels[:, None] == [0, 1], 0.95, 0.05).astype(np.float32)
    labels[3] = 1
    found = find_label_errors(labels, probabilities)
    assert list(np.flatnonzero(found.is_suspect)) == [3]
    assert found.suggested[3] == 0
    assert found.score[3] == pytest.approx(0.9)


def test_probabilities_are_those_of_a_trained_model_for_every_class(store):
    told = []
    found = out_of_sample_probabilities(
        store, np.arange(60), np.arange(60), progress=lambda *done: told.append(done)
    )
    assert found.shape == (60, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert (found.argmax(axis=1) == store.labels).mean() > 0.8
    assert told[-1] == (1200, 1200)  # four models, 300 steps each, one step an epoch


def test_no_picture_is_judged_by_a_model_that_saw_its_group(store, monkeypatch):
    indices = np.arange(4, 60)
    groups = indices // 5
    seen = []

    def judge(spec, fingerprint, seed, report, learn, judge):
        seen.append((set(learn // 5), set(judge // 5), set(learn), set(judge)))
        return np.eye(3, dtype=np.float32)[judge % 3]

    monkeypatch.setattr(label_errors, "ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    monkeypatch.setattr(label_errors, "_judge", judge)
    found = out_of_sample_probabilities(store, indices, groups)
    assert found.argmax(axis=1).tolist() == (indices % 3).tolist()
    assert len(seen) == 4
    for learned, judged, learn, judge in seen:
        assert not learned & judged
        assert learn | judge == set(indices)


def test_source_that_changes_while_it_is_audited_is_refused(store, tmp_path):
    images, labels = bright_pictures(50)
    np.savez(tmp_path / "cells.npz", images=images, labels=labels)
    with pytest.raises(UserError, match="changed while it was audited"):
        out_of_sample_probabilities(store, np.arange(60), np.arange(60))
