"""The trial table of a run, read from its folder alone, also while the run goes on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from spaces import (
    SPENT_KEY,
    EpochRecord,
    RunPaths,
    SweepSpec,
    TrialRecord,
    TrialState,
    UserError,
    check_data,
    curves_frame,
    epoch_records,
    is_locked,
    load_sweep,
    ranked,
    read_events,
    record_family,
    remaining_s,
    restore,
    trial_records,
    trials_frame,
    trials_per_hour,
    with_checkpoints,
)


class RunError(UserError):
    """A run folder, or a trial of it, that is not there or not what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Where a run stands."""

    run: str
    state: str
    """running, interrupted (trials are open and no driver lives), or finished."""
    counts: dict[str, int]
    """Trials by state."""
    best: dict[str, Any] | None  # Any: JSON
    """Trial, objective and params of the leader; None before the first epoch."""
    seconds: float
    """From the first trial's start to the last one's end, or until now while running."""
    ended_by: str | None
    """Why the last driver ended, in words; None while one runs, or where it was killed."""
    trials_per_hour: float | None
    """Trials that ended in an hour of the sweep; None before the first."""
    remaining_s: float | None
    """How long a running sweep will go on at that pace; None where nothing tells."""

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the status as JSON values."""
        return asdict(self)


class TrialTable:
    """What a run's journal says, as records and data frames; reading only mends what a kill cut."""

    def __init__(self, run: Path) -> None:
        self.paths = RunPaths(Path(run).absolute())
        if not self.paths.sweep.is_file():
            what = "is no run folder" if self.paths.root.is_dir() else "no such run folder"
            raise RunError(f"{run}: {what} (sweep.yaml); see `cytosweep launch`")
        self.sweep: SweepSpec = load_sweep(self.paths.sweep)
        self._trials, self._spent_s = _read_trials(self.paths.journal)

    @cached_property
    def records(self) -> list[TrialRecord]:
        """One record per trial, by number."""
        if not is_locked(self.paths.lock):
            for trial in self._trials:
                restore(self.paths.trial(trial.number).best)
        return with_checkpoints(trial_records(self._trials, self.sweep), self.sweep, self.paths)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per trial, as in `trials.parquet`."""
        return trials_frame(self.records, list(self.sweep.space))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch, as in `curves.parquet`."""
        return curves_frame(self._trials)

    def record(self, number: int) -> TrialRecord:
        """Return the record of trial `number`; `RunError` where there is none."""
        if not 0 <= number < len(self.records):
            count = len(self.records)
            has = f"it has 0..{count - 1}" if count else "it has none yet"
            raise RunError(f"{self.paths.root}: has no trial {number}; {has}")
        return self.records[number]

    def epochs(self, number: int) -> list[EpochRecord]:
        """Return what each epoch of trial `number` measured."""
        self.record(number)
        return epoch_records(self._trials[number])

    def family(self, record: TrialRecord) -> str:
        """Return the family of a trial's backbone."""
        return record_family(record, self.sweep)

    def leaders(self, family: str = "any") -> list[TrialRecord]:
        """Return the trials of a family that ended without failing, the best objective first."""
        return [
            record
            for record in ranked(self.records, self.sweep.objective)
            if TrialState[record.state].is_finished() and family in ("any", self.family(record))
        ]

    def check_data(self, fingerprints: Mapping[str, str | None]) -> None:
        """Raise a `UserError` where the data are no longer those that the run was launched on."""
        check_data(self.paths, self.sweep.data, fingerprints)

    def status(self) -> RunStatus:
        """Return where the run stands now."""
        counts = Counter(record.state for record in self.records)
        is_open = not counts or any(not TrialState[state].is_finished() for state in counts)
        state = "interrupted" if is_open else "finished"
        if is_locked(self.paths.lock):
            state = "running"
        best = next(iter(ranked(self.records, self.sweep.objective)), None)
        summary = None
        if best is not None:
            params = dict(best.params)
            summary = {"trial": best.trial, "objective": best.objective, "params": params}
        spent = self._spent_s
        return RunStatus(
            run=str(self.paths.root),
            state=state,
            counts=dict(counts),
            best=summary,
            seconds=self._seconds(state == "running"),
            ended_by=None if state == "running" else self._ended_by(),
            trials_per_hour=trials_per_hour(self.records, spent),
            remaining_s=remaining_s(self.sweep, self.records, spent)
            if state == "running"
            else None,
        )

    def _ended_by(self) -> str | None:
        events = read_events(self.paths)
        if not events or events[-1]["event"] != "driver ended":
            return None
        facts = events[-1]
        return ", ".join(facts[key] for key in ("reason", "detail") if facts.get(key))

    def _seconds(self, is_running: bool) -> float:
        starts = [t.datetime_start for t in self._trials if t.datetime_start]
        ends = [t.datetime_complete for t in self._trials if t.datetime_complete]
        if not starts:
            return 0.0
        last = pd.Timestamp.now() if is_running else max(ends, default=max(starts))
        return (pd.Timestamp(last) - pd.Timestamp(min(starts))).total_seconds()


def _read_trials(journal: Path) -> tuple[list[FrozenTrial], float]:
    """Return all trials of the journal and its drivers' wall time so far, seconds.

    There are none where the driver has not begun it.
    """
    if not journal.exists():
        return [], 0.0
    try:
        storage = JournalStorage(JournalFileBackend(str(journal)))
    except (ValueError, KeyError) as error:
        raise RunError(f"{journal}: is no journal of Optuna's, or is damaged ({error})") from error
    names = [study.study_name for study in storage.get_all_studies()]
    if not names:
        return [], 0.0
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.load_study(study_name=names[0], storage=storage)
        return study.get_trials(deepcopy=False), study.user_attrs.get(SPENT_KEY, 0.0)
    finally:
        optuna.logging.set_verbosity(verbosity)
