import json
import shutil

import pandas as pd
import pytest

import search.run_folder
from search.run_folder import Checkpoints, create_run, write_tables
from spaces import RunPaths, UserError, load_sweep
from tests.search.builders import open_study, play, run_paths, sweep_spec
from tests.spaces.builders import raising, refusal, trial_record


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_new_run_holds_its_sweep_and_where_it_came_from(tmp_path, exists):
    paths = RunPaths(tmp_path / "deep" / "run")
    if exists:
        paths.root.mkdir(parents=True)
    create_run(paths, sweep_spec(name="mine"), {"host": "a"})
    assert load_sweep(paths.sweep) == sweep_spec(name="mine")
    assert json.loads(paths.provenance.read_text()) == {"host": "a"}
    assert paths.trials.is_dir()


def test_folder_whose_making_was_cut_is_no_run(tmp_path, monkeypatch):
    paths = RunPaths(tmp_path / "run")
    monkeypatch.setattr(search.run_folder, "write_text", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        create_run(paths, sweep_spec(), {})
    assert not paths.sweep.exists()


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


def test_place_below_a_file_or_of_an_impossible_name_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for root, why in ((tmp_path / "file" / "run", "file is no folder"),
                      (tmp_path / ("x" * 300), "File name too long")):  # fmt: skip
        line = refusal(UserError, create_run, RunPaths(root), sweep_spec(), {})
        assert line.startswith(f"{root}: cannot be made (")
        assert line.endswith(f"{why}); give another --run")


@pytest.mark.parametrize(
    ("state", "best_stays", "last_stays"),
    [("RUNNING", True, True), ("COMPLETE", True, False), ("PRUNED", True, False),
     ("FAILED", False, False)],
)  # fmt: skip
def test_training_state_stays_only_with_a_running_trial(tmp_path, state, best_stays, last_stays):
    paths = run_paths(tmp_path)
    trial = paths.trial(0)
    trial.best.mkdir(parents=True)
    trial.last.write_bytes(b"state")
    trial.predictions.write_bytes(b"predictions")
    Checkpoints(paths, sweep_spec()).drop([trial_record(0, state)])
    assert (trial.best.exists(), trial.last.exists()) == (best_stays, last_stays)
    assert trial.predictions.exists()


def test_table_names_the_checkpoints_that_are_there(tmp_path):
    paths = run_paths(tmp_path)
    study = open_study(paths.root, search={"trials": 2})
    play(study)
    paths.trial(1).best.mkdir(parents=True)
    write_tables(paths, study, sweep_spec())
    named = pd.read_parquet(paths.trials_table)["checkpoint"]
    assert named.isna().tolist() == [True, False]


def test_checkpoints_that_were_seen_to_are_not_looked_at_again_but_those_left_over_are(
    tmp_path, monkeypatch
):
    paths = run_paths(tmp_path)
    trials = [paths.trial(number) for number in range(2)]
    for trial in trials:
        trial.best.mkdir(parents=True)
    checkpoints = Checkpoints(paths, sweep_spec(search={"keep_checkpoints": 1}))
    records = [trial_record(0, objective=0.25), trial_record(1)]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", raising(PermissionError(13, "Permission denied")))
        checkpoints.drop(records)
    checkpoints.drop(records)
    assert [trial.checkpoint.exists() for trial in trials] == [False, True]
    trials[0].best.mkdir(parents=True)
    checkpoints.drop(records)
    assert trials[0].best.exists()
