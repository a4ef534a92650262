import json

import pytest

from analysis import TrialTable, export, predict, retrain, select
from spaces import UserError
from tests.analysis.builders import (
    best_of,
    complete,
    content_of,
    copy_run,
    names_in,
    run_spec,
    write_run,
)
from tests.spaces.builders import refusal
from tests.trainables.builders import write_npz
from trainables import load_model, model_folder


def weights_of(folder):
    return load_model(folder)[1].sha256


def leader_of(paths):
    return TrialTable(paths.root).leaders()[0].trial


def test_run_without_a_retrained_model_gives_its_best_trial_with_its_metrics(trained, tmp_path):
    out, best = export(trained.root, tmp_path / "out"), TrialTable(trained.root).leaders()[0]
    assert names_in(out) == ["README.md", "metrics.json", "model.json", "model.safetensors"]
    assert weights_of(out) == weights_of(trained.trial(best.trial).best)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["trial"]["robust_accuracy"] == pytest.approx(best.robust_accuracy)


def test_run_with_a_retrained_model_gives_that_unless_a_trial_is_asked_for(trained, tmp_path):
    run = copy_run(trained, tmp_path / "run")
    retrain(run.root, trial=0)
    assert content_of(export(run.root, tmp_path / "out")) == content_of(run.best)
    out = export(run.root, tmp_path / "trial", trial=0)
    assert weights_of(out) == weights_of(run.trial(0).best) != weights_of(run.best)


def test_run_without_a_retrained_model_gives_the_selected_trial(trained, tmp_path):
    run = copy_run(trained, tmp_path / "run")
    select(run.root, family="any")
    selection = json.loads(run.selection.read_text())
    other = 1 - selection["chosen"]
    run.selection.write_text(json.dumps(selection | {"chosen": other}))
    assert weights_of(export(run.root, tmp_path / "out")) == weights_of(run.trial(other).best)


def test_trial_whose_checkpoint_was_not_kept_is_refused_with_two_remedies(tmp_path):
    sweep = run_spec(search={"keep_checkpoints": 1})
    paths = write_run(tmp_path / "run", complete(0.5), complete(0.75), sweep=sweep)
    line = refusal(UserError, export, paths.root, tmp_path / "out", trial=0)
    assert line.startswith(
        f"{paths.root}: trial 0 has no checkpoint, as search.keep_checkpoints is 1;"
    )
    assert f"`cytosweep retrain {paths.root} --trial 0`" in line
    assert not (tmp_path / "out").exists()


def test_export_of_an_export_is_the_same_model_with_the_same_scores(trained, tmp_path):
    first = export(trained.root, tmp_path / "first", trial=0)
    second = export(first, tmp_path / "deep" / "second")
    assert content_of(first) == content_of(second)
    cells = [str(write_npz(tmp_path / "cells.npz"))]
    found = [predict(folder, cells) for folder in (best_of(trained), first, second)]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_output_that_is_not_empty_is_refused_and_kept(trained, tmp_path, kind):
    out = tmp_path / "out"
    mine = out if kind == "file" else out / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    line = refusal(UserError, export, trained.root, out)
    assert line == f"-o {out}: is not empty; give another folder"
    assert mine.read_text() == "mine"


def test_error_while_writing_leaves_nothing_behind(trained, tmp_path, monkeypatch):
    def full_disk(tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        export(trained.root, tmp_path / "out")
    assert names_in(tmp_path) == []


def test_model_folder_has_no_trials(trained, tmp_path):
    model = export(trained.root, tmp_path / "model")
    line = f"--trial 0: {model} is a model folder, it has no trials"
    assert refusal(UserError, export, model, tmp_path / "out", trial=0) == line


@pytest.mark.parametrize("text", ["{", "[]", '{"accuracy": 0.9}', '{"trial": {"accuracy": "0.9"}}'])
def test_model_folder_with_damaged_metrics_is_refused_by_the_file(trained, tmp_path, text):
    model = export(trained.root, tmp_path / "model")
    (model / "metrics.json").write_text(text)
    line = refusal(UserError, export, model, tmp_path / "out")
    assert line.startswith(f"{model / 'metrics.json'}: is damaged (")
    assert line.endswith("); retrain or export again")


@pytest.mark.parametrize(
    ("name", "what"),
    [("empty", "is neither a run (sweep.yaml) nor a model folder (model.json)"),
     ("gone", "no such folder")],
)  # fmt: skip
def test_folder_that_is_neither_a_run_nor_a_model_is_refused(tmp_path, name, what):
    (tmp_path / "empty").mkdir()
    line = refusal(UserError, export, tmp_path / name, tmp_path / "out")
    assert line == f"{tmp_path / name}: {what}; give RUN or a folder written by `export`"
