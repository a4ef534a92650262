import re

import numpy as np
import pytest
import yaml

from spaces import load_sweep, preset_names, run_lock
from tests.analysis.builders import (
    complete,
    content_of,
    copy_run,
    cut,
    failed,
    names_in,
    new_run,
    write_run,
)
from tests.cytosweep.builders import cytosweep, launching, sweep_file
from tests.trainables.builders import pictures, write_folder, write_npz, write_parquet

STATUS_KEYS = ["run", "state", "counts", "best", "seconds"]


def cells(folder, number=12, **arrays):
    whole = {"images": pictures(number), "labels": np.arange(number) % 2}
    return write_npz(folder / "cells.npz", **whole | arrays)


def empty(folder):
    (folder / "cells.npz").touch()
    return folder / "cells.npz"


def broken(folder):
    (folder / "cells.parquet").write_bytes(b"PAR1 but no more")
    return folder / "cells.parquet"


BAD_DATA = {
    "missing file": (lambda f: f / "cells.npz", "no such file or folder"),
    "empty file": (empty, "is an empty file"),
    "broken file": (broken, "parquet"),
    "folder without images": (lambda f: write_folder(f / "cells", {}), "holds no images"),
    "npz without arrays": (
        lambda f: write_npz(f / "cells.npz", x=np.arange(3), y=np.arange(3)),
        "has x, y, but must have images and labels",
    ),
    "labels out of range": (
        lambda f: cells(f, labels=np.arange(12), class_names=np.array(["a", "b"])),
        "row 2 has label 2, but must be 0..1",
    ),
    "negative label": (lambda f: cells(f, labels=np.arange(12) - 5), "row 0 has label -5"),
    "a row without label": (
        lambda f: write_parquet(f / "cells.parquet", [0, 1, None, 0, 1, 1]), "row 2 has no label",
    ),
    "one class": (lambda f: cells(f, labels=np.zeros(12, int)), "has one class only (0)"),
    "small class": (
        lambda f: cells(f, labels=np.array([0] * 11 + [1])), "class 1 has 1 different image",
    ),
    "no pixels": (lambda f: cells(f, images=np.zeros((12, 0, 4, 3), np.uint8)), "(12, 0, 4, 3)"),
    "float pixels": (lambda f: cells(f, images=np.zeros((12, 4, 4, 3))), "is float64"),
    "no good picture": (
        lambda f: write_folder(f / "cells", {"a/0.png": b"", "b/0.png": b"x"}), "not one of 2",
    ),
}  # fmt: skip
BAD_SWEEPS = {
    "backbone": (
        "trial: {backbone: mobilnetv3_small_100}",
        "trial.backbone is 'mobilnetv3_small_100'.*did you mean 'mobilenetv3_small_100'",
    ),
    "low above high": ("space: {dropout: {low: 0.5, high: 0.2}}", "space.dropout.*0.5.*0.2"),
    "unknown key": ("serch: {trials: 3}", "serch is not a known key; did you mean 'search'"),
    "inner key": ("search: {trails: 3}", "search.trails is not a known.*'trials'"),
    "no yaml": ("search: {trials: 3", "is not YAML"),
}


# init


@pytest.mark.parametrize("preset", preset_names())
def test_init_writes_a_sweep_that_can_be_loaded(capsys, tmp_path, preset):
    path = tmp_path / "sweep.yaml"
    answer = cytosweep(capsys, "init", "--preset", preset, "-o", path)
    assert (answer.code, answer.out) == (0, "")
    assert f"cytosweep launch {path} --dry-run" in answer.err
    assert load_sweep(path).name


