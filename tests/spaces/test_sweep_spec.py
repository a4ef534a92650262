import pytest
from pydantic import ValidationError

from spaces import SearchSpec, SweepSpec, TrialSpec
from tests.spaces.builders import sentences_of, sweep_spec

NO_SHIFTS = "but needs trial.validation_views: shifts; set that or try val_balanced_accuracy"
TOO_LARGE = "is 65, but must be at most data.image_size, which is 64; try 64"
NO_WEIGHTS = "is true, but custom_cnn has no pretrained weights; try false, or leave custom_cnn out"
CLEAN = {"trial": {"validation_views": "clean"}}
EITHER = {"space": {"validation_views": {"choice": ["clean", "shifts"]}}}
BACKBONES = {"choice": ["custom_cnn", "resnet18"]}
TRUTHS = {"choice": [False, True]}
SWEEP = sweep_spec(trial={"epochs": 3}, space={"width": {"choice": [16, 32]}})


def sentences(**parts: object) -> list[str]:
    return sentences_of(SweepSpec, {"data": {"source": "synthetic:blood-cells"}, **parts})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("20m", 1200), ("1h30m", 5400), ("2h", 7200), ("1h 2m 3s", 3723), ("90m", 5400)],
)
def test_search_may_end_by_a_time_budget_in_hours_minutes_and_seconds_alone(text, seconds):
    assert SearchSpec(trials=None, time_budget=text).time_budget == seconds


@pytest.mark.parametrize("text", ["", " ", "20", "1:30", "1.5h", "m", "5m1h", "-3s", "20 minutes"])
def test_duration_in_another_form_is_refused_with_an_example(text):
    assert sentences(search={"time_budget": text}) == [
        f"search.time_budget is {text!r}, but must be a duration such as 45s, 20m or 1h30m; try 20m"
    ]


@pytest.mark.parametrize("budget", ["0s", 0, -3])
def test_time_budget_of_nothing_is_refused(budget):
    (line,) = sentences(search={"time_budget": budget})
    assert line.startswith(f"search.time_budget is {budget!r}, but must be above 0")
    assert not line.endswith("; try 0")


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many", None])
def test_max_concurrent_that_is_neither_is_refused_in_one_line(value):
    (line,) = sentences(resources={"max_concurrent": value})
    assert line.endswith("but must be auto or a whole number of at least 1; try auto")


@pytest.mark.parametrize("name", ["a b", "", "../up", ".hidden", "a/b", "-x", "a\n"])
def test_name_that_makes_no_folder_is_refused(name):
    (line,) = sentences(name=name)
    assert line.startswith(f"name is {name!r}, but must")
    assert line.endswith("; try 'blood-cells'")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (CLEAN, f"objective is 'robust_accuracy', {NO_SHIFTS}"),
        (EITHER, f"objective is 'robust_accuracy', {NO_SHIFTS}"),
        (CLEAN | {"objective": "shift_accuracy"}, f"objective is 'shift_accuracy', {NO_SHIFTS}"),
        ({"trial": {"image_size": 65}}, f"trial.image_size {TOO_LARGE}"),
        ({"space": {"image_size": {"choice": [None, 65]}}}, f"space.image_size {TOO_LARGE}"),
        ({"space": {"image_size": {"low": 32, "high": 65}}}, f"space.image_size {TOO_LARGE}"),
        ({"trial": {"pretrained": True}}, f"trial.pretrained {NO_WEIGHTS}"),
        (
            {"trial": {"pretrained": True}, "space": {"backbone": BACKBONES}},
            f"trial.pretrained {NO_WEIGHTS}",
        ),
        (
            {"space": {"pretrained": TRUTHS, "backbone": BACKBONES}},
            f"space.pretrained {NO_WEIGHTS}",
        ),
        (
            {"trial": {"epochs": 20}, "space": {"epochs": {"low": 1, "high": 3}}},
            "space.epochs is in both trial and space, but must be in one; remove it from the other",
        ),
        (
            {"search": {"target": 95}},
            "search.target is 95.0, but must be above 0 and at most 1, as robust_accuracy is a "
            "fraction; try 0.9",
        ),
        (
            {"search": {"trials": None, "target": 0.9, "plateau": 9}},
            "search.trials is null, but must be set where time_budget and trial_seconds are null, "
            "or the sweep never ends; try 64",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_where_they_stand(parts, sentence):
    assert sentences(**parts) == [sentence]


def test_pretrained_under_the_condition_of_another_backbone_is_fine():
    pretrained = TRUTHS | {"when": {"backbone": "resnet18"}}
    assert sentences(space={"backbone": BACKBONES, "pretrained": pretrained}) == []


def test_trial_spec_puts_searched_values_over_the_fixed_ones():
    assert SWEEP.trial_spec({"width": 16}) == TrialSpec(epochs=3, width=16)


@pytest.mark.parametrize(
    "part",
    [
        SWEEP,
        SWEEP.data,
        SWEEP.data.split,
        SWEEP.space["width"],
        SWEEP.trial,
        SWEEP.search,
        SWEEP.resources,
    ],
    ids=lambda part: type(part).__name__,
)
def test_sweep_is_frozen_in_every_part(part):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, next(iter(type(part).model_fields)), 1)


@pytest.mark.parametrize(
    ("trial", "space"),
    [
        ({"frozen_epochs": 20}, {}),
        ({}, {"frozen_epochs": {"choice": [0, 30]}}),
        ({"frozen_epochs": 30}, {"backbone": BACKBONES,
                                 "epochs": {"choice": [50], "when": {"backbone": "resnet18"}}}),
        ({"stem_stride": 2}, {"output_stride": {"choice": [2, 4]}, "tta": {"choice": ["none"]}}),
        ({"pretrained": True, "backbone": "resnet18", "weights": "w"}, {}),
    ],
    ids=["frozen", "frozen by choice", "frozen where epochs is inactive", "tta", "two weights"],
)  # fmt: skip
def test_fields_that_can_never_go_together_are_refused(trial, space):
    assert len(sentences(trial=trial, space=space)) == 1


@pytest.mark.parametrize(
    ("trial", "space"),
    [
        ({}, {"epochs": {"choice": [5, 20]},
              "frozen_epochs": {"choice": [6], "when": {"epochs": 20}}}),
        ({"backbone": "resnet18"}, {"pretrained": TRUTHS,
                                    "weights": {"choice": ["w"], "when": {"pretrained": False}}}),
        ({"output_stride": 2}, {"backbone": BACKBONES,
                                "stem_stride": {"choice": [2], "when": {"backbone": "resnet18"}}}),
    ],
)  # fmt: skip
def test_fields_that_conditions_keep_apart_are_allowed(trial, space):
    assert sentences(trial=trial, space=space) == []


def test_combinations_are_those_of_the_parameters_that_are_active_together():
    when = {"dropout": {"low": 0.1, "high": 0.3, "when": {"backbone": "resnet18"}}}
    sweep = sweep_spec(trial={"epochs": 3}, space={"backbone": BACKBONES} | when)
    assert sweep.combinations(["dropout", "epochs"]) == [
        {"dropout": 0.0, "epochs": 3},
        {"dropout": 0.1, "epochs": 3},
        {"dropout": 0.3, "epochs": 3},
    ]
