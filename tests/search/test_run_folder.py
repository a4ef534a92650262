import json
from datetime import datetime, timedelta

import pandas as pd
import pytest

from search.run_folder import create_run, drop_checkpoints, note_event, write_tables
from spaces import RunPaths, UserError, load_sweep
from tests.search.builders import open_study, play, run_paths, sweep_spec, trial_record


def with_checkpoints(paths, number):
    """Make the files of `number` trials, as their processes leave them."""
    for trial in map(paths.trial, range(number)):
        trial.best.mkdir(parents=True)
        trial.last.write_bytes(b"state")
        trial.predictions.write_bytes(b"predictions")


def checkpoints(paths):
    return sorted(int(path.parent.name) for path in paths.trials.glob("*/checkpoint"))


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_new_run_holds_its_sweep_and_where_it_came_from(tmp_path, exists):
    paths = RunPaths(tmp_path / "deep" / "run")
    if exists:
        paths.root.mkdir(parents=True)
    create_run(paths, sweep_spec(name="mine"), {"host": "a"})
    assert load_sweep(paths.sweep) == sweep_spec(name="mine")
    assert json.loads(paths.provenance.read_text()) == {"host": "a"}
    assert paths.trials.is_dir()


@pytest.mark.parametrize("kind", ["folder with a file", "file"])
def test_place_that_is_taken_is_refused_and_left_alone(tmp_path, kind):
    taken = tmp_path / "run"
    inner = taken if kind == "file" else taken / "notes.txt"
    inner.parent.mkdir(exist_ok=True)
    inner.write_text("mine")
    with pytest.raises(UserError, match=r"run: is not empty; .* `cytosweep resume .*run`"):
        create_run(RunPaths(taken), sweep_spec(), {})
    assert inner.read_text() == "mine"
    assert list(tmp_path.rglob("*.yaml")) == []


def test_event_is_a_line_with_its_time_in_utc(tmp_path):
    paths = run_paths(tmp_path)
    note_event(paths, "started", {"trial": 3})
    note_event(paths, "ended")
    first, second = map(json.loads, paths.events.read_text().splitlines())
    assert (first["event"], first["trial"], second["event"]) == ("started", 3, "ended")
    assert datetime.fromisoformat(first["time"]).utcoffset() == timedelta(0)


def test_tables_hold_what_the_journal_holds(tmp_path):
    paths = run_paths(tmp_path)
    study = open_study(paths.root)
    play(study, epochs=3)
    write_tables(paths, study, sweep_spec())
    trials, curves = pd.read_parquet(paths.trials_table), pd.read_parquet(paths.curves_table)
    assert list(trials["state"]) == ["COMPLETE"] * 4
    assert list(trials["params.dropout"]) == [t.params["dropout"] for t in study.trials()]
    assert list(curves["epoch"]) == [1, 2, 3] * 4


def test_checkpoints_beyond_the_k_best_of_each_family_are_dropped(tmp_path):
    sweep = sweep_spec(search={"keep_checkpoints": 2})
    paths = run_paths(tmp_path, sweep)
    scores = [("custom_cnn", 0.5), ("custom_cnn", 0.7), ("custom_cnn", 0.6), ("resnet18", 0.1)]
    parts = [{"params": {"backbone": name}, "objective": score} for name, score in scores]
    records = [trial_record(number, **each) for number, each in enumerate(parts)]
    with_checkpoints(paths, len(records))
    drop_checkpoints(paths, records, sweep)
    assert checkpoints(paths) == [1, 2, 3]
    assert all(paths.trial(number).predictions.exists() for number in range(4))


@pytest.mark.parametrize(
    ("state", "best_stays", "last_stays"),
    [("RUNNING", True, True), ("COMPLETE", True, False), ("PRUNED", True, False),
     ("FAILED", False, False)],
)  # fmt: skip
def test_training_state_stays_only_with_a_running_trial(tmp_path, state, best_stays, last_stays):
    paths = run_paths(tmp_path)
    with_checkpoints(paths, 1)
    drop_checkpoints(paths, [trial_record(0, state)], sweep_spec())
    trial = paths.trial(0)
    assert (trial.best.exists(), trial.last.exists()) == (best_stays, last_stays)
