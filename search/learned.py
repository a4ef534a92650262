"""What a sweep learns from earlier runs: their ended trials, as far as they fit its space."""

import json
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.optuna_space import distribution
from search.pruner import pruning_step
from spaces import RunPaths, SweepSpec, UserError, epoch_records, load_sweep

STUDY_NAME = "sweep"
"""Of the study in a run's journal."""

Lesson = dict[str, Any]  # Any: as JSON
"""An ended trial: run, trial, state, value, steps, and those of its params that fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What one earlier run teaches."""

    run: str
    trials: list[Lesson]
    left_out: Counter[str]
    """How many trials have a parameter that does not fit, by its name."""

    def __str__(self) -> str:
        """Return the line that tells a user."""
        line = f"learned from {len(self.trials)} trials of {self.run}"
        names = ", ".join(f"{name} (in {n})" for name, n in sorted(self.left_out.items()))
        return f"{line}; left out what does not fit this space: {names}" if names else line

    def facts(self) -> dict[str, object]:
        """Return the same for the run's events."""
        return {"run": self.run, "trials": len(self.trials), "left_out": dict(self.left_out)}


def read_lessons(sweep: SweepSpec) -> list[Lessons]:
    """Return what each run in `search.learn_from` teaches.

    Raises
    ------
    UserError
        Where one is no run, has another objective, or has a journal that cannot be read.
    """
    return [_lessons(run, sweep) for run in dict.fromkeys(sweep.search.learn_from)]


def load_learned(paths: RunPaths, sweep: SweepSpec) -> list[FrozenTrial]:
    """Return what a run has learned as trials of Optuna's.

    Raises
    ------
    UserError
        Where its copy is gone or damaged: without it, the run would decide otherwise.
    """
    if not sweep.search.learn_from:
        return []
    try:
        lessons = json.loads(paths.learned.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{paths.learned}: cannot be read ({error}); put it back") from error
    with warnings.catch_warnings(action="ignore"):  # of a range that its step does not divide
        known = {name: distribution(sweep.space, name) for name in sweep.space}
    return [
        create_trial(
            state=TrialState[lesson["state"]],
            value=lesson["value"],
            params=lesson["params"],
            distributions={name: known[name] for name in lesson["params"]},
            intermediate_values={int(step): value for step, value in lesson["steps"].items()},
        )
        for lesson in lessons
    ]


def _lessons(run: str, sweep: SweepSpec) -> Lessons:
    lessons = Lessons(run=run, trials=[], left_out=Counter())
    for trial in _ended_trials(run, sweep.objective):
        params = _fitting(trial.params, sweep)
        lessons.left_out.update(trial.params.keys() - params.keys())
        if params:
            steps = {
                pruning_step(sweep.search, record): getattr(record, sweep.objective)
                for record in reversed(epoch_records(trial))  # of one step, the first counts
            }
            about = {"run": run, "trial": trial.number, "state": trial.state.name}
            lessons.trials.append(about | {"value": trial.value, "steps": steps, "params": params})
    return lessons


def _fitting(params: Mapping[str, Any], sweep: SweepSpec) -> dict[str, Any]:  # Any: their types
    """Return those of `params` that this sweep could have tried."""
    fitting: dict[str, Any] = {}
    for name in sweep.space:
        if name in params and sweep.space.is_active(name, fitting):
            if sweep.space.can_take(name, params[name]):
                fitting[name] = params[name]
    return fitting


def _ended_trials(run: str, objective: str) -> list[FrozenTrial]:
    """Return the trials of a run that ended with a value."""
    paths = RunPaths(Path(run))
    where = f"search.learn_from: {run}"
    if not (paths.sweep.exists() and paths.journal.exists()):
        raise UserError(f"{where} is no run folder (sweep.yaml, study.journal); take it out")
    earlier = load_sweep(paths.sweep).objective
    if earlier != objective:
        raise UserError(
            f"{where} has the objective {earlier}, but must have {objective}; take it out"
        )
    try:
        storage = JournalStorage(JournalFileBackend(str(paths.journal)))
        study = optuna.load_study(study_name=STUDY_NAME, storage=storage)
    except (ValueError, KeyError) as error:
        raise UserError(f"{where} has a damaged journal ({error}); take it out") from error
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return [t for t in study.get_trials(deepcopy=False, states=ended) if t.value is not None]
