from pathlib import Path

import pytest

from spaces import RunPaths, TrialPaths


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        ("sweep", "sweep.yaml"), ("provenance", "provenance.json"),
        ("journal", "study.journal"), ("events", "events.jsonl"),
        ("trials_table", "trials.parquet"), ("curves_table", "curves.parquet"),
        ("trials", "trials"), ("lock", "lock"), ("executor", ".tune"),
        ("selection", "selection.json"), ("best", "best"),
    ],
)  # fmt: skip
def test_run_paths_has_the_names_of_the_design(noun, name):
    assert getattr(RunPaths(Path("RUN")), noun) == Path("RUN") / name


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        ("config", "config.json"), ("log", "log.txt"), ("checkpoint", "checkpoint"),
        ("best", "checkpoint/best"), ("last", "checkpoint/last.safetensors"),
        ("predictions", "predictions.parquet"),
    ],
)  # fmt: skip
def test_trial_paths_has_the_names_of_the_design(noun, name):
    assert getattr(RunPaths(Path("RUN")).trial(7), noun) == Path("RUN/trials/7") / name


@pytest.mark.parametrize("paths", [RunPaths(Path("a")), TrialPaths(Path("a"))])
def test_paths_are_frozen(paths):
    with pytest.raises(AttributeError):
        paths.root = Path("b")
