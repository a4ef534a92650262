import math

import pytest

from spaces import SearchSpace, TrialSpec
from tests.spaces.builders import search_space, sentences_of


def sentences(**parameters: object) -> list[str]:
    return sentences_of(SearchSpace, parameters)


OPS, ONE, HALF = {"low": 0, "high": 3}, {"choice": [16]}, {"low": 0, "high": 0.5}
MAGNITUDE = {"low": 1, "high": 30, "when": {"augment_ops": [1, 2, 3]}}


@pytest.mark.parametrize(
    ("parameters", "order"),
    [
        ({"width": ONE, "dropout": HALF, "epochs": ONE}, ["width", "dropout", "epochs"]),
        (
            {"dropout": HALF | {"when": {"augment_magnitude": [1]}},
             "augment_magnitude": MAGNITUDE, "augment_ops": OPS},
            ["augment_ops", "augment_magnitude", "dropout"],
        ),
    ],
    ids=["as in the file", "behind what it asks about"],
)  # fmt: skip
def test_iteration_keeps_the_files_order_but_for_conditions(parameters, order):
    assert list(search_space(**parameters)) == order


@pytest.mark.parametrize(
    ("name", "decided", "active"),
    [
        ("augment_magnitude", {}, False),
        ("augment_magnitude", {"augment_ops": 0}, False),
        ("augment_magnitude", {"augment_ops": 3}, True),
        ("dropout", {"augment_ops": 1, "flips": True}, True),
        ("dropout", {"augment_ops": 1, "flips": False}, False),
    ],
    ids=str,
)
def test_parameter_is_active_only_under_all_its_conditions(name, decided, active):
    dropout = HALF | {"when": {"augment_ops": 1, "flips": True}}
    flips = {"choice": [True, False]}
    parameters = {"augment_ops": OPS, "augment_magnitude": MAGNITUDE, "flips": flips}
    assert search_space(**parameters, dropout=dropout).is_active(name, decided) is active


def test_is_integer_goes_by_the_type_of_the_trials_field():
    space = search_space()
    assert {name for name in TrialSpec.model_fields if space.is_integer(name)} == {
        "width", "stem_stride", "output_stride", "head_width", "head_layers", "image_size",
        "epochs", "frozen_epochs", "batch_size", "plateau_patience", "early_stopping",
        "augment_ops",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameter", "start"),
    [
        ("epochs", {"low": 2.5, "high": 9}, "low is 2.5, but must be a whole number"),
        ("epochs", {"low": 1, "high": 2.5}, "high is 2.5, but must be a whole number"),
        ("epochs", {"low": 1, "high": 9, "step": 2.5}, "step is 2.5, but must be a whole number"),
        ("dropout", {"low": -0.1, "high": 0.5}, "low is -0.1, but must be at least 0"),
        ("dropout", {"low": 0, "high": 1}, "high is 1, but must be below 1"),
        ("augment_ops", {"low": 0, "high": 9}, "high is 9, but must be at most 8"),
        ("epochs", {"choice": [1, 0]}, "choice is 0, but must be at least 1"),
        ("optimizer", {"choice": ["rms"]}, "choice is 'rms', but must be 'adam', "),
        ("flips", {"low": 0, "high": 1}, "low is 0, but must be true or false"),
        ("backbone", {"choice": [None]}, "choice is null, but must be text"),
    ],
)
def test_value_that_the_field_does_not_take_is_refused_at_its_place(name, parameter, start):
    assert sentences(**{name: parameter})[0].startswith(f"{name}.{start}")


def test_both_ends_of_a_fields_range_may_be_searched():
    assert sentences(augment_ops={"low": 0, "high": 8}, width={"low": 4, "high": 512}) == []


@pytest.mark.parametrize(
    ("when", "start"),
    [
        ({"augment_op": 1}, "augment_op is not in the space; did you mean 'augment_ops'?; condi"),
        ({"augment_ops": [1, 4]}, "augment_ops is 4, but augment_ops never takes that value; rem"),
        ({"augment_ops": 1.5}, "augment_ops is 1.5, but augment_ops never takes that value; rem"),
        ({"backbone": "resnet18"}, "backbone is 'resnet18', but backbone never takes that value;"),
    ],
)
def test_condition_that_can_never_hold_is_refused(when, start):
    backbone = {"choice": ["custom_cnn"]}
    (line,) = sentences(augment_ops=OPS, backbone=backbone, dropout=HALF | {"when": when})
    assert line.startswith(f"dropout.when.{start}")


def test_conditions_in_a_circle_are_refused_by_name():
    dropout, width = {"choice": [0.1], "when": {"width": 16}}, ONE | {"when": {"dropout": 0.1}}
    (line,) = sentences(dropout=dropout, width=width)
    assert line.startswith("has conditions in a circle: ")
    assert {"dropout", "width"} < set(line.replace(";", "").split())


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, 1),
        ({"augment_ops": OPS}, 4),
        ({"augment_ops": OPS, "width": {"choice": [8, 16], "when": {"augment_ops": [2, 3]}}}, 6),
        ({"epochs": {"low": 1, "high": 8, "step": 3}, "dropout": {"choice": [0.0, 0.5]}}, 6),
        ({"dropout": {"low": 0.0, "high": 0.5, "step": 0.2}}, 3),
        ({"dropout": {"low": 0.2, "high": 0.2}}, 1),
        ({"dropout": HALF}, math.inf),
        ({"augment_ops": OPS, "augment_magnitude": MAGNITUDE}, math.inf),
        ({"dropout": HALF, "width": ONE | {"when": {"dropout": 0.25}}}, math.inf),
        ({name: {"low": 5, "high": 504} for name in ("width", "head_width", "epochs")}, 500**3),
    ],
    ids=str,
)
def test_size_is_the_number_of_configurations_that_differ(parameters, size):
    assert search_space(**parameters).size() == size


@pytest.mark.parametrize(
    ("parameter", "taken", "refused"),
    [
        ({"low": 0.0, "high": 0.6}, [0, 0.6, 0.3], [-0.1, 0.7, "0.3", True, None]),
        ({"low": 0.0, "high": 0.6, "step": 0.1}, [0.0, 3 * 0.1, 0.6], [0.25]),
        ({"choice": [0, 0.5]}, [0, 0.0, 0.5], [False, 0.25, "0"]),
    ],
)
def test_parameter_takes_what_lies_in_it_on_its_grid_and_of_its_kind(parameter, taken, refused):
    space = search_space(dropout=parameter)
    assert [v for v in [*taken, *refused] if space.can_take("dropout", v)] == taken
