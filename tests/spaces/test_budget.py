import pytest

from spaces import all_run, met_budget, remaining_s, trials_per_hour
from tests.spaces.builders import sweep_spec, trial_record

RECORDS = [
    trial_record(0, objective=0.5),
    trial_record(1, objective=0.75),
    trial_record(2, "PRUNED", objective=0.25),
    trial_record(3, "FAILED", objective=None),
    trial_record(4, "RUNNING", objective=0.625, seconds=None),
]
"""Sixteen seconds of trials together."""


def met(elapsed_s=60.0, objective="val_accuracy", records=RECORDS, **search):
    return met_budget(sweep_spec(search=search, objective=objective), records, elapsed_s)


@pytest.mark.parametrize(
    ("search", "text", "more"),
    [
        ({"time_budget": 60}, "search.time_budget of 60 s is spent", "search.time_budget=120"),
        ({"trial_seconds": 16}, "search.trial_seconds of 16 s is spent", "search.trial_seconds=32"),
        (
            {"target": 0.75}, "search.target 0.75 is met: trial 1 has val_accuracy 0.75",
            "search.target=null",
        ),
        (
            {"plateau": 1}, "search.plateau is met: 1 trials after 1 were no better",
            "search.plateau=2",
        ),
        ({"time_budget": 60, "plateau": 1}, "search.time_budget of 60 s is spent", None),
    ],
    ids=["time", "trial seconds", "target", "plateau", "first of two"],
)  # fmt: skip
def test_budget_that_is_met_says_by_what_and_how_to_go_on(search, text, more):
    found = met(**search)
    assert found.text == text
    assert more is None or found.more == more


@pytest.mark.parametrize(
    "search",
    [{}, {"time_budget": 61}, {"trial_seconds": 17}, {"target": 0.76}, {"plateau": 2}],
    ids=["none", "time", "trial seconds", "target", "failed and running trials are no plateau"],
)
def test_budget_that_is_not_met_lets_the_sweep_go_on(search):
    assert met(**search) is None


def test_target_of_a_loss_is_met_at_most_there():
    assert met(objective="val_loss", target=0.25) is not None
    assert met(objective="val_loss", target=0.2) is None


def test_sweep_without_trials_has_met_nothing_but_its_time():
    assert met(records=[], target=0.1, plateau=1, trial_seconds=1) is None
    assert met(records=[], time_budget=60) is not None


def test_all_trials_are_run_once_the_last_has_ended():
    sweep = sweep_spec(search={"trials": 5})
    assert all_run(sweep, RECORDS) is None
    ended = [*RECORDS[:4], trial_record(4)]
    assert all_run(sweep, ended).more == "search.trials=10"
    assert all_run(sweep_spec(search={"trials": 6}), ended) is None


@pytest.mark.parametrize(
    ("search", "seconds"),
    [
        ({"trials": 8}, 60.0),
        ({"trials": 8, "time_budget": 90}, 30.0),
        ({"trials": 8, "trial_seconds": 20}, 15.0),
        ({"trials": 2}, 0.0),
        ({"trials": None, "time_budget": 30}, 0.0),
    ],
)
def test_time_to_go_is_told_by_the_budget_that_is_used_up_first(search, seconds):
    assert remaining_s(sweep_spec(search=search), RECORDS, 60.0) == seconds


def test_pace_is_unknown_before_the_first_trial_has_ended():
    assert trials_per_hour(RECORDS, 60.0) == 240.0
    assert trials_per_hour(RECORDS[4:], 60.0) is None
    assert remaining_s(sweep_spec(), RECORDS[4:], 60.0) is None
