"""Our search space in Optuna's terms."""

from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces import SearchSpace


def suggest(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:  # Any: as the parameters
    """Ask `trial` for a value of every active parameter, in an order that suits conditions."""
    decided: dict[str, Any] = {}
    for name in space:
        if space.is_active(name, decided):
            decided[name] = _suggest(trial, name, distribution(space, name))
    return decided


def distribution(space: SearchSpace, name: str) -> BaseDistribution:
    """Return parameter `name` as a distribution of Optuna's."""
    parameter = space[name]
    if parameter.choice is not None:
        return CategoricalDistribution(parameter.choice)
    low, high, step = parameter.low, parameter.high, parameter.step
    assert low is not None and high is not None  # a Parameter is a choice or a range
    if space.is_integer(name):
        return IntDistribution(int(low), int(high), step=int(step or 1), log=parameter.log)
    return FloatDistribution(low, high, step=step, log=parameter.log)


def _suggest(trial: optuna.Trial, name: str, values: BaseDistribution) -> Any:  # Any: as above
    if isinstance(values, CategoricalDistribution):
        return trial.suggest_categorical(name, values.choices)
    if isinstance(values, IntDistribution):
        return trial.suggest_int(name, values.low, values.high, step=values.step, log=values.log)
    assert isinstance(values, FloatDistribution)  # there is no other kind
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)
