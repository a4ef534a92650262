"""Our search space in Optuna's terms, and its samplers and pruners by our names."""

import warnings
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from spaces import Parameter, SearchSpace, SearchSpec


def suggest(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:  # Any: as the parameters
    """Ask `trial` for a value of every active parameter, in an order that suits conditions."""
    decided: dict[str, Any] = {}
    for name in space:
        if space.is_active(name, decided):
            decided[name] = _suggest(trial, name, space[name], space.is_integer(name))
    return decided


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter, is_integer: bool) -> Any:
    if parameter.choice is not None:
        return trial.suggest_categorical(name, parameter.choice)
    low, high, step = parameter.low, parameter.high, parameter.step
    assert low is not None and high is not None  # a Parameter is a choice or a range
    if is_integer:
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=parameter.log)
    return trial.suggest_float(name, low, high, step=step, log=parameter.log)


def build_sampler(spec: SearchSpec, number: int) -> BaseSampler:
    """Return the sampler that decides trial `number`.

    Every trial has a fresh one, seeded by the sweep's seed and its number, so that a sweep that
    was cut and taken up again asks what the undisturbed one would have asked.
    """
    seed = trial_seed(spec.seed, number)
    if spec.sampler == "random":
        return RandomSampler(seed)
    with warnings.catch_warnings():
        # `group` is experimental in name; conditional spaces need it.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(n_startup_trials=spec.startup_trials, group=True, seed=seed)


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of trial `number` in a sweep with `seed`, 0..2**31-1."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> 1


def build_pruner(spec: SearchSpec) -> BasePruner:
    """Return the pruner of a sweep, which counts in epochs."""
    if spec.pruner == "halving":
        return SuccessiveHalvingPruner(
            min_resource=spec.min_epochs, reduction_factor=spec.reduction_factor
        )
    if spec.pruner == "median":
        return MedianPruner(n_startup_trials=spec.startup_trials, n_warmup_steps=spec.min_epochs)
    return NopPruner()
