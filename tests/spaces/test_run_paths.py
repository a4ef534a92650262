from pathlib import Path

import pytest

from spaces import RunPaths, TrialPaths

RUN_NAMES = {
    "sweep": "sweep.yaml", "provenance": "provenance.json", "journal": "study.journal",
    "events": "events.jsonl", "trials_table": "trials.parquet", "curves_table": "curves.parquet",
    "trials": "trials", "lock": "lock", "commands": "commands", "executor": ".tune",
    "selection": "selection.json", "best": "best",
}  # fmt: skip
TRIAL_NAMES = {
    "config": "config.json", "log": "log.txt", "checkpoint": "checkpoint",
    "best": "checkpoint/best", "last": "checkpoint/last.safetensors",
    "predictions": "predictions.parquet",
}  # fmt: skip


def test_paths_of_run_and_trial_have_the_names_of_the_design():
    run = RunPaths(Path("RUN"))
    trial = run.trial(7)
    assert {noun: str(getattr(run, noun).relative_to("RUN")) for noun in RUN_NAMES} == RUN_NAMES
    found = {noun: str(getattr(trial, noun).relative_to("RUN/trials/7")) for noun in TRIAL_NAMES}
    assert found == TRIAL_NAMES


def test_path_is_named_relative_to_its_run():
    run = RunPaths(Path("deep") / "RUN")
    assert run.relative(run.trial(7).best) == "trials/7/checkpoint/best"


@pytest.mark.parametrize("paths", [RunPaths(Path("a")), TrialPaths(Path("a"))])
def test_paths_are_frozen(paths):
    with pytest.raises(AttributeError):
        paths.root = Path("b")
