import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from analysis import label_errors
from analysis.label_errors import _judge, find_label_errors, out_of_sample_probabilities
from spaces import DataSpec, UserError
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


def test_model_learns_to_judge_pictures_it_has_not_seen(store, tmp_path, monkeypatch):
    monkeypatch.setattr(label_errors, "_MIN_STEPS", 100)
    spec = DataSpec(source=store.source, image_size=16)
    epochs = tmp_path / "epochs"
    found = _judge(spec, store.fingerprint, 0, epochs, np.arange(45), np.arange(45, 60))
    assert found.shape == (15, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(15), abs=1e-5)
    assert (found.argmax(axis=1) == store.labels[45:]).mean() > 0.8
    assert epochs.stat().st_size == 100  # of one step each


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_picture_is_judged_and_every_epoch_told(store):
    told = []
    found = out_of_sample_probabilities(
        store, np.arange(60), np.arange(60), progress=lambda *done: told.append(done)
    )
    assert (found.argmax(axis=1) == store.labels).mean() > 0.8
    assert told[-1] == (1200, 1200)  # four models, 300 steps each, one step an epoch


def test_no_picture_is_judged_by_a_model_that_saw_its_group(store, monkeypatch):
    indices = np.arange(4, 60)
    groups = indices // 5
    seen = []

    def judge(spec, fingerprint, seed, epochs, learn, judge):
        seen.append((set(learn // 5), set(judge // 5), set(learn), set(judge)))
        return np.eye(3, dtype=np.float32)[judge % 3]

    monkeypatch.setattr(label_errors, "ProcessPoolExecutor", lambda n, *_: ThreadPoolExecutor(n))
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


def test_processes_that_judge_end_when_their_parent_is_killed():
    script = (
        "import os, signal, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from analysis.label_errors import _end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(1, get_context('spawn'), _end_with_parent)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        found = subprocess.run([sys.executable, file.name], capture_output=True, check=False)
    worker = Path("/proc") / found.stdout.decode().strip()
    deadline = time.monotonic() + 10
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists()
