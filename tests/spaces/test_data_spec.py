import pytest

from spaces import DataSpec
from tests.spaces.builders import sentences_of


def sentences(**raw: object) -> list[str]:
    return sentences_of(DataSpec, {"source": "cells.parquet", **raw})


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        ({"source": 5}, "source is 5, but must be text"),
        ({"source": ""}, "source is '', but must not be empty"),
        ({"image_size": 7}, "image_size is 7, but must be at least 16; try 64"),
        ({"image_size": 1025}, "image_size is 1025, but must be at most 1024; try 64"),
        ({"image_size": 64.0}, "image_size is 64.0, but must be a whole number; try 64"),
        ({"split": {"seed": -1}}, "split.seed is -1, but must be at least 0; try 0"),
        ({"split": {"tests": 0.1}}, "split.tests is not a known key; did you mean 'test'?"),
        ({"split": {"validation": 0.0}}, "split.validation is 0.0, but must be above 0; try 0.125"),
        ({"split": {"validation": 1.0}}, "split.validation is 1.0, but must be below 1; try 0.125"),
        (
            {"split": {"validation": 0.5, "test": 0.5}},
            "split.test is 0.5, but must be below 0.5 beside validation; try ",
        ),
        (
            {"split": {"validation": 0.5, "test": 0.75}},
            "split.test is 0.75, but must be below 0.5 beside validation; try ",
        ),
    ],
)
def test_value_outside_the_rule_is_refused_with_a_remedy_in_our_words(raw, start):
    (line,) = sentences(**raw)
    assert line.startswith(start)
    assert "Pydantic" not in line


@pytest.mark.parametrize("validation", [0.8, 0.9, 0.99])
def test_remedy_for_too_large_a_test_part_is_itself_valid(validation):
    (line,) = sentences(split={"validation": validation, "test": 0.6})
    remedy = float(line.rpartition("try ")[2])
    assert sentences(split={"validation": validation, "test": remedy}) == []
