import numpy as np
import pytest
import yaml

from spaces import load_sweep, note_event, preset_names, run_lock
from tests.analysis.builders import complete, copy_run, cut, failed, names_in, new_run, write_run
from tests.cytosweep.builders import STATUS_KEYS, cytosweep, launching, refused, sweep_file
from tests.trainables.builders import audited, pictures, write_folder, write_npz, write_parquet


def sweep_of_labels(folder, labels):
    """Write a sweep file on pictures with these labels."""
    cells = write_npz(folder / "cells.npz", images=pictures(len(labels)), labels=labels)
    return sweep_file(folder, source=cells)


def sweep_of_manifest(folder, audited_source=None):
    """Write a sweep file that names a manifest, which is there if a source was audited."""
    if audited_source:
        audited(folder / "audit.parquet", audited_source)
    path = sweep_file(folder)
    path.write_text(path.read_text().replace("}", ", keep: audit.parquet}", 1))
    return path


BAD_SWEEPS = {
    "no sweep file": (
        lambda f: f / "sweep.yaml", "sweep.yaml: no such sweep file; write one with `cytosweep ini",
    ),
    "no yaml": (lambda f: sweep_file(f, "search: {trials: 3"), "sweep.yaml: is not YAML"),
    "unknown backbone": (
        lambda f: sweep_file(f, "trial: {backbone: mobilnetv3_small_100}"),
        "custom_cnn or a timm model; did you mean 'mobilenetv3_small_100'",
    ),
    "no data": (
        lambda f: sweep_file(f, source=f / "gone.npz"), "gone.npz: no such file or folder",
    ),
    "no manifest": (
        lambda f: sweep_of_manifest(f), "audit.parquet: no such manifest; restore it",
    ),
    "manifest of other data": (
        lambda f: sweep_of_manifest(f, write_npz(f / "other.npz")),
        "audit.parquet: was made of another source than ",
    ),
    "negative label": (
        lambda f: sweep_of_labels(f, np.arange(12) - 5), "cells.npz: row 0 has label -5",
    ),
    "row without label": (
        lambda f: sweep_file(f, source=write_parquet(f / "cells.parquet", [0, 1, None])),
        "cells.parquet: row 2 has no label",
    ),
    "one class": (
        lambda f: sweep_of_labels(f, np.zeros(12, int)), "cells.npz: has one class only (0)",
    ),
    "no good picture": (
        lambda f: sweep_file(f, source=write_folder(f / "cells", {"a/0.png": b"", "b/0.png": b""})),
        "cells: not one of 2",
    ),
}  # fmt: skip
"""A way to write each, and what is said of it; a source's own faults are tested with it."""


# init


@pytest.mark.parametrize("preset", preset_names())
def test_init_writes_a_sweep_that_can_be_loaded(capsys, tmp_path, preset):
    path = tmp_path / "sweep.yaml"
    answer = cytosweep(capsys, "init", "--preset", preset, "-o", path)
    assert (answer.code, answer.out) == (0, "")
    assert f"cytosweep launch {path} --dry-run" in answer.err
    assert load_sweep(path).name


