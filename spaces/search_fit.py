"""Whether a search suits the space it is for."""

from collections.abc import Iterator, Mapping

from spaces.errors import did_you_mean
from spaces.parameter import Scalar
from spaces.problem import Problem, show, wrong
from spaces.search_space import SearchSpace
from spaces.search_spec import SearchSpec

_NO_CONDITIONS = ("gp", "nsga2", "qmc")


def search_problems(search: SearchSpec, space: SearchSpace, epochs: int) -> list[Problem]:
    """Return what keeps `search` from going over `space` with trials of up to `epochs` epochs."""
    problems = [*_sampler_problems(search, space)]
    if search.pruner == "hyperband" and search.min_epochs > epochs:
        rule = f"must be at most trial.epochs for hyperband, which is {epochs}; try {epochs}"
        problems.append(wrong(["min_epochs"], search.min_epochs, rule))
    for index, config in enumerate(search.start_with):
        problems += [p.under("start_with", index) for p in _config_problems(config, space)]
        earlier = search.start_with[:index].count(config)
        if not problems and earlier >= search.repeat and len(config) == _num_active(config, space):
            rule = f"is given before, but search.repeat is {search.repeat}; remove it"
            problems.append(Problem(where=("start_with", index), text=rule))
    return problems


def _sampler_problems(search: SearchSpec, space: SearchSpace) -> Iterator[Problem]:
    conditional = next((name for name in space if space[name].when), None)
    if search.sampler in _NO_CONDITIONS and conditional:
        rule = f"draws what has conditions at random, and space.{conditional} has; try tpe"
        yield Problem(where=("sampler",), text=f"is {search.sampler!r}, which {rule}")
    for name in space if search.sampler == "grid" else ():
        if space[name].size(is_integer=space.is_integer(name)) == float("inf"):
            rule = f"needs steps, but space.{name} has none; give it a step, or a choice"
            yield Problem(where=("sampler",), text=f"is 'grid', which {rule}")


def _config_problems(config: Mapping[str, Scalar], space: SearchSpace) -> Iterator[Problem]:
    """Say what is wrong with a configuration to start with, told from its own top."""
    for name, value in config.items():
        if name not in space.root:
            hint = did_you_mean(name, space.root) or "; only what is searched stands here"
            yield Problem(where=(name,), text=f"is not in the space{hint}")
        elif not space.can_take(name, value):
            yield wrong([name], value, f"space.{name} never takes that value; remove it")
        elif not space.is_active(name, config):
            asked = [f"{n} is {_any_of(values)}" for n, values in space[name].when.items()]
            rule = f"is searched only where {' and '.join(asked)}; set that too, or remove it"
            yield wrong([name], value, rule)


def _any_of(values: list[Scalar]) -> str:
    return " or ".join(show(value) for value in values)


def _num_active(config: Mapping[str, Scalar], space: SearchSpace) -> int:
    return sum(space.is_active(name, config) for name in space)
