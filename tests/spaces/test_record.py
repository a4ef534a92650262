import time
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from spaces import TrialState, best_epoch, epoch_key, epoch_records
from spaces.record import trial_record
from tests.spaces.builders import (
    FakeState,
    epoch_values,
    study_trial,
    trial_columns,
    with_metric,
)

NAN = float("nan")
SUMMARY = {"parameters_m": 2.5, "latency_ms": 3.5, "peak_memory_mb": 400.0}


def test_epoch_records_have_a_frozen_key_and_come_in_order_whatever_the_journals_order():
    assert epoch_key(12) == "epoch:12"  # old journals hold it
    trial = study_trial(*(epoch_values(n) for n in (10, 2, 1)), noted={"node": "a"})
    assert [record.epoch for record in epoch_records(trial)] == [1, 2, 10]


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        ("val_accuracy", [0.5, 0.7, 0.6], 2), ("val_accuracy", [0.7, 0.7, 0.6], 1),
        ("val_loss", [0.5, 0.3, 0.4], 2), ("val_loss", [0.3, 0.3, 0.4], 1),
        ("val_accuracy", [0.5], 1), ("val_accuracy", [0.5, NAN], 1),
        ("val_accuracy", [NAN, 0.5], 2), ("val_loss", [NAN, 0.5], 2),
    ],
)  # fmt: skip
def test_best_epoch_is_the_first_of_the_best_numbers(metric, values, expected):
    records = epoch_records(study_trial(*with_metric(metric, *values)))
    assert best_epoch(records, metric).epoch == expected


def test_trial_without_the_objectives_values_has_no_objective():
    trial = study_trial(*with_metric("robust_accuracy", None, None))
    assert trial_record(trial, "robust_accuracy").objective is None


@pytest.mark.parametrize("state", list(FakeState))
def test_state_keeps_its_name_but_fail_is_failed_and_knows_whether_more_will_come(state):
    record = trial_record(study_trial(state=state), "val_loss")
    assert record.state == ("FAILED" if state is FakeState.FAIL else state.name)
    assert TrialState[record.state].is_finished() == (state.name in ("COMPLETE", "PRUNED", "FAIL"))


def test_record_holds_the_values_of_the_best_epoch_and_the_time_of_the_last():
    epochs = with_metric("robust_accuracy", 0.5, 0.75, 0.25)
    epochs[1] |= {"val_loss": 0.125, "images_per_s": 300.0}
    record = trial_record(study_trial(*epochs), "robust_accuracy")
    assert (record.objective, record.best_epoch, record.epochs) == (0.75, 2, 3)
    assert (record.val_loss, record.images_per_s, record.seconds) == (0.125, 300.0, 6.0)


def test_row_holds_what_the_driver_noted_where_the_design_puts_it():
    noted = {"node": "gpu-1", "seed": 7, "retries": 2, "stop_reason": "pruner", "error": "nan"}
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    parts = {"number": 3, "datetime_start": start, "params": {"dropout": 0.5}}
    row = trial_record(study_trial(noted=noted | {"summary": SUMMARY}, **parts), "val_loss").row()
    expected = {"trial": 3, "started": start, "params.dropout": 0.5, **SUMMARY, **noted}
    assert {name: row[name] for name in expected} == expected
    assert list(row) == trial_columns("dropout")


def test_start_is_in_utc_wherever_the_driver_ran(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        record = trial_record(study_trial(datetime_start=datetime(2026, 1, 2, 3)), "val_loss")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert record.started == datetime(2026, 1, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "expected"), [(1.5, 1.5), (None, None)], ids=["told", "old journal"]
)
def test_pruned_trial_has_the_parameters_that_its_epochs_told(known, expected):
    trial = study_trial(epoch_values(parameters_m=known), state=FakeState.PRUNED)
    record = trial_record(trial, "val_loss")
    assert (record.parameters_m, record.latency_ms) == (expected, None)


def test_waiting_trial_has_a_row_of_nothing_but_its_number_and_counts():
    row = trial_record(study_trial(state=FakeState.WAITING, number=4), "val_loss").row()
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {"trial": 4, "state": "WAITING", "epochs": 0, "retries": 0}


def test_record_is_frozen():
    with pytest.raises(FrozenInstanceError):
        trial_record(study_trial(), "val_loss").state = "COMPLETE"
