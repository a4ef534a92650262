"""One thing that is wrong with a specification, and how pydantic's findings become one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from spaces.errors import did_you_mean

_MAX_SHOWN = 60

Location = tuple[str | int, ...]

# pydantic's last part of the path to a key of a mapping that is not of the key's type
_KEY = "[key]"
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong in one place of a specification."""

    where: Location
    """Path of keys from the top of the specification."""
    text: str
    """The rest of the sentence: value, rule and remedy."""

    def __str__(self) -> str:
        """Return the whole sentence, as `trial.epochs is 0, but must be at least 1; try 1`."""
        return f"{'.'.join(str(part) for part in self.where)} {self.text}".strip()

    def under(self, *prefix: str | int) -> "Problem":
        """Return the same problem seen from a specification that holds this one at `prefix`."""
        return Problem(where=(*prefix, *self.where), text=self.text)


def wrong(where: Iterable[str | int], value: object, rule: str) -> Problem:
    """Return the problem that `value` breaks `rule` (`"must be ...; try ..."`)."""
    return Problem(where=tuple(where), text=f"is {show(value)}, but {rule}")


def show(value: object) -> str:
    """Return `value` as a user would write it, at most 60 characters of it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def problems_error(problems: list[Problem]) -> PydanticCustomError:
    """Return the error by which a model's own check hands several problems to pydantic."""
    text = "; ".join(str(problem) for problem in problems).replace("{", "(").replace("}", ")")
    return PydanticCustomError("problems", text, {"problems": problems})


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return every problem in a pydantic error raised while `model` was validated."""
    return [problem for details in error.errors() for problem in _describe(details, model)]


def _describe(details: ErrorDetails, model: type[BaseModel]) -> Iterator[Problem]:
    where, kind = details["loc"], details["type"]
    if kind == "problems":
        yield from (problem.under(*where) for problem in details["ctx"]["problems"])
    elif kind == "invalid_key" or where[-1:] == (_KEY,):
        text = "is a key that is no text, but must be a name; put it in quotes, or take it out"
        yield Problem(where=where[:-1] if where[-1] == _KEY else where, text=text)
    elif kind == "missing":
        yield Problem(where=where, text="is missing, but is required; add it")
    elif kind == "extra_forbidden":
        known = list(_owner(model, where).model_fields)
        hint = did_you_mean(str(where[-1]), known) or f"; known are {', '.join(known)}"
        yield Problem(where=where, text=f"is not a known key{hint}")
    else:
        yield wrong(where, details["input"], _rule(details, _example(model, where)))


def _rule(details: ErrorDetails, example: object) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        # The bound itself is a remedy only where it is allowed.
        remedy = context[key] if example is None and key in ("ge", "le") else example
        return f"must be {words} {context[key]:g}" + _try(remedy)
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        return f"must be {context['expected']}" + did_you_mean(str(details["input"]), options)
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "int_from_float":
        example = round(details["input"])
    if kind == "value_error":
        return str(context["error"])
    return f"must be {_KINDS.get(kind) or _plain(details)}" + _try(example)


def _try(example: object) -> str:
    return "" if example is None else f"; try {show(example)}"


def _plain(details: ErrorDetails) -> str:
    """Return pydantic's own words for a rule that has none here."""
    words = details["msg"].replace("String should match", "text that matches")
    return words.removeprefix("Input should be ")


def _owner(model: type[BaseModel], where: Location) -> type[BaseModel]:
    """Return the model that holds the last key of `where`."""
    for part in where[:-1]:
        field = model.model_fields.get(str(part)) or model.model_fields.get("root")
        inner = next(_models_in(field.annotation), None) if field else None
        model = inner or model
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:  # Any: a type annotation has no type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _example(model: type[BaseModel], where: Location) -> object:
    """Return a valid value for the field at `where`: its example, else its default, else None."""
    field = _owner(model, where).model_fields.get(str(where[-1])) if where else None
    if field is None:
        return None
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return field.examples[0] if field.examples else _scalar(default)


def _scalar(value: object) -> object:
    return value if isinstance(value, (bool, int, float, str)) else None
