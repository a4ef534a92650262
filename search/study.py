"""The brain of a sweep: an Optuna study that suggests trials, hears of epochs and prunes."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from search.learned import STUDY_NAME, load_learned
from search.optuna_space import suggest
from search.proposal import Proposer
from search.pruner import build_pruner, pruning_step
from search.sampler import trial_seed
from spaces import (
    SPENT_KEY,
    EpochRecord,
    RunPaths,
    SweepSpec,
    TrialRecord,
    TrialSummary,
    best_epoch,
    epoch_key,
    epoch_records,
    is_higher_better,
    trial_records,
)


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
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(
            study_name=STUDY_NAME,
            storage=_open_journal(paths.journal),
            sampler=RandomSampler(),  # it decides nothing, trials come here with their parameters
            pruner=build_pruner(sweep),
            direction="maximize" if is_higher_better(sweep.objective) else "minimize",
            load_if_exists=True,
        )
        self._proposer = Proposer(
            sweep=sweep, direction=self._study.direction, learned=load_learned(paths, sweep)
        )
        self.is_exhausted = False
        """Whether `suggest` found that the whole space was tried."""
        self._live: dict[int, Trial] = {}
        self._ended: dict[int, TrialRecord] = {}  # they change no more
        self._to_reopen: list[FrozenTrial] = []
        for trial in self.trials():
            if trial.state == TrialState.RUNNING and "stop_reason" in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.PRUNED)  # as a kill kept it from
            elif trial.state == TrialState.RUNNING:
                self._to_reopen.append(trial)

    @property
    def sweep(self) -> SweepSpec:
        """The sweep as it is now."""
        return self._sweep

    def extend(self, sweep: SweepSpec) -> None:
        """Go on by another sweep, one that differs in its budgets and its concurrency alone."""
        self._sweep = sweep
        self._proposer = replace(self._proposer, sweep=sweep)

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
        if (begun := self._next_open()) is not None:
            return self._take_up(begun)
        trials, limit = self.trials(), self._sweep.search.trials
        if limit is not None and len(trials) >= limit:
            return None
        proposal = self._proposer.propose(trials)
        if proposal is None:
            self.is_exhausted = True
            return None
        self._study.add_trial(proposal)
        return self._take_up(self.trials()[-1])

    def _next_open(self) -> FrozenTrial | None:
        """Return a trial that was cut, else one that waits; None where there is neither."""
        if self._to_reopen:
            return self._to_reopen.pop(0)
        waiting = next((t for t in self.trials() if t.state == TrialState.WAITING), None)
        if waiting is not None:  # somebody put it there; what it leaves open is drawn at random
            self._study.sampler = RandomSampler(self._seed(waiting.number))
            self._study.ask()
        return waiting

    def _take_up(self, frozen: FrozenTrial) -> Suggestion:
        """Return the suggestion of a trial that is running in the journal."""
        trial = Trial(self._study, frozen._trial_id)
        seed = self._seed(trial.number)
        params = suggest(trial, self._sweep.space)
        if "seed" not in trial.user_attrs:
            trial.set_user_attr("seed", seed)
        self._live[trial.number] = trial
        return Suggestion(number=trial.number, params=params, seed=seed)

    def _seed(self, number: int) -> int:
        return trial_seed(self._sweep.search.seed, number)

    def report(self, number: int, record: EpochRecord, node: str) -> bool:
        """Note an epoch of a trial and return whether to prune it.

        An epoch that is told a second time, after a restart, is noted once.
        """
        trial = self._live[number]
        known = trial.storage.get_trial(trial._trial_id)
        key = epoch_key(record.epoch)
        if key in known.user_attrs:
            record = EpochRecord(**known.user_attrs[key])
        else:
            trial.set_user_attr(key, asdict(record))
        step, reported = pruning_step(self._sweep.search, record), known.intermediate_values
        if step not in reported:
            trial.set_user_attr("node", node)
            for missed in range(max(reported, default=step) + 1, step):
                trial.report(reported[max(reported)], missed)  # what was known at that time
            trial.report(getattr(record, self._sweep.objective), step)
        is_pruned = bool(trial.should_prune())  # some say so as numpy does
        if is_pruned:  # said at once: asked again after a kill, halving would answer otherwise
            trial.set_user_attr("stop_reason", "pruner")
        return is_pruned

    def complete(self, number: int, summary: TrialSummary) -> None:
        """End a trial that ran all its epochs; its value is its best objective."""
        trial, metric = self._live[number], self._sweep.objective
        trial.set_user_attr("summary", asdict(summary))
        best = best_epoch(epoch_records(trial.storage.get_trial(trial._trial_id)), metric)
        self._end(number, TrialState.COMPLETE, getattr(best, metric))

    def prune(self, number: int, reason: str) -> None:
        """End a trial early: `reason` is pruner, budget or user."""
        self._live[number].set_user_attr("stop_reason", reason)
        self._end(number, TrialState.PRUNED)

    def prune_open(self, reason: str) -> None:
        """End all trials that have not ended: also those that an earlier cut left, or that wait."""
        while (left := self._next_open()) is not None:
            self._take_up(left)
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