def test_init_keeps_a_file_that_exists_and_of_an_unknown_preset_names_the_nearest(capsys, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("mine")
    line = refused(capsys, tmp_path, "init", "-o", path)
    assert line == f"-o {path}: exists already; give another file, or remove it"
    line = refused(capsys, tmp_path, "init", "--preset", "quikstart", "-o", tmp_path / "s.yaml")
    assert "'quikstart', but must be one of " in line
    assert line.endswith("did you mean 'quickstart'?")


# launch


@pytest.mark.parametrize("name", BAD_SWEEPS)
def test_launch_of_a_bad_sweep_or_on_bad_data_is_refused_and_leaves_nothing(capsys, tmp_path, name):
    write, words = BAD_SWEEPS[name]
    line = refused(capsys, tmp_path, "launch", write(tmp_path), "--run", tmp_path / "run")
    assert line.startswith(f"{tmp_path}/")
    assert words in line


@pytest.mark.parametrize(
    ("override", "words"),
    [("search.trials", "key.key=value"), ("search.trials=0", "must be at least 1; try"),
     ("data.source=nothing.npz", "nothing.npz: no such file or folder")],
)  # fmt: skip
def test_launch_with_a_bad_override_is_refused(capsys, tmp_path, override, words):
    arguments = ("launch", sweep_file(tmp_path), "--set", override, "--run", tmp_path / "run")
    assert words in refused(capsys, tmp_path, *arguments)


@pytest.mark.parametrize("dry_run", [False, True], ids=["launch", "dry run"])
@pytest.mark.parametrize(
    ("run", "words"),
    [(".", ": is not empty; give another --run, or go on with "),
     ("sweep.yaml/run", "sweep.yaml is no folder); give another --run")],
    ids=["taken", "below a file"],
)  # fmt: skip
def test_launch_into_a_place_that_cannot_be_had_is_refused_before_data_are_opened(
    capsys, tmp_path, run, words, dry_run
):
    sweep = sweep_file(tmp_path, source=tmp_path / "gone.npz")
    options = ["--dry-run"] if dry_run else []
    line = refused(capsys, tmp_path, "launch", sweep, "--run", tmp_path / run, *options)
    assert line.startswith(f"{tmp_path / run}: ")
    assert words in line


def test_launch_hands_on_its_options(capsys, tmp_path, monkeypatch):
    calls = []

    def launch(*given, **options):
        calls.append((given, options))
        return write_run(tmp_path / "run", complete(0.5))

    monkeypatch.setattr("search.launch", launch)
    sweep = sweep_file(tmp_path)
    assert not cytosweep(
        capsys, "launch", sweep, "--set", "search.trials=3", "--address", "auto"
    ).code
    (spec, run), options = calls[0]
    assert (spec.search.trials, run, options["address"]) == (3, None, "auto")


def launch(capsys, folder, monkeypatch, *scripts, options=()):
    """Launch a sweep whose trials follow scripts."""
    monkeypatch.setattr("search.launch", launching(*scripts))
    return cytosweep(capsys, "launch", sweep_file(folder), "--run", folder / "run", *options)


def test_launch_prints_the_leaders_and_what_is_next(capsys, tmp_path, monkeypatch):
    scripts = (complete(0.5), complete(0.75), failed())
    options = ["--set", "search.repeat=3"]  # of the one configuration that no space leaves
    code, out, err = launch(capsys, tmp_path, monkeypatch, *scripts, options=options)
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == ["trial", "1", "0"]
    assert (code, err) == (0, f"next: cytosweep select {tmp_path / 'run'}\n")


def test_launch_as_json_prints_the_status_alone(capsys, tmp_path, monkeypatch):
    answer = launch(capsys, tmp_path, monkeypatch, complete(0.5), options=["--json"])
    assert (answer.code, list(answer.json())) == (0, STATUS_KEYS)
    assert answer.json()["best"]["objective"] == 0.5


def test_launch_that_brings_no_result_exits_with_one_and_says_why(capsys, tmp_path, monkeypatch):
    script = failed(error="ValueError: no luck (log: trials/0/log.txt)")
    answer = launch(capsys, tmp_path, monkeypatch, script, options=["--json"])
    assert (answer.code, answer.json()["best"]) == (1, None)
    why = "trial 0: ValueError: no luck (log: trials/0/log.txt)"
    assert answer.err == f"{tmp_path / 'run'}: no trial finished; {why}\n"


def test_dry_run_prints_the_sweep_and_the_images_and_runs_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("launch", sweep_file(tmp_path), "--dry-run", "--set", "search.trials=3")
    before = names_in(tmp_path)
    code, out, _err = cytosweep(capsys, *arguments)
    spec = yaml.safe_load(out.partition("basophil: 9 images")[0])
    assert (code, spec["search"]["trials"]) == (0, 3)
    assert "monocyte: 9 images to train on, 1 to validate on" in out
    found = cytosweep(capsys, *arguments, "--json").json()
    assert found["images"] == {"train": 27, "validation": 3, "left_out": 0, "dropped": 0}
    assert found["sweep"] == spec
    assert names_in(tmp_path) == before


# resume


def test_resume_hands_on_its_options_and_prints_the_status(capsys, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("search.resume", lambda *args, **options: calls.append((args, options)))
    run = write_run(tmp_path / "run", complete(0.5)).root
    answer = cytosweep(capsys, "resume", run, "--set", "search.trials=9", "--json")
    assert calls[0][0] == (run, ["search.trials=9"])
    assert list(answer.json()) == STATUS_KEYS


@pytest.mark.parametrize("command", ["resume", "status"])
def test_resume_and_status_of_what_is_no_run_are_refused(capsys, tmp_path, command):
    for folder, what in ((tmp_path, "is no run folder"), (tmp_path / "gone", "run folder")):
        line = refused(capsys, tmp_path, command, folder)
        assert line.startswith(f"{folder}: ")
        assert f"{what} (sweep.yaml); see `cytosweep launch`" in line


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


def test_status_says_at_what_pace_a_run_went_and_what_ended_it(capsys, tmp_path):
    paths, study = new_run(tmp_path / "run")
    for script in (complete(0.5), cut(0.25)):
        script(study, study.suggest())
    study.note_spent(60.0)
    note_event(paths, "driver ended", {"reason": "budget", "detail": "search.plateau is met"})
    said = cytosweep(capsys, "status", paths.root).out.splitlines()
    assert said[0].endswith("; 60 trials an hour")
    assert said[1] == "ended: budget, search.plateau is met"
    with run_lock(paths.lock):
        said = cytosweep(capsys, "status", paths.root).out.splitlines()
    assert said[0].endswith("; 60 trials an hour; about 3780 s to go")
    assert said[1] == "trial 1 runs: epoch 1, 0.2500"
    assert said[2].startswith("this machine: load ")


def test_status_before_the_first_trial_says_so(capsys, tmp_path):
    paths, _study = new_run(tmp_path / "run")
    assert "; no trials yet; 0 s\n" in cytosweep(capsys, "status", paths.root).out
    assert cytosweep(capsys, "status", paths.root, "--json").json()["best"] is None
