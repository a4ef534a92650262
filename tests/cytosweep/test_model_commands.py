import json
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from analysis import evaluate, select
from cytosweep.model_commands import ShiftFamily
from tests.analysis.builders import (
    best_of,
    bright_cells,
    by_family,
    complete,
    copy_run,
    own_cells,
    write_run,
)
from tests.cytosweep.builders import STATUS_KEYS, cytosweep, refused
from tests.trainables.builders import NAMES, encoded, pictures
from trainables.shifts import Family

TWO_FAMILIES = [by_family(mobilenetv3=complete(0.5), custom_cnn=complete(0.75))] * 6


# select and retrain


def test_select_tells_what_was_compared_and_what_is_next_or_the_status(capsys, tmp_path):
    run = write_run(tmp_path / "run", *TWO_FAMILIES).root
    code, out, err = cytosweep(capsys, "select", run)
    assert (code, err) == (0, "")
    assert "custom_cnn" not in out
    assert "by best robust_accuracy of family mobilenetv3; next: cytosweep retrain" in out
    found = cytosweep(capsys, "select", run, "--json").json()
    assert list(found) == STATUS_KEYS
    assert found["best"]["trial"] == select(run).chosen
    assert found["best"]["params"] == select(run).params
    assert found["counts"] == {"COMPLETE": 6}


def test_retrain_tells_where_the_model_is_or_the_status(capsys, trained, tmp_path):
    run = copy_run(trained, tmp_path / "run")
    answer = cytosweep(capsys, "retrain", run.root)
    line = f"{run.best}: retrained; next: cytosweep evaluate {run.best} DATA\n"
    assert answer == (0, line, "")
    answer = cytosweep(capsys, "retrain", run.root, "--trial", 1, "--json")
    assert (answer.code, answer.err, list(answer.json())) == (0, "", STATUS_KEYS)
    assert answer.json()["best"]["trial"] == 1


# evaluate


def test_evaluate_prints_the_scores_and_the_confusion(capsys, trained):
    code, out, err = cytosweep(capsys, "evaluate", best_of(trained), own_cells(trained))
    assert (code, err) == (0, "")
    assert out.startswith(f"{own_cells(trained)}: n 12, accuracy ")
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(NAMES)


def test_evaluate_as_json_is_the_evaluation_also_in_a_file(capsys, trained, tmp_path):
    path, arguments = tmp_path / "scores.json", (best_of(trained), own_cells(trained))
    found = cytosweep(capsys, "evaluate", *arguments, "--json", "-o", path).json()
    assert json.loads(path.read_text()) == found
    expected = json.loads(json.dumps(evaluate(*arguments).as_json()))
    assert found | {"seconds": 0} == expected | {"seconds": 0}


def test_evaluate_offers_every_family_of_shifts():
    assert tuple(ShiftFamily) == get_args(Family)


@pytest.mark.parametrize("family", ["selection", "heldout"])
def test_evaluate_under_shifts_prints_a_row_for_each(capsys, trained, family):
    arguments = ("evaluate", best_of(trained), own_cells(trained), "--shift", family)
    found = cytosweep(capsys, *arguments, "--json").json()
    out = cytosweep(capsys, *arguments).out
    rows = [line.split() for line in out.splitlines()]
    assert {row[0] for row in rows} >= set(found["shift"])
    assert out.endswith(f"shift accuracy {found['shift_accuracy']:.4f}\n")


def test_evaluate_on_training_images_says_that_the_scores_flatter(capsys, trained):
    arguments = (best_of(trained), f"{own_cells(trained)}#train", "--json")
    answer = cytosweep(capsys, "evaluate", *arguments)
    assert answer.json()["seen_in_training"]
    assert answer.err == "note: these images trained the model, so the scores flatter it\n"


def test_evaluate_says_that_a_look_could_not_be_logged(capsys, trained, tmp_path):
    model = copy_run(trained, tmp_path / "run").trial(0).best
    (model / "evaluations.jsonl").unlink(missing_ok=True)
    (model / "evaluations.jsonl").mkdir()
    answer = cytosweep(capsys, "evaluate", model, own_cells(trained), "--json")
    assert answer.json()["n"] == 12
    assert answer.err.startswith(f"note: {model / 'evaluations.jsonl'}: ")


@pytest.mark.parametrize(
    ("output", "rule"),
    [("missing/scores.json", "its folder does not exist; make it first"), (".", "")],
    ids=["in a missing folder", "a folder"],
)
def test_evaluate_into_a_bad_output_is_refused_before_a_look_is_taken(
    capsys, trained, tmp_path, output, rule
):
    model, output = copy_run(trained, tmp_path / "run").trial(0).best, tmp_path / output
    line = refused(capsys, tmp_path, "evaluate", model, own_cells(trained), "-o", output)
    assert line.startswith(f"-o {output}: {rule}")


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", None), ("model.safetensors", b"?"), ("model.json", b"{")],
    ids=["missing weights", "exchanged weights", "damaged card"],
)
@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_model_that_is_damaged_is_refused_by_the_file_and_nothing_is_written(
    capsys, trained, tmp_path, command, name, content
):
    model = copy_run(trained, tmp_path / "run").trial(0).best
    (model / name).unlink()
    if content:
        (model / name).write_bytes(content)
    inputs = () if command == "export" else (own_cells(trained),)
    output = () if command == "evaluate" else ("-o", tmp_path / "out.csv")
    line = refused(capsys, tmp_path, command, model, *inputs, *output)
    assert name in line
    assert str(model) in line


# predict and export


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predict_writes_a_table_and_counts_what_it_found(capsys, trained, tmp_path, suffix):
    cells, path = bright_cells(tmp_path / "cells.npz", 9), tmp_path / f"out.{suffix}"
    (tmp_path / "bad.png").write_bytes(b"broken")
    (tmp_path / "good.png").write_bytes(encoded(pictures(1)[0]))
    inputs = (cells, tmp_path / "bad.png", tmp_path / "good.png")
    code, out, err = cytosweep(capsys, "predict", best_of(trained), *inputs, "-o", path)
    frame = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert (code, err, len(frame)) == (0, "", 11)
    assert out.startswith(f"{path}: 11 pictures, 1 unusable; ")
    for name, count in frame["prediction"].value_counts().items():
        assert f"{count} {name}" in out


@pytest.mark.parametrize(
    ("name", "rule"),
    [("out.txt", "must end in .parquet or .csv"), ("no/out.csv", "its folder does not exist")],
)
def test_predict_into_a_bad_output_is_refused_at_once(capsys, tmp_path, name, rule):
    line = cytosweep(capsys, "predict", "no-model", "no-input", "-o", tmp_path / name).refusal()
    assert line.startswith(f"-o {tmp_path / name}: {rule}")


def test_export_lists_what_it_wrote_also_into_the_working_directory(
    capsys, trained, tmp_path, monkeypatch
):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    for out in (tmp_path / "other", Path()):
        answer = cytosweep(capsys, "export", trained.root, "-o", out, "--trial", 1)
        files = "README.md, metrics.json, model.json, model.safetensors"
        assert answer == (0, f"{out}: {files}\n", "")
