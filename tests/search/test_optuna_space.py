import optuna
import pytest
from optuna.samplers import GridSampler, RandomSampler

from search.optuna_space import suggest
from tests.search.builders import SPACE, sweep_spec
from tests.spaces.builders import search_space

RANGES = {
    "float": ("dropout", {"low": 0.0, "high": 0.6}, 0.0, 0.6),
    "float from an int": ("augment_magnitude", {"low": 1, "high": 30}, 1.0, 30.0),
    "float on a log scale": ("learning_rate", {"low": 1e-4, "high": 1e-2, "log": True}, 1e-4, 1e-2),
    "float with a step": ("dropout", {"low": 0.0, "high": 0.6, "step": 0.2}, 0.0, 0.6),
    "int": ("augment_ops", {"low": 0, "high": 3}, 0, 3),
    "int on a log scale": ("head_width", {"low": 1, "high": 1024, "log": True}, 1, 1024),
    "int with a step": ("width", {"low": 16, "high": 64, "step": 16}, 16, 64),
    "one value": ("epochs", {"low": 5, "high": 5}, 5, 5),
    "choice of words": ("optimizer", {"choice": ["adam", "adamw"]}, "adam", "adamw"),
    "choice with nothing": ("image_size", {"choice": [None, 32]}, None, 32),
    "choice of truths": ("flips", {"choice": [True, False]}, True, False),
    "choice of numbers": ("dropout", {"choice": [0, 0.5]}, 0, 0.5),
}


def ask(space, sampler):
    """Return what `sampler` suggests for `space`, and Optuna's trial."""
    trial = optuna.create_study(sampler=sampler).ask()
    return suggest(trial, search_space(**space)), trial


def drawn(space, number=40):
    """Return `number` random suggestions for `space`."""
    study = optuna.create_study(sampler=RandomSampler(0))
    return [suggest(study.ask(), search_space(**space)) for _ in range(number)]


@pytest.mark.parametrize("end", [2, 3], ids=["first", "last"])
@pytest.mark.parametrize("case", RANGES)
def test_range_keeps_the_value_and_the_type_at_both_ends(case, end):
    name, parameter = RANGES[case][:2]
    wanted = RANGES[case][end]
    params, trial = ask({name: parameter}, GridSampler({name: [wanted]}))
    assert params == trial.params == {name: wanted}
    assert type(params[name]) is type(wanted)


@pytest.mark.parametrize(
    ("name", "parameter", "values"),
    [
        ("augment_ops", {"low": 0, "high": 3}, {0, 1, 2, 3}),
        ("width", {"low": 16, "high": 64, "step": 16}, {16, 32, 48, 64}),
        ("optimizer", {"choice": ["adam", "adamw"]}, {"adam", "adamw"}),
    ],
)
def test_random_sampler_reaches_every_value(name, parameter, values):
    # The odds that 40 draws of 4 values miss one are 4 * 0.75**40 = 4e-5, and the seed is fixed.
    assert {params[name] for params in drawn({name: parameter})} == values


def test_suggestion_asks_only_under_conditions_and_makes_a_trial():
    for params in drawn(SPACE):
        assert ("augment_magnitude" in params) == (params["augment_ops"] > 0)
        sweep_spec(space=SPACE).trial_spec(params)