def test_init_keeps_a_file_that_exists(capsys, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("mine")
    line = cytosweep(capsys, "init", "-o", path).refusal()
    assert line == f"-o {path}: exists already; give another file, or remove it"
    assert path.read_text() == "mine"


def test_init_of_an_unknown_preset_names_the_nearest(capsys, tmp_path):
    line = cytosweep(capsys, "init", "--preset", "quikstart", "-o", tmp_path / "s.yaml").refusal()
    assert "'quikstart', but must be one of " in line
    assert line.endswith("did you mean 'quickstart'?")
    assert names_in(tmp_path) == []


# launch


@pytest.mark.parametrize("name", BAD_DATA)
def test_launch_on_bad_data_is_refused_and_leaves_nothing(capsys, tmp_path, name):
    make, words = BAD_DATA[name]
    source = make(tmp_path)
    sweep = sweep_file(tmp_path, source=source)
    before = names_in(tmp_path)
    line = cytosweep(capsys, "launch", sweep, "--run", tmp_path / "run").refusal()
    assert line.startswith(f"{source}: ")
    assert words in line
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("name", BAD_SWEEPS)
def test_launch_of_a_bad_sweep_is_refused_and_leaves_nothing(capsys, tmp_path, name):
    text, words = BAD_SWEEPS[name]
    sweep = sweep_file(tmp_path, text)
    before = names_in(tmp_path)
    line = cytosweep(capsys, "launch", sweep, "--run", tmp_path / "run").refusal()
    assert line.startswith(f"{sweep}: ")
    assert re.search(words, line)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such sweep file; write one with `cytosweep init`"), ("", "is empty, but must map")],
)
def test_launch_of_a_sweep_file_that_is_missing_or_empty_is_refused(
    capsys, tmp_path, content, words
):
    sweep = tmp_path / "sweep.yaml"
    if content is not None:
        sweep.write_text(content)
    line = cytosweep(capsys, "launch", sweep, "--run", tmp_path / "run").refusal()
    assert line.startswith(f"{sweep}: {words}")


@pytest.mark.parametrize(
    ("override", "words"),
    [("search.trials", "key.key=value"), ("search.trials=0", "must be at least 1; try"),
     ("data.source=nothing.npz", "nothing.npz: no such file or folder")],
)  # fmt: skip
def test_launch_with_a_bad_override_is_refused(capsys, tmp_path, override, words):
    sweep = sweep_file(tmp_path)
    answer = cytosweep(capsys, "launch", sweep, "--set", override, "--run", tmp_path / "run")
    assert words in answer.refusal()


def test_launch_into_a_folder_that_is_not_empty_is_refused_and_keeps_it(capsys, tmp_path):
    paths, sweep = write_run(tmp_path / "run", complete(0.5)), sweep_file(tmp_path)
    before = content_of(paths.root)
    line = cytosweep(capsys, "launch", sweep, "--run", paths.root).refusal()
    assert line.startswith(f"{paths.root}: is not empty; give another --run, or go on with ")
    assert content_of(paths.root) == before


def test_launch_hands_on_its_options_and_names_the_run_after_the_sweep(
    capsys, tmp_path, monkeypatch
):
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("search.launch", lambda *args, **options: calls.append((args, options)))
    sweep = sweep_file(tmp_path, "name: cells\n")
    assert cytosweep(capsys, "launch", sweep, "--set", "search.trials=3", "--address", "auto").code
    (spec, run), options = calls[0]
    assert (spec.search.trials, run) == (3, tmp_path / "runs" / "cells")
    assert options["address"] == "auto"


