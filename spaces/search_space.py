"""The search space: the fields of a trial that are searched, their values and conditions."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from pydantic import RootModel, ValidationError, ValidationInfo, model_validator

from spaces.data_spec import FROZEN
from spaces.errors import did_you_mean
from spaces.parameter import Parameter, Scalar
from spaces.problem import Problem, problems_error, problems_of, wrong
from spaces.trial_spec import TrialSpec, field_types


class SearchSpace(RootModel[dict[str, Parameter]]):
    """Parameters by the name of the trial's field they set.

    Iterating gives the names, every parameter after those its conditions ask about.
    """

    model_config = {key: value for key, value in FROZEN.items() if key != "extra"}  # type: ignore[assignment]  # a root model takes no `extra`

    root: dict[str, Parameter] = {}

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # pydantic iterates over pairs
        """Iterate over the names in the order in which to decide them."""
        parents = {name: parameter.when for name, parameter in self.root.items()}
        return iter(tuple(TopologicalSorter(parents).static_order()))

    def __getitem__(self, name: str) -> Parameter:
        """Return the parameter called `name`."""
        return self.root[name]

    def is_active(self, name: str, decided: Mapping[str, Scalar]) -> bool:
        """Return whether `name` is searched, given the parameters decided before it."""
        return all(
            parent in decided and decided[parent] in values
            for parent, values in self.root[name].when.items()
        )

    def can_take(self, name: str, value: Scalar) -> bool:
        """Return whether `value` is one of those that parameter `name` is searched over."""
        return self.root[name].holds(value, is_integer=self.is_integer(name))

    def size(self) -> float:
        """Return the number of different configurations; infinite with a range without steps."""
        asked = {
            name: dict.fromkeys(v for p in self.root.values() for v in p.when.get(name, ()))
            for name in self.root
        }

        def count(names: Sequence[str], decided: dict[str, Scalar]) -> float:
            if not names:
                return 1
            name, *rest = names
            if not self.is_active(name, decided):
                return count(rest, decided)
            found = sum(count(rest, {**decided, name: value}) for value in asked[name])
            # All values that no condition asks about are alike.
            others = self.root[name].size(is_integer=self.is_integer(name)) - len(asked[name])
            return found + others * count(rest, decided) if others else found

        return count(list(self), {})

    def is_integer(self, name: str) -> bool:
        """Return whether the trial's field called `name` takes whole numbers only."""
        return field_types(name) == {int}

    @model_validator(mode="after")
    def _fits_the_trial(self, info: ValidationInfo) -> "SearchSpace":
        problems: list[Problem] = []
        for name, parameter in self.root.items():
            if name not in TrialSpec.model_fields:
                hint = did_you_mean(name, TrialSpec.model_fields)
                problems.append(Problem(where=(name,), text=f"is not a field of trial{hint}"))
                continue
            problems += [p.under(name) for p in self._value_problems(name, parameter, info)]
            problems += [p.under(name, "when") for p in self._condition_problems(parameter)]
        if not problems:
            problems = self._cycle_problems()
        if problems:
            raise problems_error(problems)
        return self

    def _value_problems(
        self, name: str, parameter: Parameter, info: ValidationInfo
    ) -> Iterator[Problem]:
        """Hold every value the parameter names against the trial's field."""
        if parameter.choice is not None:
            named = {("choice",): list(parameter.choice)}
        else:
            named = {("low",): [parameter.low], ("high",): [parameter.high]}
        for where, values in named.items():
            for value in values:
                yield from field_problems(name, value, where, info)
        step = parameter.step
        if step is not None and self.is_integer(name) and step != round(step):
            yield wrong(["step"], step, f"must be a whole number; try {max(1, round(step))}")

    def _condition_problems(self, parameter: Parameter) -> Iterator[Problem]:
        for parent, values in parameter.when.items():
            if parent not in self.root:
                rule = f"is not in the space{did_you_mean(parent, self.root)}"
                yield Problem(where=(parent,), text=rule + "; conditions ask about parameters")
                continue
            for value in values:
                if not self.can_take(parent, value):
                    yield wrong([parent], value, f"{parent} never takes that value; remove it")

    def _cycle_problems(self) -> list[Problem]:
        try:
            list(self)
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            return [Problem(where=(), text=f"has conditions in a circle: {circle}; break it")]
        return []


def field_problems(
    name: str, value: Scalar, where: tuple[str, ...], info: ValidationInfo
) -> list[Problem]:
    """Return what is wrong with `value` for the trial's field `name`, told as if at `where`."""
    try:
        TrialSpec.model_validate({name: value}, context=info.context)
    except ValidationError as error:
        found = problems_of(error, TrialSpec)
        return [Problem(where=where, text=p.text) for p in found if p.where == (name,)]
    return []
