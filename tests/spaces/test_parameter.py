import pytest

from spaces import Parameter
from tests.spaces.builders import sentences_of


def sentences(**raw: object) -> list[str]:
    return sentences_of(Parameter, raw)


@pytest.mark.parametrize(
    "raw",
    [
        {"choice": [1]}, {"choice": ["a", "b"]}, {"choice": [None, 32]}, {"choice": [True, 1]},
        {"low": 0, "high": 0}, {"low": 0.0, "high": 0.6}, {"low": 0, "high": 9, "step": 3},
        {"low": 1e-4, "high": 1e-2, "log": True},
    ],
    ids=str,
)  # fmt: skip
def test_parameter_takes_a_choice_or_a_range(raw):
    assert sentences(**raw) == []


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, "must give either choice, or low and high"),
        ({"low": 1}, "must give either choice, or low and high"),
        ({"high": 1}, "must give either choice, or low and high"),
        ({"choice": 3}, "choice is 3, but must be a list"),
        ({"choice": []}, "choice is [], but must hold at least one value; add one"),
        (
            {"choice": [2, 2]},
            "choice is [2, 2], but must not repeat a value; remove the second one",
        ),
        ({"low": 0.5, "high": 0.1}, "low is 0.5, but must be at most high, which is 0.1; try 0.1"),
        (
            {"low": 0, "high": 1, "log": True},
            "low is 0, but must be above 0 where log is true; try 1.0e-4 or log: false",
        ),
        (
            {"low": 1, "high": 2, "log": True, "step": 1},
            "step is 1, but must not stand beside log: true; keep one of the two",
        ),
        ({"low": 0, "high": 1, "stpe": 1}, "stpe is not a known key; did you mean 'step'?"),
    ],
)
def test_parameter_that_fits_neither_kind_is_refused_with_a_reason(raw, sentence):
    assert sentences(**raw) == [sentence]


@pytest.mark.parametrize("extra", [{"low": 0}, {"high": 1}, {"step": 1}, {"log": True}], ids=str)
def test_choice_beside_a_part_of_a_range_is_refused(extra):
    (line,) = sentences(choice=[1, 2], **extra)
    assert line.endswith("must not stand beside low, high, step or log; keep one of the two")


def test_range_with_several_problems_names_them_all():
    lines = sentences(low=0, high=-1, log=True, step=1)
    assert [line.split()[0] for line in lines] == ["low", "low", "step"]


@pytest.mark.parametrize(("given", "kept"), [(2, [2]), ([1, 2], [1, 2]), (None, [None]), ([], [])])
def test_condition_on_one_value_is_a_list_of_one(given, kept):
    parameter = Parameter.model_validate({"low": 0, "high": 1, "when": {"augment_ops": given}})
    assert parameter.when == {"augment_ops": kept}
