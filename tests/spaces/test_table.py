from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spaces import (
    RunPaths,
    curves_frame,
    kept_checkpoints,
    trial_records,
    trials_frame,
    with_checkpoints,
)
from tests.spaces.builders import (
    FakeState,
    FakeTrial,
    epoch_values,
    study_trial,
    sweep_spec,
    trial_columns,
)

SEARCHED = ["backbone", "dropout", "flips"]
CURVE_COLUMNS = [
    "trial", "epoch", "seconds", "train_loss", "learning_rate", "images_per_s", "val_loss",
    "val_accuracy", "val_balanced_accuracy", "val_macro_f1", "shift_accuracy", "robust_accuracy",
]  # fmt: skip


def some_trials() -> list[FakeTrial]:
    params = {"backbone": "custom_cnn", "dropout": 0.25, "flips": True}
    noted = {"node": "here", "seed": 3}
    start = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    first = study_trial(
        epoch_values(1), epoch_values(2), params=params, noted=noted, datetime_start=start
    )
    return [first, study_trial(number=1, state=FakeState.WAITING)]


def frame_of(trials: list[FakeTrial], searched: list[str] = SEARCHED) -> pd.DataFrame:
    return trials_frame(trial_records(trials, sweep_spec()), searched)


def through_parquet(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.to_parquet(folder / "frame.parquet")
    return pd.read_parquet(folder / "frame.parquet")


ROWS = [[], some_trials()[1:], some_trials()]
"""No trial, one that waits, and one that waits beside one that ended."""


def test_trial_table_has_a_row_per_trial_with_null_for_unknown_and_the_designs_columns():
    frame = frame_of(some_trials())
    assert list(frame) == trial_columns(*SEARCHED)
    assert frame["trial"].tolist() == [0, 1]
    assert frame["state"].tolist() == ["COMPLETE", "WAITING"]
    assert frame["objective"].isna().tolist() == [False, True]
    assert frame["params.dropout"].isna().tolist() == [False, True]
    assert frame["started"][0] == pd.Timestamp("2026-01-02 03:04:05.000678Z")


@pytest.mark.parametrize("trials", ROWS, ids=["0", "idle", "2"])
def test_column_types_do_not_depend_on_the_rows_and_survive_parquet(trials, tmp_path):
    frame = frame_of(trials)
    pd.testing.assert_frame_equal(through_parquet(frame, tmp_path), frame)
    kinds = {n: str(t) for n, t in frame.dtypes.items() if not n.startswith("params.")}
    text = {"state", "stop_reason", "node", "checkpoint", "error"}
    whole = {"trial", "best_epoch", "epochs", "seed", "retries"}
    assert {name for name, kind in kinds.items() if kind == "string"} == text
    assert {name for name, kind in kinds.items() if kind == "Int64"} == whole
    assert kinds.pop("started") == "datetime64[us, UTC]"
    assert {kinds[name] for name in kinds.keys() - text - whole} == {"Float64"}


@pytest.mark.parametrize("trials", ROWS, ids=["0", "idle", "2"])
def test_curves_have_the_designs_columns_and_types_however_many_rows_there_are(trials, tmp_path):
    frame = curves_frame(trials)
    assert (list(frame), len(frame)) == (CURVE_COLUMNS, 2 * (len(trials) == 2))
    assert frame.dtypes.equals(curves_frame(some_trials()).dtypes)
    pd.testing.assert_frame_equal(through_parquet(frame, tmp_path), frame)


@pytest.mark.parametrize(("name", "value"), [("augment_ops", 2), ("flips", True)])
def test_parameter_keeps_its_type_where_a_trial_lacks_it(name, value, tmp_path):
    frame = frame_of([study_trial(params={name: value}), study_trial(number=1)], [name])
    pd.testing.assert_frame_equal(through_parquet(frame, tmp_path), frame)
    assert str(frame[f"params.{name}"][0]) == str(value)
    assert frame.dtypes.equals(frame_of([], [name]).dtypes)


def ended(number: int, objective: float | None, **parts: Any) -> FakeTrial:
    epochs = [] if objective is None else [epoch_values(robust_accuracy=objective)]
    return study_trial(*epochs, number=number, **parts)


def kept_of(trials: list[FakeTrial], keep: int | str = 2, **parts: Any) -> set[int]:
    sweep = sweep_spec(search={"keep_checkpoints": keep}, **parts)
    return kept_checkpoints(trial_records(trials, sweep), sweep)


@pytest.mark.parametrize(("objective", "kept"), [("robust_accuracy", {1, 2}), ("val_loss", {0, 3})])
def test_kept_checkpoints_are_the_best_of_those_that_ended(objective, kept):
    values = enumerate([0.5, 0.9, 0.7, 0.1])
    trials = [study_trial(epoch_values(**{objective: v}), number=n) for n, v in values]
    assert kept_of(trials, objective=objective) == kept


def test_kept_checkpoints_are_counted_for_each_family():
    names = ["mobilenetv3_small_100", "mobilenetv3_large_100", "resnet18", "custom_cnn"]
    trials = [ended(n, n / 10, params={"backbone": name}) for n, name in enumerate(names)]
    assert kept_of(trials, keep=1) == {1, 2, 3}
    assert kept_of(trials, keep="best") == {3}
    assert kept_of(trials, keep="all") == {0, 1, 2, 3}


def test_kept_checkpoints_hold_pruned_and_running_trials_but_no_failed_or_empty_one():
    pruned, running = ended(1, 0.5, state=FakeState.PRUNED), ended(3, 0.1, state=FakeState.RUNNING)
    failed, empty = ended(0, 0.9, state=FakeState.FAIL), ended(2, None)
    trials = [failed, pruned, empty, running, ended(4, 0.6)]
    assert kept_of(trials, keep=2) == {1, 3, 4}


def test_record_names_its_checkpoint_only_where_it_is_kept_and_on_disk(tmp_path):
    sweep, paths = sweep_spec(search={"keep_checkpoints": 2}), RunPaths(tmp_path)
    records = trial_records([ended(0, 0.5), ended(1, 0.75), ended(2, 0.875)], sweep)
    for number in (0, 1):
        paths.trial(number).best.mkdir(parents=True)
    named = [record.checkpoint for record in with_checkpoints(records, sweep, paths)]
    assert named == [None, "trials/1/checkpoint/best", None]
