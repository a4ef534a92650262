import pytest

from spaces import SweepSpec
from tests.spaces.builders import sentences_of

SPACE = {
    "backbone": {"choice": ["custom_cnn", "resnet18"]},
    "dropout": {"low": 0.0, "high": 0.5},
    "augment_ops": {"low": 0, "high": 3},
    "width": {"choice": [8, 16], "when": {"backbone": "custom_cnn", "augment_ops": [1, 2]}},
}
FULL = {"backbone": "resnet18", "dropout": 0.25, "augment_ops": 0}
ONLY_WHERE = "is searched only where backbone is 'custom_cnn' and augment_ops is 1 or 2; set that"


def sentences(space: object = SPACE, **search: object) -> list[str]:
    raw = {"data": {"source": "synthetic:blood-cells"}, "space": space, "search": search}
    return [line.removeprefix("search.") for line in sentences_of(SweepSpec, raw)]


@pytest.mark.parametrize("sampler", ["gp", "nsga2", "qmc"])
def test_sampler_that_would_draw_conditional_parameters_at_random_is_refused(sampler):
    assert sentences(sampler=sampler) == [
        f"sampler is {sampler!r}, which draws what has conditions at random, and space.width has; "
        "try tpe"
    ]
    assert sentences({"dropout": SPACE["dropout"]}, sampler=sampler) == []


def test_grid_over_a_range_without_steps_is_refused_by_the_parameters_name():
    assert sentences(sampler="grid") == [
        "sampler is 'grid', which needs steps, but space.dropout has none; give it a step, or a "
        "choice"
    ]
    assert sentences({**SPACE, "dropout": {**SPACE["dropout"], "step": 0.1}}, sampler="grid") == []


def test_hyperband_whose_first_rung_lies_behind_the_last_epoch_is_refused():
    (line,) = sentences(pruner="hyperband", min_epochs=21)
    assert (
        line
        == "min_epochs is 21, but must be at most trial.epochs for hyperband, which is 20; try 20"
    )


@pytest.mark.parametrize(
    ("config", "starts"),
    [
        ({"dropot": 0.1}, ["dropot is not in the space; did you mean 'dropout'?"]),
        ({"ema": 0.9}, ["ema is not in the space; only what is searched stands here"]),
        ({"dropout": 0.6}, ["dropout is 0.6, but space.dropout never takes that value; remove it"]),
        ({"augment_ops": 1.5}, ["augment_ops is 1.5, but space.augment_ops never takes that val"]),
        ({"width": 8}, [f"width is 8, but {ONLY_WHERE} too, or remove it"]),
        (
            {"width": 8, "augment_ops": 0, "backbone": "custom_cnn"},
            [f"width is 8, but {ONLY_WHERE}"],
        ),
        ({"dropout": -1, "backbone": "vgg"}, ["dropout is -1, but", "backbone is 'vgg', but"]),
    ],
    ids=str,
)
def test_configuration_to_start_with_that_the_space_has_not_is_refused(config, starts):
    lines = sentences(start_with=[{}, config])
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"start_with.1.{start}")


def test_configuration_that_is_given_more_often_than_it_may_run_is_refused():
    line = "start_with.2 is given before, but search.repeat is 1; remove it"
    assert sentences(start_with=[FULL, {}, FULL]) == [line]
    assert sentences(start_with=[FULL, FULL], repeat=2) == []
    assert sentences(start_with=[{"dropout": 0.1}, {"dropout": 0.1}]) == []  # the rest may differ


def test_all_problems_of_search_and_space_are_told_at_once():
    assert (
        len(sentences(sampler="gp", start_with=[{"dropot": 1}], pruner="hyperband", min_epochs=99))
        == 3
    )
