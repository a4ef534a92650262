"""One dimension of a search space: a list of choices or a range of numbers."""

import math
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainValidator, model_validator

from spaces.data_spec import FROZEN
from spaces.problem import Problem, problems_error, wrong

Scalar = bool | int | float | str | None

_NEAR = 1e-8  # of a step, as Optuna has it


def _check_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


def _check_scalar(value: object) -> object:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be a number, a text, true, false or null")
    return value


Number = Annotated[int | float, PlainValidator(_check_number)]
"""A number that stays whole where it was written so."""

Choice = Annotated[Scalar, PlainValidator(_check_scalar)]
"""One of the values of a choice."""


class Parameter(BaseModel):
    """The values that one field of a trial may take.

    Either `choice`, or `low` and `high` (both included) with an optional `log` or `step`.
    """

    model_config = FROZEN

    choice: tuple[Choice, ...] | None = Field(None, strict=False)
    """The values to choose from; unordered."""
    low: Number | None = None
    """The smallest value."""
    high: Number | None = None
    """The largest value."""
    step: Number | None = None
    """Distance between neighbouring values, from `low` on; null for no grid."""
    log: bool = False
    """Whether to search on a logarithmic scale."""
    when: dict[str, Any] = Field(default_factory=dict)  # Any: one value or a list of values
    """Other parameters and the values of theirs under which this one is searched at all."""

    def size(self, *, is_integer: bool) -> float:
        """Return the number of values; infinite for a range of fractions without steps."""
        if self.choice is not None:
            return len(self.choice)
        step = self.step or (1 if is_integer else None)
        if self.low == self.high or step is None:
            return 1 if self.low == self.high else math.inf
        low, high = Decimal(str(self.low)), Decimal(str(self.high))
        return int((high - low) // Decimal(str(step))) + 1

    def holds(self, value: Scalar, *, is_integer: bool) -> bool:
        """Return whether `value` is one of the values."""
        if self.choice is not None:
            alike = [v for v in self.choice if isinstance(v, bool) == isinstance(value, bool)]
            return value in alike
        assert self.low is not None and self.high is not None  # a Parameter is a choice or a range
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        step = self.step or (1 if is_integer else None)
        steps = (value - self.low) / step if step else 0.0
        return abs(steps - round(steps)) < _NEAR and self.low <= value <= self.high

    @model_validator(mode="before")
    @classmethod
    def _list_the_conditions(cls, raw: Any) -> Any:  # Any: whatever the file held
        if not isinstance(raw, dict) or not isinstance(raw.get("when"), dict):
            return raw
        as_lists = {
            name: list(values) if isinstance(values, (list, tuple)) else [values]
            for name, values in raw["when"].items()
        }
        return {**raw, "when": as_lists}

    @model_validator(mode="after")
    def _is_one_kind(self) -> "Parameter":
        problems = self._choice_problems() if self.choice is not None else self._range_problems()
        if problems:
            raise problems_error(problems)
        return self

    def _choice_problems(self) -> list[Problem]:
        problems = []
        if {"low", "high", "step", "log"} & self.model_fields_set:
            rule = "must not stand beside low, high, step or log; keep one of the two"
            problems.append(wrong(["choice"], self.choice, rule))
        if not self.choice:
            problems.append(wrong(["choice"], [], "must hold at least one value; add one"))
        elif len({(type(value), value) for value in self.choice}) < len(self.choice):
            rule = "must not repeat a value; remove the second one"
            problems.append(wrong(["choice"], list(self.choice), rule))
        return problems

    def _range_problems(self) -> list[Problem]:
        if self.low is None or self.high is None:
            return [Problem(where=(), text="must give either choice, or low and high")]
        problems = []
        if self.low > self.high:
            rule = f"must be at most high, which is {self.high}; try {self.high}"
            problems.append(wrong(["low"], self.low, rule))
        if self.log and self.low <= 0:
            rule = "must be above 0 where log is true; try 1.0e-4 or log: false"
            problems.append(wrong(["low"], self.low, rule))
        if self.step is not None and self.step <= 0:
            problems.append(wrong(["step"], self.step, "must be above 0; try null"))
        if self.log and self.step is not None:
            rule = "must not stand beside log: true; keep one of the two"
            problems.append(wrong(["step"], self.step, rule))
        return problems
