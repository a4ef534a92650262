import pytest

from spaces import SearchSpace, TrialSpec
from tests.spaces.builders import search_space, sentences_of


def sentences(**parameters: object) -> list[str]:
    return sentences_of(SearchSpace, parameters)


OPS = {"low": 0, "high": 3}
MAGNITUDE = {"low": 1, "high": 30, "when": {"augment_ops": [1, 2, 3]}}


def test_iteration_keeps_the_files_order_without_conditions():
    names = ["width", "dropout", "backbone", "epochs"]
    parameters = {"width": {"choice": [16]}, "dropout": {"low": 0, "high": 0.5}}
    parameters |= {"backbone": {"choice": ["custom_cnn"]}, "epochs": {"low": 1, "high": 2}}
    assert list(search_space(**parameters)) == names


def test_iteration_puts_every_parameter_after_those_it_asks_about():
    space = search_space(
        dropout={"low": 0, "high": 0.5, "when": {"augment_magnitude": [1]}},
        augment_magnitude=MAGNITUDE,
        augment_ops=OPS,
    )
    assert list(space) == ["augment_ops", "augment_magnitude", "dropout"]


@pytest.mark.parametrize(
    ("decided", "active"),
    [
        ({"augment_ops": 0}, False),
        ({"augment_ops": 1}, True),
        ({"augment_ops": 3}, True),
        ({}, False),
    ],
    ids=str,
)
def test_parameter_is_active_only_under_its_condition(decided, active):
    space = search_space(augment_ops=OPS, augment_magnitude=MAGNITUDE)
    assert space.is_active("augment_magnitude", decided) is active


@pytest.mark.parametrize(
    ("decided", "active"),
    [({"augment_ops": 1, "flips": True}, True), ({"augment_ops": 1, "flips": False}, False)],
    ids=str,
)
def test_parameter_with_two_conditions_needs_both(decided, active):
    conditions = {"augment_ops": 1, "flips": True}
    space = search_space(
        augment_ops=OPS,
        flips={"choice": [True, False]},
        dropout={"low": 0, "high": 0.5, "when": conditions},
    )
    assert space.is_active("dropout", decided) is active


def test_is_integer_goes_by_the_type_of_the_trials_field():
    space = search_space()
    assert {name for name in TrialSpec.model_fields if space.is_integer(name)} == {
        "width", "stem_stride", "output_stride", "head_width", "head_layers", "image_size",
        "epochs", "frozen_epochs", "batch_size", "plateau_patience", "early_stopping",
        "augment_ops",
    }  # fmt: skip


@pytest.mark.parametrize("end", ["low", "high", "step"])
def test_integer_field_takes_no_fraction_at_either_end_or_as_a_step(end):
    (line,) = sentences(epochs={"low": 1, "high": 9, "step": 2, end: 2.5})
    assert line.startswith(f"epochs.{end} is 2.5, but must be a whole number")


@pytest.mark.parametrize(
    ("name", "parameter", "start"),
    [
        ("dropout", {"low": -0.1, "high": 0.5}, "dropout.low is -0.1, but must be at least 0"),
        ("dropout", {"low": 0, "high": 1}, "dropout.high is 1, but must be below 1"),
        ("augment_ops", {"low": 0, "high": 9}, "augment_ops.high is 9, but must be at most 8"),
        ("epochs", {"choice": [1, 0]}, "epochs.choice is 0, but must be at least 1"),
        ("optimizer", {"choice": ["rms"]}, "optimizer.choice is 'rms', but must be 'adam', "),
        ("flips", {"low": 0, "high": 1}, "flips.low is 0, but must be true or false"),
        ("backbone", {"choice": [None]}, "backbone.choice is null, but must be text"),
    ],
)
def test_value_that_the_field_does_not_take_is_refused_at_its_place(name, parameter, start):
    assert sentences(**{name: parameter})[0].startswith(start)


def test_both_ends_of_a_fields_range_may_be_searched():
    assert sentences(augment_ops={"low": 0, "high": 8}, width={"low": 4, "high": 512}) == []


@pytest.mark.parametrize(
    ("when", "line"),
    [
        (
            {"augment_op": 1},
            "dropout.when.augment_op is not in the space; did you mean 'augment_ops'?"
            "; conditions ask about parameters",
        ),
        (
            {"augment_ops": [1, 4]},
            "dropout.when.augment_ops is 4, but augment_ops never takes that value; remove it",
        ),
        (
            {"backbone": "resnet18"},
            "dropout.when.backbone is 'resnet18', but backbone never takes that value; remove it",
        ),
    ],
)
def test_condition_that_can_never_hold_is_refused(when, line):
    backbone = {"choice": ["custom_cnn"]}
    dropout = {"low": 0, "high": 0.5, "when": when}
    assert sentences(augment_ops=OPS, backbone=backbone, dropout=dropout) == [line]


def test_condition_on_a_fraction_of_an_integer_is_refused():
    assert sentences(augment_ops=OPS, dropout={"low": 0, "high": 0.5, "when": {"augment_ops": 1.5}})


def test_conditions_in_a_circle_are_refused_by_name():
    lines = sentences(
        dropout={"choice": [0.1], "when": {"width": 16}},
        width={"choice": [16], "when": {"dropout": 0.1}},
    )
    assert len(lines) == 1
    assert lines[0].startswith("has conditions in a circle: ")
    assert {"dropout", "width"} < set(lines[0].replace(";", "").split())
