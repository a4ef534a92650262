"""The trial table and the learning curves as data frames with fixed columns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import pandas as pd

from spaces.family import backbone_family
from spaces.record import (
    EpochRecord,
    StudyTrial,
    TrialRecord,
    TrialState,
    epoch_records,
    ranked,
    trial_record,
)
from spaces.run_paths import RunPaths
from spaces.sweep_spec import SweepSpec
from spaces.trial_spec import field_types

_TEXT = ("state", "stop_reason", "node", "checkpoint", "error")
_TYPES = {bool: "boolean", float: "Float64", int: "Int64"}
_WHOLE = ("trial", "best_epoch", "epochs", "seed", "retries", "epoch")


def trial_records(trials: Iterable[StudyTrial], sweep: SweepSpec) -> list[TrialRecord]:
    """Return the records of all trials, but for their checkpoints."""
    return [trial_record(trial, sweep.objective) for trial in trials]


def with_checkpoints(
    records: Sequence[TrialRecord], sweep: SweepSpec, paths: RunPaths
) -> list[TrialRecord]:
    """Return the records, naming each checkpoint that the sweep keeps and that is on disk."""
    kept = kept_checkpoints(records, sweep)
    bests = [paths.trial(record.trial).best for record in records]
    return [
        replace(record, checkpoint=paths.relative(best))
        if record.trial in kept and best.is_dir()
        else record
        for record, best in zip(records, bests, strict=True)
    ]


def kept_checkpoints(records: Iterable[TrialRecord], sweep: SweepSpec) -> set[int]:
    """Return the trials whose checkpoints stay: running ones, and those the search keeps."""
    most = sweep.search.keep_checkpoints
    kept: set[int] = set()
    num_kept: Counter[str] = Counter()
    for record in ranked(records, sweep.objective):
        if not TrialState[record.state].is_finished():
            kept.add(record.trial)
            continue
        family = "" if most == "best" else record_family(record, sweep)
        if most == "all" or num_kept[family] < (1 if most == "best" else most):
            num_kept[family] += 1
            kept.add(record.trial)
    return kept


def record_family(record: TrialRecord, sweep: SweepSpec) -> str:
    """Return the family of a trial's backbone, searched or fixed."""
    return backbone_family(record.params.get("backbone", sweep.trial.backbone))


def trials_frame(records: Iterable[TrialRecord], searched: Sequence[str]) -> pd.DataFrame:
    """Return one row per trial, with a `params.<name>` column for every name in `searched`."""
    columns: list[str] = []
    for field in fields(TrialRecord):
        columns += [f"params.{n}" for n in searched] if field.name == "params" else [field.name]
    return _typed([record.row() for record in records], columns)


def curves_frame(trials: Iterable[StudyTrial]) -> pd.DataFrame:
    """Return one row per trial and epoch."""
    rows = [
        {"trial": trial.number, **asdict(record)}
        for trial in trials
        for record in epoch_records(trial)
    ]
    measured = [field.name for field in fields(EpochRecord) if field.name != "parameters_m"]
    return _typed(rows, ["trial", *measured])


def _typed(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:  # Any: one column each
    """Return the rows with the same column types however many there are, and null for unknown."""
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({name: _kind(name) for name in columns})


def _kind(column: str) -> str:
    """Return the nullable pandas type of a column; a parameter's is that of the trial's field."""
    if column.startswith("params."):
        types = field_types(column.removeprefix("params."))
        return next((name for kind, name in _TYPES.items() if kind in types), "string")
    if column in _TEXT:
        return "string"
    if column in _WHOLE:
        return "Int64"
    return "datetime64[us, UTC]" if column == "started" else "Float64"
