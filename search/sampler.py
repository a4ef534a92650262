"""Optuna's samplers by our names."""

import warnings

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from spaces import SearchSpec, SweepSpec

_NUM_GP = 200
"""Trials that `auto` has a Gaussian process decide, whose cost grows with their third power."""


def sampler_name(sweep: SweepSpec, number: int) -> str:
    """Return which sampler decides trial `number`: the sweep's, or what `auto` means for it."""
    search, parameters = sweep.search, sweep.space.root.values()
    if search.sampler != "auto":
        return search.sampler
    is_plain = all(p.choice is None and not p.when for p in parameters)
    return "gp" if is_plain and search.pruner == "none" and number < _NUM_GP else "tpe"


def build_sampler(name: str, search: SearchSpec, number: int, attempt: int = 0) -> BaseSampler:
    """Return the sampler of that name that decides trial `number`.

    Every trial, and every further attempt at one, has a fresh sampler, seeded by the sweep's seed
    and its number, so that a sweep that was cut and taken up again asks what the undisturbed one
    would have asked. What NSGA-II and Sobol's sequence remember is in the study.
    """
    seed, startup = trial_seed(search.seed, number, attempt), search.startup_trials
    # `group`, which conditional spaces need, and some classes are experimental in name.
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        if name == "gp":
            return GPSampler(n_startup_trials=startup, seed=seed)
        if name == "nsga2":
            return NSGAIISampler(population_size=startup, seed=seed)
        if name == "qmc":  # all trials share one sequence
            first = RandomSampler(seed)
            return QMCSampler(scramble=True, seed=search.seed, independent_sampler=first)
        if name == "random":
            return RandomSampler(seed)
        if name == "grid":  # Optuna's own grid knows no conditions and holds all cells in memory
            return BruteForceSampler(seed)
        return TPESampler(n_startup_trials=startup, group=True, seed=seed)


def trial_seed(seed: int, number: int, attempt: int = 0) -> int:
    """Return the seed of trial `number` in a sweep with `seed`, 0..2**31-1."""
    return int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0]) >> 1
