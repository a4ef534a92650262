"""What several tests of `search` are built from, with a default for every part."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.run_folder import create_run
from search.study import SweepStudy
from spaces import EpochRecord, RunPaths, SweepSpec, TrialSummary
from tests.spaces.builders import epoch_values
from tests.trainables.builders import bright_pictures, write_npz

SPACE = {
    "backbone": {"choice": ["custom_cnn", "mobilenetv3_small_100"]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "dropout": {"low": 0.0, "high": 0.6},
    "augment_ops": {"low": 0, "high": 3},
    "augment_magnitude": {"low": 1, "high": 30, "when": {"augment_ops": [1, 2, 3]}},
}

PLAIN = {
    "optimizer": {"choice": ["adam", "adamw"]},
    **{name: SPACE[name] for name in ("learning_rate", "dropout", "augment_ops")},
}
"""A space without conditions."""

CELLS = {
    "flips": {"choice": [True, False]},
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.25},
    "augment_ops": {"low": 0, "high": 2},
    "width": {"choice": [8, 16], "when": {"augment_ops": 2}},
}
"""A space of 2 * 3 * (1 + 1 + 2) = 24 configurations."""

SUMMARY = TrialSummary(parameters_m=2.5, latency_ms=3.5, peak_memory_mb=400.0)


def sweep_spec(**parts: Any) -> SweepSpec:
    """Return a sweep over one parameter, judged by accuracy, that prunes nothing."""
    raw = {
        "data": {"source": "synthetic:blood-cells"},
        "space": {"dropout": {"low": 0.0, "high": 0.6}},
        "objective": "val_accuracy",
        **parts,
    }
    raw["search"] = {"trials": 4, "pruner": "none", **parts.get("search", {})}
    return SweepSpec.model_validate(raw)


def run_paths(folder: Path, sweep: SweepSpec | None = None) -> RunPaths:
    """Return the paths of a run that was just made."""
    paths = RunPaths(folder / "run")
    create_run(paths, sweep or sweep_spec(), {})
    return paths


def open_study(folder: Path, **parts: Any) -> SweepStudy:
    """Open, or open again, the study in `folder`; `parts` are those of the sweep."""
    return SweepStudy(RunPaths(folder), sweep_spec(**parts))


def epoch_record(epoch: int = 1, value: float | None = 0.5, **changed: Any) -> EpochRecord:
    """Return an epoch in which accuracy and loss are both `value`."""
    values = {"val_accuracy": value, "val_loss": value} | changed
    return EpochRecord(**epoch_values(epoch, **values))


def report(study: SweepStudy, number: int, *values: float) -> list[bool]:
    """Report one epoch for each value and return what the study says to each."""
    return [study.report(number, epoch_record(n, v), "a") for n, v in enumerate(values, start=1)]


def scripted(params: dict[str, Any], epoch: int) -> float:
    """Return an accuracy that follows from the parameters and grows with the epochs."""
    strength = params.get("augment_ops", 0) / 6 - params.get("augment_magnitude", 0.0) / 100
    score = 0.3 + strength - abs(params.get("dropout", 0.2) - 0.2)
    return score + 0.05 * (params.get("backbone") == "custom_cnn") + epoch / 100


def play(
    study: SweepStudy,
    *,
    epochs: int = 9,
    cut_after: int | None = None,
    value: Callable[[dict[str, Any], int], float] = scripted,
    seconds: Callable[[dict[str, Any]], float] = lambda _: 2.0,
) -> None:
    """Run trials one after the other, until the study has none or `cut_after` reports are told.

    Value and seconds of an epoch follow from a trial's parameters.
    """
    told = 0
    while suggestion := study.suggest():
        for epoch in range(1, epochs + 1):
            score, took = value(suggestion.params, epoch), seconds(suggestion.params) * epoch
            record = epoch_record(epoch, score, seconds=took)
            if study.report(suggestion.number, record, "a"):
                study.prune(suggestion.number, "pruner")
                break
            told += 1
            if told == cut_after:
                return
        else:
            study.complete(suggestion.number, SUMMARY)


def history(study: SweepStudy) -> list[tuple[Any, ...]]:
    """Return all that a study decided: parameters, states and values of every trial."""
    return [(t.number, t.params, t.state, t.intermediate_values, t.value) for t in study.trials()]


def journal_without(path: Path, last: Callable[[dict[str, Any]], bool]) -> None:
    """Cut a journal off behind the first line for which `last` holds, as a kill would."""
    lines = path.read_text().splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines, start=1) if last(json.loads(line)))
    path.write_text("".join(lines[:end]))


@dataclass
class FakeTuneTrial:
    """What is read of Tune's `Trial`."""

    number: int = 0
    status: str = "RUNNING"
    error_file: str | None = None
    config: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.config = {"number": self.number, "params": {}, "seed": 0}


@dataclass
class FakeController:
    """What is read of Tune's controller."""

    trials: list[FakeTuneTrial]

    def get_trials(self) -> list[FakeTuneTrial]:
        return self.trials


def write_cells(path: Path, number: int = 60, seed: int = 0) -> Path:
    """Write pictures of 16 pixels in three classes told apart by brightness under noise."""
    images, labels = bright_pictures(number, seed=seed)
    return write_npz(path, images=images, labels=labels)


def cells_sweep(folder: Path, **parts: Any) -> SweepSpec:
    """Return a sweep over such pictures whose trials take a tenth of a second."""
    cells = folder / "cells.npz"
    if not cells.exists():
        write_cells(cells)
    trial = {"width": 4, "epochs": 2, "batch_size": 8, "validation_views": "clean"}
    return sweep_spec(**{
        "data": {"source": str(cells), "image_size": 16},
        "resources": {"max_concurrent": 1},
        **parts,
        "trial": trial | parts.get("trial", {}),
    })  # fmt: skip


def events(paths: RunPaths) -> list[str]:
    """Return the names of a run's events."""
    return [json.loads(line)["event"] for line in paths.events.read_text().splitlines()]
