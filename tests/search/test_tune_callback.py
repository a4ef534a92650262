import pickle

import pandas as pd
import pytest

from search import tune_callback
from search.tune_callback import RunFolderCallback
from search.tune_stopper import SweepStopper
from spaces import RunPaths
from tests.search.builders import (
    SUMMARY,
    FakeTuneTrial,
    events,
    open_study,
    report,
    run_paths,
    sweep_spec,
)

TASK_ERROR = """Failure # 1 (occurred at 2026-01-02_03-04-05)
\x1b[36mray::ImplicitFunc.train()\x1b[39m (pid=1234, ip=10.0.0.2, \
actor_id=67ca2d5dd2c3ae8f04ab2cd901000000, repr=tune_trial)
  File "lib/python3.11/site-packages/ray/tune/trainable/trainable.py", line 331, in train
    raise skipped from exception_cause(skipped)
  File "search/trainable.py", line 37, in tune_trial
    raise OSError(
OSError: /runs/first: not visible from node b; put runs on storage that all nodes share
"""
"""What Tune writes of an error, shortened."""


class FakeLive:
    """A live table that counts how often it is drawn."""

    def __init__(self, due=True):
        self.due, self.shown = due, []

    def is_due(self):
        return self.due

    def show(self, records, sweep, elapsed_s):
        self.shown.append([record.trial for record in records])


def running(folder, live=None, **parts):
    """Return study and callback of a run with one running trial."""
    paths = run_paths(folder, sweep_spec(**parts))
    study = open_study(paths.root, **parts)
    study.suggest()
    return study, RunFolderCallback(paths, study, SweepStopper(), live)


@pytest.mark.parametrize(
    ("happening", "event"), [("start", "started"), ("complete", "ended"), ("recover", "retried")]
)
def test_happening_becomes_an_event(tmp_path, happening, event):
    _, callback = running(tmp_path)
    getattr(callback, f"on_trial_{happening}")(0, [], FakeTuneTrial(0))
    assert events(RunPaths(tmp_path / "run")) == [event]


def test_end_of_a_trial_frees_the_disk(tmp_path):
    study, callback = running(tmp_path, search={"keep_checkpoints": 1})
    for value in (0.25, 0.5):
        number = study.running()[0]
        report(study, number, value)
        study.complete(number, SUMMARY)
        study.suggest()
        RunPaths(tmp_path / "run").trial(number).best.mkdir(parents=True)
        callback.on_trial_complete(0, [], FakeTuneTrial(number))
    kept = [RunPaths(tmp_path / "run").trial(number).checkpoint.exists() for number in (0, 1)]
    assert kept == [False, True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Failure # 1 (at 1)\nearlier\nFailure # 2 (at 2)\nworker\ndied\n", "worker died"),
     (TASK_ERROR, "not visible from node b")],
    ids=["last failure", "cause of a task's error"],
)  # fmt: skip
def test_trial_whose_process_died_once_too_often_is_failed_with_the_reason(tmp_path, text, reason):
    study, callback = running(tmp_path)
    (tmp_path / "error.txt").write_text(text)
    callback.on_trial_error(0, [], FakeTuneTrial(0, "ERROR", str(tmp_path / "error.txt")))
    (record,) = study.records()
    assert record.state == "FAILED"
    assert record.error.startswith("its process died: ")
    assert reason in record.error and "earlier" not in record.error
    assert record.error.endswith("(log: trials/0/log.txt)")
    assert events(RunPaths(tmp_path / "run")) == ["failed"]


@pytest.mark.parametrize("due", [True, False])
def test_live_table_is_drawn_when_it_is_due(tmp_path, due):
    live = FakeLive(due)
    running(tmp_path, live)[1].on_step_end(0, [])
    assert live.shown == ([[0]] if due else [])


@pytest.mark.parametrize(
    ("status", "stops"), [("RUNNING", False), ("PENDING", True), ("TERMINATED", True)]
)
def test_sweep_whose_budget_is_met_stops_once_no_trial_runs(tmp_path, status, stops):
    paths, stopper = run_paths(tmp_path), SweepStopper()
    study = open_study(paths.root, search={"target": 0.5})
    report(study, study.suggest().number, 0.5)
    RunFolderCallback(paths, study, stopper, None).on_step_end(0, [FakeTuneTrial(0, status)])
    assert (stopper.reason, stopper.stop_all()) == ("budget", stops)


@pytest.mark.parametrize(("every_s", "written"), [(0.0, True), (60.0, False)])
def test_tables_are_written_once_they_are_old(tmp_path, monkeypatch, every_s, written):
    monkeypatch.setattr(tune_callback, "_TABLES_EVERY_S", every_s)
    running(tmp_path)[1].on_step_end(0, [])
    table = RunPaths(tmp_path / "run").trials_table
    assert table.exists() is written
    assert not written or list(pd.read_parquet(table)["state"]) == ["RUNNING"]


def test_callback_pickles_without_study_and_screen(tmp_path):
    callback = running(tmp_path, FakeLive())[1]
    assert vars(pickle.loads(pickle.dumps(callback))) == {}
