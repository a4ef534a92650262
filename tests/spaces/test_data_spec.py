import pytest
from pydantic import ValidationError

from spaces import DataSpec, SplitSpec
from tests.spaces.builders import sentences_of


def sentences(**raw: object) -> list[str]:
    return sentences_of(DataSpec, {"source": "cells.parquet", **raw})


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"image_size": 7}, "image_size is 7, but must be at least 16; try 64"),
        ({"image_size": 1025}, "image_size is 1025, but must be at most 1024; try 64"),
        ({"image_size": 64.0}, "image_size is 64.0, but must be a whole number; try 64"),
        ({"split": {"seed": -1}}, "split.seed is -1, but must be at least 0; try 0"),
        ({"split": {"tests": 0.1}}, "split.tests is not a known key; did you mean 'test'?"),
    ],
)
def test_value_outside_the_rule_is_refused_with_a_remedy(raw, line):
    assert sentences(**raw) == [line]


@pytest.mark.parametrize(
    ("split", "start", "end"),
    [
        ({"validation": 0.0}, "validation is 0.0, but must be ", "; try 0.125"),
        ({"validation": 1.0}, "validation is 1.0, but must be ", "; try 0.125"),
        ({"validation": -0.1}, "validation is -0.1, but must be ", "; try 0.125"),
        ({"validation": 0.5, "test": 0.5}, "test is 0.5, but must be below 0.5 beside valid", ""),
        ({"validation": 0.5, "test": 0.75}, "test is 0.75, but must be below 0.5 beside val", ""),
    ],
)
def test_validation_and_test_must_leave_images_to_train_on(split, start, end):
    (line,) = sentences(split=split)
    assert line.startswith(f"split.{start}")
    assert line.endswith(end)
    assert "; try " in line


@pytest.mark.parametrize("validation", [0.8, 0.9, 0.99])
def test_remedy_for_too_large_a_test_part_is_itself_valid(validation):
    (line,) = sentences(split={"validation": validation, "test": 0.6})
    remedy = float(line.rpartition("try ")[2])
    assert sentences(split={"validation": validation, "test": remedy}) == []


@pytest.mark.parametrize(
    ("source", "rule"), [(5, "must be text"), ("", "must not be empty")], ids=["number", "empty"]
)
def test_source_that_is_no_text_is_refused_without_words_of_pydantic(source, rule):
    (line,) = sentences(source=source)
    assert line.startswith(f"source is {source!r}, but {rule}")
    assert "Pydantic" not in line


@pytest.mark.parametrize("spec", [DataSpec(source="a"), SplitSpec()])
def test_specification_is_frozen(spec):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec, next(iter(type(spec).model_fields)), "b")
