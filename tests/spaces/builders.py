"""What several tests of `spaces` are built from, with a default for every part."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from spaces import (
    SearchSpace,
    SweepError,
    SweepSpec,
    TrialRecord,
    UserError,
    epoch_key,
    load_sweep,
)
from spaces.problem import problems_of

DATA = "data: {source: synthetic:blood-cells}\n"


def trial_columns(*params: str) -> list[str]:
    """Return the columns of the trial table of a sweep over `params`."""
    before = "trial state stop_reason objective best_epoch epochs seconds started node seed retries"
    metrics = (
        "val_loss val_accuracy val_balanced_accuracy val_macro_f1 shift_accuracy robust_accuracy"
    )
    costs = "parameters_m latency_ms peak_memory_mb images_per_s checkpoint error"
    searched = [f"params.{name}" for name in params]
    return [*before.split(), *searched, *metrics.split(), *costs.split()]


def sweep_spec(**parts: Any) -> SweepSpec:
    return SweepSpec.model_validate({"data": {"source": "synthetic:blood-cells"}, **parts})


def search_space(**parameters: Any) -> SearchSpace:
    return SearchSpace.model_validate(parameters)


def sentences_of(model: type[BaseModel], raw: object, context: Any = None) -> list[str]:
    """Return what is wrong with `raw` as a `model`, a sentence each; none if nothing is."""
    try:
        model.model_validate(raw, context=context)
    except ValidationError as error:
        return [str(problem) for problem in problems_of(error, model)]
    return []


def write_sweep(folder: Path, text: str = DATA) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def load(folder: Path, text: str = DATA, *overrides: str) -> SweepSpec:
    return load_sweep(write_sweep(folder, text), overrides)


def lines_of(folder: Path, text: str = DATA, *overrides: str, **options: Any) -> list[str]:
    """Return the lines with which a sweep is refused, seen from its folder; none if it is not."""
    try:
        load_sweep(write_sweep(folder, text), overrides, **options)
    except SweepError as error:
        return str(error).replace(f"{folder}/", "").split("\n")
    return []


def refusal(error: type[UserError], call: Callable[..., Any], *given: Any, **options: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(error) as caught:
        call(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises."""

    def call(*_arguments: Any, **_options: Any) -> None:
        raise error

    return call


class FakeState(Enum):
    """The names Optuna gives to the states of a trial."""

    WAITING = 0
    RUNNING = 1
    COMPLETE = 2
    PRUNED = 3
    FAIL = 4


@dataclass
class FakeTrial:
    """What a record reads of Optuna's `FrozenTrial`."""

    number: int = 0
    state: FakeState = FakeState.COMPLETE
    params: dict[str, Any] = field(default_factory=dict)
    datetime_start: datetime | None = None
    user_attrs: dict[str, Any] = field(default_factory=dict)


def epoch_values(epoch: int = 1, **changed: Any) -> dict[str, Any]:
    values = {
        "epoch": epoch,
        "seconds": 2.0 * epoch,
        "train_loss": 1.5,
        "learning_rate": 0.001,
        "images_per_s": 250.0,
        "val_loss": 1.25,
        "val_accuracy": 0.75,
        "val_balanced_accuracy": 0.5,
        "val_macro_f1": 0.625,
        "shift_accuracy": 0.25,
        "robust_accuracy": 0.375,
    }
    return values | changed


def study_trial(*epochs: dict[str, Any], **parts: Any) -> FakeTrial:
    """Return a trial that noted `epochs`; further user attributes go into `noted`."""
    noted = {epoch_key(values["epoch"]): values for values in epochs} | parts.pop("noted", {})
    return FakeTrial(user_attrs=noted, **parts)


def trial_record(number: int = 0, state: str = "COMPLETE", **changed: Any) -> TrialRecord:
    """Return a row of the trial table with a score of 0.75 after two epochs."""
    values = {
        "trial": number, "state": state, "stop_reason": None, "objective": 0.75, "best_epoch": 2,
        "epochs": 2, "seconds": 4.0, "started": None, "node": "a", "seed": 1, "retries": 0,
        "params": {"dropout": 0.25}, "val_loss": 0.5, "val_accuracy": 0.75,
        "val_balanced_accuracy": 0.5, "val_macro_f1": 0.5, "shift_accuracy": None,
        "robust_accuracy": None, "parameters_m": 2.5, "latency_ms": 3.5, "peak_memory_mb": 400.0,
        "images_per_s": 250.0, "checkpoint": None, "error": None,
    }  # fmt: skip
    return TrialRecord(**(values | changed))


def with_metric(metric: str, *values: float | None) -> list[dict[str, Any]]:
    """Return one epoch for each value of `metric`."""
    return [epoch_values(n, **{metric: value}) for n, value in enumerate(values, start=1)]
