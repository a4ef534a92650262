import json
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pandas as pd
import pytest

from analysis import RunError, TrialTable
from search.run_folder import write_tables
from spaces import RunPaths, save_sweep
from tests.analysis.builders import (
    by_family,
    complete,
    content_of,
    cut,
    failed,
    new_run,
    pruned,
    run_spec,
    write_run,
)
from tests.spaces.builders import refusal

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
MIXED = (complete(0.5, 0.75), pruned(0.25), failed(0.375), cut(0.625), failed())


@contextmanager
def other_driver(paths):
    """Have another process hold the run's lock, as a live driver does."""
    command = [sys.executable, "-c", HOLDER, str(paths.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.stdin.close()


def table_of(folder, *scripts, **options):
    return TrialTable(write_run(folder / "run", *scripts, **options).root)


def numbers(records):
    return [record.trial for record in records]


def test_frames_equal_the_tables_that_the_driver_writes_and_reading_them_changes_nothing(tmp_path):
    paths, study = new_run(tmp_path / "run")
    for script in MIXED:
        script(study, study.suggest())
    write_tables(paths, study, run_spec())
    before, table = content_of(paths.root), TrialTable(paths.root)
    pd.testing.assert_frame_equal(table.frame, pd.read_parquet(paths.trials_table))
    pd.testing.assert_frame_equal(table.curves, pd.read_parquet(paths.curves_table))
    assert (len(table.frame), len(table.curves), table.status().state) == (5, 5, "interrupted")
    assert content_of(paths.root) == before


@pytest.mark.parametrize("is_live", [False, True], ids=["no driver", "live driver"])
def test_checkpoint_that_a_kill_took_away_is_put_back_unless_a_driver_lives(tmp_path, is_live):
    paths = write_run(tmp_path / "run", complete(0.5))
    best = paths.trial(0).best
    best.with_name(".best.0123abcd.old").mkdir(parents=True)
    with other_driver(paths) if is_live else nullcontext():
        (record,) = TrialTable(paths.root).records
    assert record.checkpoint == (None if is_live else "trials/0/checkpoint/best")


def test_table_read_while_any_line_of_the_journal_is_written_is_whole(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.5, 0.75), pruned(0.25))
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    seen = []
    for count in range(len(lines)):
        for kept in (0, 1, 20, -2):
            paths.journal.write_bytes(b"".join([*lines[:count], lines[count][:kept]]))
            seen.append(TrialTable(paths.root).records)
        assert seen[-1] == seen[-2] == seen[-3] == seen[-4]  # half a line is not read
    numbers_seen = [len(records) for records in seen]
    assert numbers_seen == sorted(numbers_seen)
    assert (numbers_seen[0], numbers_seen[-1]) == (0, 2)


@pytest.mark.parametrize("content", [None, b""], ids=["no journal", "empty journal"])
def test_run_whose_driver_has_not_begun_has_an_empty_table_with_all_columns(tmp_path, content):
    paths = RunPaths(tmp_path)
    save_sweep(run_spec(), paths.sweep)
    if content is not None:
        paths.journal.write_bytes(content)
    table = TrialTable(tmp_path)
    assert (table.records, table.leaders(), table.status().best) == ([], [], None)
    assert {"trial", "params.backbone", "params.dropout", "error"} <= set(table.frame)


def test_status_as_json_has_the_keys_of_the_design(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.5), complete(0.75), failed(), cut(0.25))
    found = TrialTable(paths.root).status().as_json()
    shared = ["run", "state", "counts", "best", "seconds"]
    assert list(found) == [*shared, "ended_by", "trials_per_hour", "remaining_s"]
    assert found["counts"] == {"COMPLETE": 2, "FAILED": 1, "RUNNING": 1}
    assert set(found["best"]) == {"trial", "objective", "params"}
    assert (found["best"]["trial"], found["best"]["objective"]) == (1, 0.75)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("scripts", "state"),
    [((complete(0.5), failed()), "finished"), ((cut(0.5),), "interrupted"), ((), "interrupted")],
    ids=["all ended", "one was cut", "cut before the first"],
)
def test_status_without_a_driver_tells_an_interrupted_run_from_a_finished_one(
    tmp_path, scripts, state
):
    paths, study = new_run(tmp_path / "run")
    for script in scripts:
        script(study, study.suggest())
    assert TrialTable(paths.root).status().state == state


def test_status_is_running_while_another_process_holds_the_lock(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.5), cut(0.25))
    with other_driver(paths):
        assert TrialTable(paths.root).status().state == "running"
    assert TrialTable(paths.root).status().state == "interrupted"


def test_seconds_go_from_the_first_start_to_the_last_end(tmp_path):
    table = table_of(tmp_path, complete(0.5), complete(0.75))
    starts = [record.started for record in table.records]
    span = (max(starts) - min(starts)).total_seconds()
    assert span <= table.status().seconds < span + 5


def test_leaders_are_ended_trials_the_best_first_and_the_earlier_one_of_equals(tmp_path):
    table = table_of(tmp_path, *MIXED, complete(0.75, 0.5), pruned(0.875), failed(0.9375))
    assert numbers(table.leaders()) == [6, 0, 5, 1]
    assert table.status().best["trial"] == 6


def test_leaders_by_a_loss_have_the_lowest_first(tmp_path):
    scripts = [complete(value, metric="val_loss") for value in (0.5, 0.25, 0.75)]
    table = table_of(tmp_path, *scripts, sweep=run_spec(objective="val_loss"))
    assert numbers(table.leaders()) == [1, 0, 2]
    assert table.status().best["trial"] == 1


def test_leaders_of_a_family_are_those_with_its_backbones(tmp_path):
    script = by_family(mobilenetv3=complete(0.5), custom_cnn=complete(0.75))
    table = table_of(tmp_path, *[script] * 8)
    for family, objective in (("mobilenetv3", 0.5), ("custom_cnn", 0.75)):
        leaders = table.leaders(family)
        assert {table.family(record) for record in leaders} == {family}
        assert {record.objective for record in leaders} == {objective}
    assert len(table.leaders("mobilenetv3")) + len(table.leaders("custom_cnn")) == 8


def test_family_of_a_run_with_one_backbone_is_that_of_the_fixed_field(tmp_path):
    sweep = run_spec(space={"dropout": {"low": 0.0, "high": 0.5}}, trial={"backbone": "resnet18"})
    assert numbers(table_of(tmp_path, complete(0.5), sweep=sweep).leaders("resnet18")) == [0]


@pytest.mark.parametrize("number", [-1, 2])
def test_trial_that_is_not_there_is_refused_with_those_that_are(tmp_path, number):
    paths = write_run(tmp_path / "run", complete(0.5), complete(0.5))
    line = f"{paths.root}: has no trial {number}; it has 0..1"
    for call in (TrialTable(paths.root).record, TrialTable(paths.root).epochs):
        assert refusal(RunError, call, number) == line


@pytest.mark.parametrize(
    ("name", "what"), [("run", "is no run folder"), ("gone", "no such run folder")]
)
def test_folder_that_holds_no_run_is_refused_in_one_line(tmp_path, name, what):
    (tmp_path / "run").mkdir()
    line = f"{tmp_path / name}: {what} (sweep.yaml); see `cytosweep launch`"
    assert refusal(RunError, TrialTable, tmp_path / name) == line


def test_journal_that_is_damaged_in_the_middle_is_refused_by_name(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.5))
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(b"".join([lines[0], b"garbage\n", *lines[1:]]))
    assert refusal(RunError, TrialTable, paths.root).startswith(str(paths.journal))