def test_launch_prints_the_leaders_and_what_is_next(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("search.launch", launching(complete(0.5), complete(0.75), failed()))
    run = tmp_path / "run"
    code, out, err = cytosweep(capsys, "launch", sweep_file(tmp_path), "--run", run)
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == ["trial", "1", "0"]
    assert (code, err) == (0, f"next: cytosweep select {run}\n")


def test_launch_as_json_prints_the_status_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("search.launch", launching(complete(0.5)))
    run = tmp_path / "run"
    answer = cytosweep(capsys, "launch", sweep_file(tmp_path), "--run", run, "--json")
    assert answer.code == 0
    assert list(answer.json()) == STATUS_KEYS
    assert answer.json()["best"]["objective"] == 0.5


def test_launch_that_brings_no_result_exits_with_one_and_says_why(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("search.launch", launching(failed(error="ValueError: no luck")))
    run = tmp_path / "run"
    answer = cytosweep(capsys, "launch", sweep_file(tmp_path), "--run", run, "--json")
    assert (answer.code, answer.json()["best"]) == (1, None)
    assert answer.err == f"{run}: no trial finished; trial 0: ValueError: no luck\n"


def test_launch_that_brings_no_result_names_the_log(capsys, tmp_path, monkeypatch):
    error = "ValueError: no luck (log: trials/0/log.txt)"
    monkeypatch.setattr("search.launch", launching(failed(error=error)))
    answer = cytosweep(capsys, "launch", sweep_file(tmp_path), "--run", tmp_path / "run")
    assert "trials/0/log.txt" in answer.err


def test_dry_run_prints_the_sweep_and_the_images_and_runs_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = sweep_file(tmp_path)
    before = names_in(tmp_path)
    code, out, _err = cytosweep(capsys, "launch", sweep, "--dry-run", "--set", "search.trials=3")
    spec = yaml.safe_load(out.partition("basophil: 9 images")[0])
    assert (code, spec["search"]["trials"]) == (0, 3)
    assert "monocyte: 9 images to train on, 1 to validate on" in out
    assert names_in(tmp_path) == before


def test_dry_run_as_json_is_one_object(capsys, tmp_path):
    answer = cytosweep(capsys, "launch", sweep_file(tmp_path), "--dry-run", "--json")
    assert answer.json()["images"] == {"train": 27, "validation": 3, "left_out": 0}
    assert answer.json()["sweep"]["data"]["image_size"] == 16


# resume


def test_resume_hands_on_its_options_and_prints_the_status(capsys, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("search.resume", lambda *args, **options: calls.append((args, options)))
    run = write_run(tmp_path / "run", complete(0.5)).root
    answer = cytosweep(capsys, "resume", run, "--set", "search.trials=9", "--json")
    assert calls[0][0] == (run, ["search.trials=9"])
    assert list(answer.json()) == STATUS_KEYS


@pytest.mark.parametrize("name", [".", "missing"])
def test_resume_of_what_is_no_run_is_refused(capsys, tmp_path, name):
    line = cytosweep(capsys, "resume", tmp_path / name).refusal()
    assert line.startswith(f"{tmp_path / name}: is no run folder")
    assert names_in(tmp_path) == []


def test_resume_beside_a_live_driver_is_refused_and_notes_no_event(capsys, trained, tmp_path):
    run = copy_run(trained, tmp_path / "run")
    with run_lock(run.lock):
        line = cytosweep(capsys, "resume", run.root).refusal()
    assert "a live driver works on this run" in line
    assert not run.events.exists()


# status


def test_status_says_where_a_run_stands_and_what_is_best(capsys, tmp_path):
    run = write_run(tmp_path / "run", complete(0.5), complete(0.75), cut()).root
    code, out, err = cytosweep(capsys, "status", run)
    first, best, last = out.splitlines()
    assert (code, err) == (0, "")
    assert first.startswith(f"{run}: interrupted; 2 complete, 1 running; ")
    assert best.startswith("best: trial 1, robust_accuracy 0.7500, backbone=")
    assert last == f"go on with `cytosweep resume {run}`"


def test_status_before_the_first_trial_says_so(capsys, tmp_path):
    paths, _study = new_run(tmp_path / "run")
    assert "; no trials yet; 0 s\n" in cytosweep(capsys, "status", paths.root).out
    assert cytosweep(capsys, "status", paths.root, "--json").json()["best"] is None


def test_status_of_what_is_no_run_is_refused(capsys, tmp_path):
    line = cytosweep(capsys, "status", tmp_path, "--json").refusal()
    assert line == f"{tmp_path}: is no run folder (sweep.yaml); see `cytosweep launch`"
