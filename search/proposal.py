"""What a sweep is to try next, drawn in memory before anything is written down."""

import copy
import json
import warnings
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.optuna_space import suggest
from search.sampler import build_sampler, sampler_name, trial_seed
from spaces import SweepSpec

Trials = Sequence[FrozenTrial]
Notes = Mapping[str, Any]  # Any: what a sampler notes on its study, as JSON

_NUM_DRAWS, _NUM_RANDOM_DRAWS = 10, 90
_NOTES = "sampler_notes"
"""The system attribute of a trial that holds what its sampler noted on the study: in one line of
the journal with the trial, so that neither is ever there without the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Says what a sweep tries next; it goes by the sweep and by trials, and has no memory."""

    sweep: SweepSpec
    direction: StudyDirection
    """Which way the objective is better."""
    learned: Trials
    """Ended trials of earlier runs."""

    def propose(self, trials: Trials) -> FrozenTrial | None:
        """Return the trial that follows on `trials`, with all parameters; None once all is tried.

        A configuration that was tried as often as it may be is drawn anew with other seeds, and a
        sampler that comes back to such ones time and again is overruled.
        """
        number, times = len(trials), Counter(_key(trial) for trial in trials)
        limit = self._limit(times)
        if limit is None:
            return None
        settled = [trial for trial in trials if times[_key(trial)] >= limit]
        seen = [*self._lessons(number), *trials]
        notes = {k: v for trial in trials for k, v in trial.system_attrs.get(_NOTES, {}).items()}
        new: dict[str, Any] = {}  # Any: as in `Notes`
        for attempt, name in enumerate(self._samplers(number)):
            sampler = build_sampler(name, self.sweep.search, number, attempt)
            known = settled if name == "grid" else seen  # a grid never draws what it sees
            drawn, noted = self._draw(sampler, number, known, notes | new)
            new |= {key: value for key, value in noted.items() if notes.get(key) != value}
            if times[_key(drawn)] < limit:
                break
        return create_trial(
            state=TrialState.RUNNING,
            params=drawn.params,
            distributions=drawn.distributions,
            system_attrs=drawn.system_attrs | {_NOTES: new},
            user_attrs={"seed": trial_seed(self.sweep.search.seed, number)},
        )

    def _limit(self, times: Counter[str]) -> int | None:
        """Return how often a configuration may have been tried now; None if all were that often.

        A grid is gone through as a whole before any cell of it comes again.
        """
        search, size = self.sweep.search, self.sweep.space.size()
        rounds = range(1, search.repeat + 1)
        begun = next((n for n in rounds if sum(t >= n for t in times.values()) < size), None)
        return begun if begun is None or search.sampler == "grid" else search.repeat

    def _lessons(self, number: int) -> Trials:
        """Return what the sampler of trial `number` can learn from.

        A Gaussian process models only the parameters that no trial lacks.
        """
        if sampler_name(self.sweep, number) != "gp":
            return self.learned
        names = set(self.sweep.space)
        return [trial for trial in self.learned if trial.params.keys() == names]

    def _samplers(self, number: int) -> list[str]:
        """Return who may draw trial `number`, each to be asked where the last was in vain."""
        is_finite = self.sweep.space.size() < float("inf")
        own = [sampler_name(self.sweep, number)] * _NUM_DRAWS
        return [*own, *["grid"] * is_finite, *["random"] * _NUM_RANDOM_DRAWS]

    def _draw(
        self, sampler: BaseSampler, number: int, known: Trials, notes: Notes
    ) -> tuple[FrozenTrial, Notes]:
        """Return a trial that `sampler` draws, and all that is noted on the study after that."""
        storage, start_with = _Memory(known), self.sweep.search.start_with
        # Without the pruner: Optuna's Hyperband lets a sampler see the trials of one bracket only.
        study = optuna.create_study(storage=storage, sampler=sampler, direction=self.direction)
        study_id = storage.get_study_id_from_name(study.study_name)
        for key, value in notes.items():
            storage.set_study_system_attr(study_id, key, value)
        if number < len(start_with):
            study.enqueue_trial(start_with[number])
        # What a user should know is said when the sweep is loaded.
        with warnings.catch_warnings(action="ignore"):
            trial = study.ask()
            suggest(trial, self.sweep.space)
        return storage.get_trial(trial._trial_id), storage.get_study_system_attrs(study_id)


class _Memory(InMemoryStorage):
    """A storage for one new trial in which others are known, without a copy of what they hold."""

    def __init__(self, known: Trials) -> None:
        super().__init__()
        self._known = [copy.copy(trial) for trial in known]
        for place, trial in enumerate(self._known, start=1):  # the new one is 0
            trial.number = trial._trial_id = place

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        known = [t for t in self._known if states is None or t.state in states]
        new = super().get_all_trials(study_id, deepcopy, states)
        return [*(copy.deepcopy(known) if deepcopy else known), *new]


def _key(trial: FrozenTrial) -> str:
    return json.dumps(trial.params, sort_keys=True)
