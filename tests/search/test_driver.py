import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import nullcontext
from io import StringIO

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console

import search
import search.driver
from search.study import SweepStudy
from search.tune_stopper import SweepStopper
from spaces import (
    RunCommand,
    RunPaths,
    SweepError,
    SweepInterruptedError,
    UserError,
    load_sweep,
    read_events,
    run_lock,
)
from tests.search.builders import cells_sweep, events, play, report, write_cells
from tests.spaces.builders import raising, refusal, trial_columns
from tests.trainables.builders import audited, bright_pictures, write_npz

RUN_FILES = {
    "sweep.yaml", "provenance.json", "study.journal", "events.jsonl", "trials.parquet",
    "curves.parquet", "trials", "lock",
}  # fmt: skip
TRIAL_FILES = {"config.json", "log.txt", "predictions.parquet", "checkpoint"}


def without_ray(monkeypatch, folder, fit=None):
    """Have trials played instead of run; `fit` stands for Tune, told of (study, stopper)."""

    def played(paths, study, stopper, live, fitting):
        return fit(study, stopper) if fit else play(study, epochs=2)

    monkeypatch.setenv("CYTOSWEEP_CACHE", str(folder / "cache"))
    monkeypatch.setattr(search.driver, "ray_runtime", lambda address: nullcontext())
    monkeypatch.setattr(search.driver, "slots", lambda resources, can_grow: 1)
    monkeypatch.setattr(search.driver, "_fit", played)


def cut_then(stop):
    """Return a stand-in for Tune that leaves a trial of one epoch running and calls `stop`."""

    def fit(study, stopper):
        report(study, study.suggest().number, 0.5)
        stop(stopper)

    return fit


def run_out(stopper):
    stopper.reason, stopper.detail = "budget", "search.time_budget of 9 s is spent"


def states(paths):
    return list(pd.read_parquet(paths.trials_table)["state"])


def test_launch_leaves_tables_events_and_no_scratch(tmp_path, monkeypatch):
    without_ray(monkeypatch, tmp_path)
    paths = search.launch(cells_sweep(tmp_path), tmp_path / "run")
    assert {path.name for path in paths.root.iterdir()} == RUN_FILES
    assert states(paths) == ["COMPLETE"] * 4
    assert events(paths) == ["driver ended"]


