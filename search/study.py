"""The brain of a sweep: an Optuna study that suggests trials, hears of epochs and prunes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from search.optuna_space import build_pruner, build_sampler, suggest, trial_seed
from spaces import (
    SPENT_KEY,
    EpochRecord,
    RunPaths,
    SweepSpec,
    TrialRecord,
    TrialSummary,
    epoch_key,
    is_higher_better,
    trial_records,
)

_STUDY_NAME = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A trial to run."""

    number: int
    params: dict[str, Any]  # Any: bool, int, float, str or None
    seed: int


class SweepStudy:
    """The only writer of a run's journal.

    `suggest`, `report` and the ways to end a trial are all there is; what they note is on disk
    when they return.
    """

    def __init__(self, paths: RunPaths, sweep: SweepSpec) -> None:
        self._sweep = sweep
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            study_name=_STUDY_NAME,
            storage=_open_journal(paths.journal),
            pruner=build_pruner(sweep.search),
            direction="maximize" if is_higher_better(sweep.objective) else "minimize",
            load_if_exists=True,
        )
        self._live: dict[int, Trial] = {}
        self._ended: dict[int, TrialRecord] = {}  # they change no more
        self._to_reopen = [t for t in self.trials() if t.state == TrialState.RUNNING]

    @property
    def sweep(self) -> SweepSpec:
        """The sweep as it is now."""
        return self._sweep

    def extend(self, sweep: SweepSpec) -> None:
        """Go on by another sweep, one that differs in its budgets and its concurrency alone."""
        self._sweep = sweep

    @property
    def spent_s(self) -> float:
        """Wall time of the run's drivers, seconds, as `note_spent` was last told."""
        return float(self._study.user_attrs.get(SPENT_KEY, 0.0))

    def note_spent(self, seconds: float) -> None:
        """Note the wall time of all drivers of the run so far."""
        self._study.set_user_attr(SPENT_KEY, seconds)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials as the journal knows them, by number."""
        return self._study.get_trials(deepcopy=False)

    def records(self) -> list[TrialRecord]:
        """Return all trials as rows of the trial table, but for their checkpoints."""
        trials = [trial for trial in self.trials() if trial.number not in self._ended]
        found = {record.trial: record for record in trial_records(trials, self._sweep)}
        self._ended |= {t.number: found[t.number] for t in trials if t.state.is_finished()}
        return [record for _, record in sorted((self._ended | found).items())]

    def suggest(self) -> Suggestion | None:
        """Return the next trial: first those that were cut, then new ones; None at the end."""
        if self._to_reopen:
            trial = self._reopened(self._to_reopen.pop(0))
        else:
            waiting = [t.number for t in self.trials() if t.state == TrialState.WAITING]
            number, limit = len(self.trials()), self._sweep.search.trials
            if waiting:
                number = waiting[0]
            elif limit is not None and number >= limit:
                return None
            self._study.sampler = build_sampler(self._sweep.search, number)
            trial = self._study.ask()
        params = suggest(trial, self._sweep.space)
        seed = trial_seed(self._sweep.search.seed, trial.number)
        trial.set_user_attr("seed", seed)
        self._live[trial.number] = trial
        return Suggestion(number=trial.number, params=params, seed=seed)

    def _reopened(self, frozen: FrozenTrial) -> Trial:
        self._study.sampler = build_sampler(self._sweep.search, frozen.number)
        self._study.sampler.before_trial(self._study, frozen)  # as `ask` does
        return Trial(self._study, frozen._trial_id)

    def report(self, number: int, record: EpochRecord, node: str) -> bool:
        """Note an epoch of a trial and return whether to prune it.

        An epoch that is told a second time, after a restart, is noted once.
        """
        trial = self._live[number]
        known = trial.storage.get_trial(trial._trial_id)
        if epoch_key(record.epoch) not in known.user_attrs:
            trial.set_user_attr(epoch_key(record.epoch), asdict(record))
        if record.epoch not in known.intermediate_values:
            trial.set_user_attr("node", node)
            trial.report(getattr(record, self._sweep.objective), record.epoch)
        return trial.should_prune()

    def complete(self, number: int, summary: TrialSummary) -> None:
        """End a trial that ran all its epochs; its value is its best objective."""
        self._live[number].set_user_attr("summary", asdict(summary))
        values = self._live[number].storage.get_trial(self._live[number]._trial_id)
        best = max if is_higher_better(self._sweep.objective) else min
        self._end(number, TrialState.COMPLETE, best(values.intermediate_values.values()))

    def prune(self, number: int, reason: str) -> None:
        """End a trial early: `reason` is pruner, budget or user."""
        self._live[number].set_user_attr("stop_reason", reason)
        self._end(number, TrialState.PRUNED)

    def prune_open(self, reason: str) -> None:
        """End all trials that began and have not ended, also those that an earlier cut left."""
        self._live |= {frozen.number: self._reopened(frozen) for frozen in self._to_reopen}
        self._to_reopen = []
        for number in self.running():
            self.prune(number, reason)

    def fail(self, number: int, error: str) -> None:
        """End a trial that raised, reported a value that is not finite, or died."""
        self._live[number].set_user_attr("error", error)
        self._end(number, TrialState.FAIL)

    def note_retry(self, number: int) -> None:
        """Note that a trial was started again after its process died."""
        trial = self._live[number]
        trial.set_user_attr("retries", trial.user_attrs.get("retries", 0) + 1)

    def running(self) -> list[int]:
        """Return the trials that were suggested by this driver and not ended."""
        return list(self._live)

    def _end(self, number: int, state: TrialState, value: float | None = None) -> None:
        self._study.tell(self._live.pop(number), value, state=state)


class _NoLock:
    """No lock: the run folder's own lock keeps other writers out, and a kill leaves none behind."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _open_journal(path: Path) -> JournalStorage:
    _drop_half_line(path)
    backend = JournalFileBackend(str(path), lock_obj=_NoLock())  # type: ignore[arg-type]  # its base class is private
    return JournalStorage(backend)


def _drop_half_line(path: Path) -> None:
    """Cut off a last line without its end: a killed driver was writing it, nobody has read it."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
