import pytest
from pydantic import BaseModel, Field, model_validator

from spaces.data_spec import FROZEN
from spaces.problem import problems_error, show, wrong
from tests.spaces.builders import sentences_of


class Inner(BaseModel):
    model_config = FROZEN

    rate: float = Field(0.5, ge=0, lt=1, examples=[0.25])
    count: int = Field(4, ge=1, le=8)
    kind: str = "a"
    on: bool = True

    @model_validator(mode="after")
    def _counts_fit(self) -> "Inner":
        if self.count == 7:
            raise problems_error([wrong(["count"], 7, "must be even; try {8}"), wrong([], 7, "no")])
        return self


class Outer(BaseModel):
    model_config = FROZEN

    inner: Inner = Inner()
    many: tuple[int, ...] = Field((), strict=False)


def sentences(raw: object) -> list[str]:
    return sentences_of(Outer, raw)


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ({"rate": 1.5}, "inner.rate is 1.5, but must be below 1; try 0.25"),
        ({"rate": -1}, "inner.rate is -1, but must be at least 0; try 0.25"),
        ({"rate": "x"}, "inner.rate is 'x', but must be a number; try 0.25"),
        ({"rate": float("nan")}, "inner.rate is nan, but must be a finite number; try 0.25"),
        ({"count": 0}, "inner.count is 0, but must be at least 1; try 4"),
        ({"count": 9}, "inner.count is 9, but must be at most 8; try 4"),
        ({"count": 2.5}, "inner.count is 2.5, but must be a whole number; try 4"),
        ({"count": True}, "inner.count is true, but must be a whole number; try 4"),
        ({"kind": None}, "inner.kind is null, but must be text; try 'a'"),
        ({"on": "yes"}, "inner.on is 'yes', but must be true or false; try true"),
        ({"knd": 1}, "inner.knd is not a known key; did you mean 'kind'?"),
        ({"zzz": 1}, "inner.zzz is not a known key; known are rate, count, kind, on"),
    ],
)
def test_problem_of_a_field_names_it_its_value_the_rule_and_the_remedy(inner, sentence):
    assert sentences({"inner": inner}) == [sentence]


def test_problems_of_a_models_own_check_are_placed_under_it_braces_and_all():
    assert sentences({"inner": {"count": 7}}) == [
        "inner.count is 7, but must be even; try {8}",
        "inner is 7, but no",
    ]


def test_problem_under_a_prefix_moves_without_changing_the_first():
    first = wrong(["high"], 2, "must be below 1; try 0.5")
    moved = first.under("space", "dropout")
    assert str(moved) == "space.dropout.high is 2, but must be below 1; try 0.5"
    assert first.where == ("high",)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, "null"), (1, "1"), (0, "0"), (1e-4, "0.0001"),
     ("x" * 58, f"'{'x' * 58}'"), ("x" * 59, f"'{'x' * 56}..."),
     ([1, "b"], "[1, 'b']"), ({}, "{}"), ("a", "'a'")],
)  # fmt: skip
def test_show_writes_a_value_as_the_user_would_in_60_characters(value, text):
    assert show(value) == text