def test_launch_without_a_folder_makes_one_named_after_the_sweep(tmp_path, monkeypatch):
    without_ray(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert search.launch(cells_sweep(tmp_path, name="mine")).root == tmp_path / "runs" / "mine"


def test_launch_with_an_unknown_backbone_is_refused_with_the_nearest_names(tmp_path):
    sweep = cells_sweep(tmp_path, trial={"backbone": "mobilnetv3_small_100"})
    line = refusal(SweepError, search.launch, sweep, tmp_path / "run")
    assert line.startswith("trial.backbone is 'mobilnetv3_small_100', but must be custom_cnn or a")
    assert "did you mean 'mobilenetv3_small_100'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("was_there", [False, True], ids=["new", "empty"])
def test_launch_that_is_refused_leaves_the_folder_as_it_was(tmp_path, monkeypatch, was_there):
    without_ray(monkeypatch, tmp_path, raising(UserError("resources: no node offers 99 CPUs")))
    if was_there:
        (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match="99 CPUs"):
        search.launch(cells_sweep(tmp_path), tmp_path / "run")
    assert (tmp_path / "run").exists() is was_there


@pytest.mark.parametrize(
    ("stop", "reason", "detail"),
    [(run_out, "budget", "search.time_budget of 9 s is spent"),
     (SweepStopper.stop_by_user, "user", "`cytosweep stop`")],
    ids=["budget", "user"],
)  # fmt: skip
def test_sweep_that_a_budget_or_the_user_ends_prunes_what_was_running(
    tmp_path, monkeypatch, stop, reason, detail
):
    without_ray(monkeypatch, tmp_path, cut_then(stop))
    paths = search.launch(cells_sweep(tmp_path), tmp_path / "run")
    table = pd.read_parquet(paths.trials_table)[["state", "stop_reason", "objective"]]
    assert table.values.tolist() == [["PRUNED", reason, 0.5]]
    (event,) = read_events(paths)
    assert (event["event"], event["reason"], event["detail"]) == ("driver ended", reason, detail)


def test_stopped_sweep_ends_trials_too_that_an_earlier_driver_left(tmp_path, monkeypatch):
    without_ray(monkeypatch, tmp_path, cut_then(SweepStopper.interrupt))
    with pytest.raises(SweepInterruptedError):
        search.launch(cells_sweep(tmp_path), tmp_path / "run")
    without_ray(monkeypatch, tmp_path, lambda study, stopper: stopper.stop_by_user())
    assert states(search.resume(tmp_path / "run")) == ["PRUNED"]


@pytest.mark.parametrize(
    ("overrides", "text", "more"),
    [([], "all 4 trials have ended", "search.trials=8"),
     (["search.trials=9", "search.time_budget=5"], "search.time_budget of 5 s is spent",
      "search.time_budget=18")],
    ids=["trials", "time"],
)  # fmt: skip
def test_resume_of_a_sweep_whose_budget_is_met_runs_nothing_and_says_how_to_go_on(
    tmp_path, monkeypatch, overrides, text, more
):
    paths = launched(tmp_path, monkeypatch)
    SweepStudy(paths, load_sweep(paths.sweep)).note_spent(9.0)
    without_ray(monkeypatch, tmp_path, raising(AssertionError("something was run")))
    console = Console(file=StringIO())
    search.resume(paths.root, overrides, console=console)
    said = console.file.getvalue()
    assert said.startswith(f"{paths.root}: nothing was run: {text}")
    assert said.endswith(f"go on with `cytosweep extend {paths.root} --set {more}`\n")
    assert events(paths) == ["driver ended"]


def test_wall_time_of_all_drivers_is_noted_in_the_journal(tmp_path, monkeypatch):
    paths = launched(tmp_path, monkeypatch)
    first = SweepStudy(paths, load_sweep(paths.sweep)).spent_s
    search.resume(paths.root, ["search.trials=6"])
    assert SweepStudy(paths, load_sweep(paths.sweep)).spent_s > first > 0


def test_command_that_was_left_to_an_earlier_driver_is_forgotten(tmp_path, monkeypatch):
    paths = launched(tmp_path, monkeypatch)
    paths.commands.mkdir()
    paths.command("old").write_text(RunCommand(kind="stop").model_dump_json())
    assert states(search.resume(paths.root, ["search.trials=6"])) == ["COMPLETE"] * 6
    assert list(paths.commands.iterdir()) == []


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_trials_running_and_resume_ends_them(tmp_path, monkeypatch, kind):
    without_ray(monkeypatch, tmp_path, cut_then(lambda stopper: os.kill(os.getpid(), kind)))
    with pytest.raises(SweepInterruptedError, match="cytosweep resume"):
        search.launch(cells_sweep(tmp_path), tmp_path / "run")
    assert states(RunPaths(tmp_path / "run")) == ["RUNNING"]
    without_ray(monkeypatch, tmp_path)
    assert states(search.resume(tmp_path / "run")) == ["COMPLETE"] * 4


def test_second_signal_ends_the_driver_at_once(tmp_path, monkeypatch):
    def interrupt_twice(_stopper):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    without_ray(monkeypatch, tmp_path, cut_then(interrupt_twice))
    with pytest.raises(KeyboardInterrupt):
        search.launch(cells_sweep(tmp_path), tmp_path / "run")
    assert states(RunPaths(tmp_path / "run")) == ["RUNNING"]


def test_tables_and_the_error_are_noted_where_the_executor_breaks(tmp_path, monkeypatch):
    full = raising(OSError(28, "No space left on device"))
    without_ray(monkeypatch, tmp_path, cut_then(full))
    with pytest.raises(OSError, match="No space"):
        search.launch(cells_sweep(tmp_path), tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    assert states(paths) == ["RUNNING"]
    reason = json.loads(paths.events.read_text())["reason"]
    assert reason == "OSError: [Errno 28] No space left on device"


def launched(folder, monkeypatch, **parts):
    """Return the paths of a run of four finished trials."""
    without_ray(monkeypatch, folder)
    return search.launch(cells_sweep(folder, **parts), folder / "run")


def test_run_on_audited_data_has_a_manifest_of_its_own_and_refuses_another_one(
    tmp_path, monkeypatch
):
    cells, path = write_cells(tmp_path / "cells.npz"), tmp_path / "manifest.parquet"
    keep = audited(path, cells)
    data = {"source": str(cells), "image_size": 16, "keep": keep}
    paths = launched(tmp_path, monkeypatch, data=data)
    known = json.loads(paths.provenance.read_text())
    assert (known["data_manifest"], len(known["manifest_fingerprint"])) == (keep, 64)
    path.unlink()
    moved = RunPaths(paths.root.rename(tmp_path / "elsewhere"))
    assert load_sweep(moved.sweep).data.keep == str(moved.manifest)
    audited(moved.manifest, cells, score=0.5)
    search.resume(moved.root, ["search.trials=5"])
    audited(moved.manifest, cells, verdict=["drop", *["keep"] * 59])
    line = refusal(UserError, search.resume, moved.root, ["search.trials=6"])
    assert line.startswith(f"{moved.manifest}: has changed since ")


@pytest.mark.parametrize("is_audited", [False, True])
def test_launch_without_an_audit_warns_of_what_hashes_tell(tmp_path, monkeypatch, is_audited):
    images, labels = bright_pictures(60)
    images[1] = images[0]
    cells = write_npz(tmp_path / "cells.npz", images=images, labels=labels)
    keep = audited(tmp_path / "manifest.parquet", cells) if is_audited else None
    console = Console(file=StringIO())
    data = {"source": str(cells), "image_size": 16, "keep": keep}
    without_ray(monkeypatch, tmp_path)
    search.launch(cells_sweep(tmp_path, data=data), tmp_path / "run", console=console)
    warned = f"warning: {cells}: images under different labels: 1; find more with"
    assert (warned in console.file.getvalue()) is not is_audited


def test_run_tells_whom_it_learned_from_and_resumes_without_them(tmp_path, monkeypatch):
    earlier = launched(tmp_path, monkeypatch).root.rename(tmp_path / "earlier")
    without_ray(monkeypatch, tmp_path, cut_then(lambda stopper: stopper.interrupt()))
    console = Console(file=StringIO())
    sweep = cells_sweep(tmp_path, search={"learn_from": [str(earlier)]})
    with pytest.raises(SweepInterruptedError):
        search.launch(sweep, tmp_path / "run", console=console)
    assert f"learned from 4 trials of {earlier}" in console.file.getvalue()
    paths = RunPaths(tmp_path / "run")
    assert json.loads(paths.events.read_text().splitlines()[0])["trials"] == 4
    shutil.rmtree(earlier)
    without_ray(monkeypatch, tmp_path)
    assert states(search.resume(paths.root)) == ["COMPLETE"] * 4


def test_run_that_is_to_learn_from_no_run_is_refused_before_anything_is_made(tmp_path):
    sweep = cells_sweep(tmp_path, search={"learn_from": [str(tmp_path)]})
    line = refusal(UserError, search.check_launch, sweep, tmp_path / "run")
    assert line.startswith(f"search.learn_from: {tmp_path} is no run folder")


def test_space_that_is_wholly_tried_ends_the_sweep_and_the_run_says_so(tmp_path, monkeypatch):
    without_ray(monkeypatch, tmp_path)
    console = Console(file=StringIO())
    space = {"dropout": {"choice": [0.0, 0.25, 0.5]}}
    paths = search.launch(cells_sweep(tmp_path, space=space), tmp_path / "run", console=console)
    assert states(paths) == ["COMPLETE"] * 3
    assert json.loads(paths.events.read_text())["reason"] == "the whole space was tried"
    assert "the whole space was tried" in console.file.getvalue()


def test_resume_may_ask_for_more_trials_where_the_run_was_moved(tmp_path, monkeypatch):
    paths = launched(tmp_path, monkeypatch)
    moved = RunPaths(paths.root.rename(tmp_path / "elsewhere"))
    search.resume(moved.root, ["search.trials=6"])
    assert states(moved) == ["COMPLETE"] * 6
    assert load_sweep(moved.sweep).search.trials == 6
    assert events(moved) == ["driver ended", "resumed", "driver ended"]
    assert not paths.root.exists()


@pytest.mark.parametrize(
    "override", ["search.seed=1", "trial.epochs=9", "objective=val_loss", "data.image_size=32"]
)
def test_resume_may_not_change_what_finished_trials_mean(tmp_path, monkeypatch, override):
    paths = launched(tmp_path, monkeypatch)
    line = refusal(SweepError, search.resume, paths.root, ["search.trials=6", override])
    assert f"--set {override}: a run keeps its meaning" in line
    assert load_sweep(paths.sweep).search.trials == 4


def test_resume_of_what_is_no_run_is_refused(tmp_path):
    line = refusal(UserError, search.resume, tmp_path)
    assert re.search(r"is no run folder .*; see `cytosweep launch`", line)


@pytest.mark.parametrize("text", [None, "{"], ids=["missing", "damaged"])
def test_resume_of_a_run_whose_provenance_is_lost_is_refused_in_a_line(tmp_path, monkeypatch, text):
    paths = launched(tmp_path, monkeypatch)
    paths.provenance.unlink()
    if text is not None:
        paths.provenance.write_text(text)
    line = refusal(UserError, search.resume, paths.root)
    assert line.startswith(f"{paths.provenance}: ")


def test_resume_that_is_refused_leaves_no_event(tmp_path, monkeypatch):
    paths = launched(tmp_path, monkeypatch)
    with run_lock(paths.lock):
        line = refusal(UserError, search.resume, paths.root)
    assert "a live driver works on this run" in line
    write_cells(tmp_path / "cells.npz", seed=1)
    assert "changed" in refusal(UserError, search.resume, paths.root, ["search.trials=6"])
    assert events(paths) == ["driver ended"]


@pytest.mark.parametrize("part", ["check_models", "ray_runtime", "slots"])
def test_resume_that_finds_no_weights_cluster_or_room_leaves_the_run_as_it_was(
    tmp_path, monkeypatch, part
):
    paths = launched(tmp_path, monkeypatch)
    monkeypatch.setattr(search.driver, part, raising(UserError("not there")))
    line = refusal(UserError, search.resume, paths.root, ["search.trials=6"])
    assert line == "not there"
    assert load_sweep(paths.sweep).search.trials == 4
    assert events(paths) == ["driver ended"]


def test_run_that_was_killed_before_its_first_trial_can_be_resumed(tmp_path, monkeypatch):
    paths = launched(tmp_path, monkeypatch)
    paths.journal.unlink()
    assert states(search.resume(paths.root)) == ["COMPLETE"] * 4


# From here on with Ray itself.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the paths of a run of four trials of two epochs."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("CYTOSWEEP_CACHE", str(folder / "cache"))
        return search.launch(cells_sweep(folder), folder / "run")


def launch_with_ray(folder, monkeypatch, run=None, **parts):
    """Run a sweep and return its trial table and its paths."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(folder / "cache"))
    paths = search.launch(cells_sweep(folder, **parts), run or folder / "run")
    return pd.read_parquet(paths.trials_table), paths


def test_finished_run_folder_is_complete_and_so_is_its_trial_table(finished):
    assert {path.name for path in finished.root.iterdir()} == RUN_FILES
    for trial in map(finished.trial, range(4)):
        assert {path.name for path in trial.root.iterdir()} == TRIAL_FILES
        assert {path.name for path in trial.checkpoint.iterdir()} == {"best"}
    table = pd.read_parquet(finished.trials_table)
    assert list(table.columns) == trial_columns("dropout")
    assert list(table["trial"]) == [0, 1, 2, 3]
    filled = set(table.columns) - {"stop_reason", "shift_accuracy", "robust_accuracy", "error"}
    assert [name for name in filled if table[name].isna().any()] == []


def test_finished_runs_curves_agree_with_journal_and_optuna(finished):
    curves = pd.read_parquet(finished.curves_table)
    assert list(curves["epoch"]) == [1, 2] * 4
    backend = JournalFileBackend(str(finished.journal))
    study = optuna.load_study(study_name="sweep", storage=JournalStorage(backend))
    values = [value for trial in study.trials for value in trial.intermediate_values.values()]
    assert list(curves["val_accuracy"]) == values
    study = SweepStudy(finished, load_sweep(finished.sweep))
    assert [record.state for record in study.records()] == ["COMPLETE"] * 4


def test_trials_that_raise_or_diverge_fail_and_the_sweep_goes_on(tmp_path, monkeypatch):
    space = {
        "backbone": {"choice": ["custom_cnn", "test_maxvit"]},  # not for 16 pixels
        "learning_rate": {"choice": [1e-3, 1e30]},
    }
    search_spec = {"sampler": "random", "seed": 16}
    table, paths = launch_with_ray(tmp_path, monkeypatch, space=space, search=search_spec)
    assert list(table["state"]) == ["FAILED", "FAILED", "COMPLETE", "FAILED"]
    assert list(table["params.backbone"] == "test_maxvit") == [True, False, False, True]
    for number, words in ((0, "ZeroDivisionError"), (1, "TrainingDivergedError: the loss is")):
        assert words in table["error"][number]
        assert table["error"][number].endswith(f"(log: trials/{number}/log.txt)")
        assert "Traceback" in paths.trial(number).log.read_text()


def test_time_budget_ends_the_sweep_and_prunes_what_was_running(tmp_path, monkeypatch):
    table, paths = launch_with_ray(
        tmp_path, monkeypatch, space={}, trial={"epochs": 100_000}, search={"time_budget": 12}
    )
    assert list(table["state"]) == ["PRUNED"]
    assert list(table["stop_reason"]) == ["budget"]
    assert not paths.trial(0).last.exists()
    assert not paths.executor.exists()


def test_time_budget_counts_the_decoding(tmp_path, monkeypatch):
    read = search.driver.load_trial_data

    def read_slowly(*args, **kwargs):
        time.sleep(0.3)
        return read(*args, **kwargs)

    monkeypatch.setattr(search.driver, "load_trial_data", read_slowly)
    is_over = []

    def look(study, stopper):
        stopper.check(study.sweep, study.records())
        is_over.append(stopper.reason)

    without_ray(monkeypatch, tmp_path, look)
    search.launch(cells_sweep(tmp_path, search={"time_budget": 0.2}), tmp_path / "run")
    assert is_over == ["budget"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_journal_that_cannot_grow_stops_the_sweep_and_keeps_what_it_has(tmp_path, monkeypatch):
    append, lines = JournalFileBackend.append_logs, []

    def append_until_full(self, logs):
        lines.extend(logs)
        if any(line.get("user_attr", {}).get("epoch:2") for line in lines):
            raise OSError(28, "No space left on device")
        append(self, logs)

    with monkeypatch.context() as full:
        full.setattr(JournalFileBackend, "append_logs", append_until_full)
        with pytest.raises(OSError, match="the disk is full; free some space there, then go on"):
            launch_with_ray(tmp_path, monkeypatch)
    paths = RunPaths(tmp_path / "run")
    assert states(paths) == ["RUNNING"]
    search.resume(paths.root)
    assert states(paths) == ["COMPLETE"] * 4


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 32 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting takes root and the program mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_trial_that_finds_the_disk_full_stops_the_sweep_which_goes_on_later(
    tmp_path, monkeypatch, small_disk
):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(33_200_000))
    with pytest.raises(OSError, match="the disk is full; free some space there"):
        launch_with_ray(tmp_path, monkeypatch, small_disk / "run", trial={"width": 32})
    paths = RunPaths(small_disk / "run")
    assert "FAILED" not in states(paths)
    filler.unlink()
    search.resume(paths.root)
    assert states(paths) == ["COMPLETE"] * 4
