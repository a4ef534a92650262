"""What a study remembers of a trial, as flat records: one per epoch, one per trial."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from spaces.metric import is_better, is_higher_better

SPENT_KEY = "spent_s"
"""The name under which a study keeps the wall time of its drivers."""

_EPOCH_KEY = "epoch:"


class TrialState(Enum):
    """Where a trial stands; stored by name."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"

    def is_finished(self) -> bool:
        """Return whether nothing more will come of the trial."""
        return self not in (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """What one epoch of a trial measured; accuracies and F1 are fractions in 0..1."""

    epoch: int
    """1, 2, ..."""
    seconds: float
    """Since the trial's start."""
    train_loss: float
    """Mean over the epoch's images."""
    learning_rate: float
    """At the epoch's end."""
    images_per_s: float
    """Training images a second, validation apart."""
    val_loss: float | None = None
    """Mean cross-entropy of the validation images; None, as all below, where there are none."""
    val_accuracy: float | None = None
    val_balanced_accuracy: float | None = None
    val_macro_f1: float | None = None
    shift_accuracy: float | None = None
    """Mean balanced accuracy over the `selection` shifts; None where not asked for."""
    robust_accuracy: float | None = None
    """Mean of `val_balanced_accuracy` and `shift_accuracy`."""
    parameters_m: float | None = None
    """Parameters of the model in millions, so that they are known of a trial that is pruned too;
    no column of the curves. None in journals that were written before it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """What is known of a trial once it has run to its end."""

    parameters_m: float
    """Parameters of the model in millions."""
    latency_ms: float
    """Median milliseconds for one image on the trial's device."""
    peak_memory_mb: float
    """Peak of the device's memory, or of the process on a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One row of the trial table. Measured values are those of the best epoch by the objective."""

    trial: int
    state: str
    stop_reason: str | None
    objective: float | None
    best_epoch: int | None
    epochs: int
    seconds: float | None
    started: datetime | None
    """In UTC."""
    node: str | None
    seed: int | None
    retries: int
    params: Mapping[str, Any]  # Any: bool, int, float, str or None
    val_loss: float | None
    val_accuracy: float | None
    val_balanced_accuracy: float | None
    val_macro_f1: float | None
    shift_accuracy: float | None
    robust_accuracy: float | None
    parameters_m: float | None
    latency_ms: float | None
    peak_memory_mb: float | None
    images_per_s: float | None
    checkpoint: str | None
    error: str | None

    def row(self) -> dict[str, Any]:  # Any: one column each
        """Return the record as columns; parameters become `params.<name>`."""
        row: dict[str, Any] = {}
        for field in fields(self):
            if field.name == "params":
                row |= {f"params.{name}": value for name, value in self.params.items()}
            else:
                row[field.name] = getattr(self, field.name)
        return row


class StateOfStudyTrial(Protocol):
    """The state of a study's trial; `FAIL` is what we call FAILED."""

    @property
    def name(self) -> str:
        """Its name."""


class StudyTrial(Protocol):
    """The part of a study's trial that a record is made from (Optuna's `FrozenTrial`)."""

    number: int
    params: dict[str, Any]  # Any: as above
    datetime_start: datetime | None
    """In the driver's local time, without a zone."""

    @property
    def state(self) -> StateOfStudyTrial:
        """Where the trial stands."""

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the driver wrote down about the trial."""


def epoch_key(epoch: int) -> str:
    """Return the name under which a study keeps the record of `epoch`."""
    return f"{_EPOCH_KEY}{epoch}"


def epoch_records(trial: StudyTrial) -> list[EpochRecord]:
    """Return the records of a trial's epochs, in their order."""
    found = [
        EpochRecord(**values)
        for key, values in trial.user_attrs.items()
        if key.startswith(_EPOCH_KEY)
    ]
    return sorted(found, key=lambda record: record.epoch)


def best_epoch(records: list[EpochRecord], metric: str) -> EpochRecord | None:
    """Return the first record with the best `metric`; None where no record has a finite one."""
    best: EpochRecord | None = None
    for record in records:
        value = getattr(record, metric)
        if value is None or not math.isfinite(value):
            continue
        if best is None or is_better(metric, value, getattr(best, metric)):
            best = record
    return best


def trial_record(trial: StudyTrial, metric: str) -> TrialRecord:
    """Return the row of a study's trial, judged by `metric`, but for its checkpoint."""
    noted = trial.user_attrs
    records = epoch_records(trial)
    best = best_epoch(records, metric)
    measured = asdict(best) if best else {}
    summary = noted.get("summary", {})
    return TrialRecord(
        trial=trial.number,
        state={"FAIL": "FAILED"}.get(trial.state.name, trial.state.name),
        stop_reason=noted.get("stop_reason"),
        objective=measured.get(metric),
        best_epoch=measured.get("epoch"),
        epochs=len(records),
        seconds=records[-1].seconds if records else None,
        started=trial.datetime_start and trial.datetime_start.astimezone(UTC),
        node=noted.get("node"),
        seed=noted.get("seed"),
        retries=noted.get("retries", 0),
        params=trial.params,
        val_loss=measured.get("val_loss"),
        val_accuracy=measured.get("val_accuracy"),
        val_balanced_accuracy=measured.get("val_balanced_accuracy"),
        val_macro_f1=measured.get("val_macro_f1"),
        shift_accuracy=measured.get("shift_accuracy"),
        robust_accuracy=measured.get("robust_accuracy"),
        parameters_m=summary.get("parameters_m", records[-1].parameters_m if records else None),
        latency_ms=summary.get("latency_ms"),
        peak_memory_mb=summary.get("peak_memory_mb"),
        images_per_s=measured.get("images_per_s"),
        checkpoint=None,
        error=noted.get("error"),
    )


def ranked(records: Iterable[TrialRecord], metric: str) -> list[TrialRecord]:
    """Return the trials that have an objective and did not fail, the best first, then by number."""
    failed = TrialState.FAILED.name
    scored = [r for r in records if r.objective is not None and r.state != failed]
    sign = -1 if is_higher_better(metric) else 1
    return sorted(scored, key=lambda record: (sign * (record.objective or 0.0), record.trial))
