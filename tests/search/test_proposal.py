import json

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from search.optuna_space import distribution
from search.proposal import Proposer
from search.sampler import trial_seed
from tests.search.builders import (
    CELLS,
    PLAIN,
    SPACE,
    SUMMARY,
    open_study,
    play,
    report,
    sweep_spec,
)

FEW = {"dropout": {"choice": [0.0, 0.5]}, "flips": {"choice": [True, False]}}
SAMPLERS = ["tpe", "gp", "nsga2", "qmc", "random", "grid"]
CONFIG = {"optimizer": "adamw", "learning_rate": 0.001, "dropout": 0.5, "augment_ops": 2}


def asked(study):
    """Return the configurations of a study's trials, as text."""
    return [json.dumps(trial.params, sort_keys=True) for trial in study.trials()]


def played(folder, space, **search):
    """Return a study that ran to its end, by trials or because all was tried."""
    study = open_study(folder, space=space, search={"trials": 99, "startup_trials": 2} | search)
    play(study, epochs=1)
    return study


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_finite_space_is_tried_wholly_and_nothing_twice(tmp_path, sampler):
    study = played(tmp_path, FEW, sampler=sampler)
    assert study.is_exhausted
    assert len(asked(study)) == len(set(asked(study))) == 4


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_space_with_conditions_is_tried_wholly_and_nothing_twice(tmp_path, sampler):
    study = played(tmp_path, CELLS, sampler=sampler)
    assert len(asked(study)) == len(set(asked(study))) == 24


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_configuration_may_run_as_often_as_the_sweep_says_with_another_seed(tmp_path, sampler):
    study = played(tmp_path, FEW, sampler=sampler, repeat=3)
    names = asked(study)
    assert sorted(names) == sorted(3 * list(dict.fromkeys(names)))
    assert len({record.seed for record in study.records()}) == 12
    if sampler == "grid":
        assert all(len(set(names[n : n + 4])) == 4 for n in (0, 4, 8))


def test_sweep_that_ends_by_its_trials_did_not_try_all(tmp_path):
    study = played(tmp_path, FEW, trials=3)
    assert study.suggest() is None
    assert not study.is_exhausted


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_last_configuration_of_many_is_found(sampler):
    search = {"sampler": sampler, "trials": None, "time_budget": 9, "repeat": 2}
    sweep = sweep_spec(space={"epochs": {"low": 1, "high": 999}}, search=search)
    known = {"epochs": distribution(sweep.space, "epochs")}
    left = [n for n in [*range(1, 1000), *range(1, 1000)] if n != 123] + [123]
    trials = [create_trial(params={"epochs": n}, distributions=known, value=0.5) for n in left]
    proposer = Proposer(sweep=sweep, direction=StudyDirection.MAXIMIZE, learned=[])
    last = proposer.propose(trials)
    assert last.params == {"epochs": 123}
    assert proposer.propose([*trials, last]) is None


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_trials_at_the_same_time_differ_and_so_do_failed_ones_from_later_ones(tmp_path, sampler):
    study = open_study(tmp_path, space=FEW, search={"sampler": sampler})
    numbers = [study.suggest().number for _ in range(3)]
    study.fail(numbers[0], "ValueError: no")
    study.suggest()
    assert study.suggest() is None
    assert len(set(asked(study))) == 4


def test_part_of_a_space_that_is_finite_does_not_end_the_sweep(tmp_path):
    space = {
        "backbone": {"choice": ["custom_cnn", "resnet18"]},
        "dropout": {"low": 0.0, "high": 0.5, "when": {"backbone": "resnet18"}},
    }
    names = asked(played(tmp_path, space, trials=12))
    assert len(set(names)) == 12


@pytest.mark.parametrize("sampler", SAMPLERS[:-1])
def test_configurations_to_start_with_come_first_and_gaps_are_filled(tmp_path, sampler):
    start = [CONFIG, {"dropout": 0.25}]
    study = played(tmp_path, PLAIN, sampler=sampler, trials=5, start_with=start)
    trials = study.trials()
    assert trials[0].params == CONFIG
    assert trials[1].params["dropout"] == 0.25
    assert all(trial.params.keys() == PLAIN.keys() for trial in trials)
    assert len(set(asked(study))) == 5


def test_grid_that_starts_with_a_cell_goes_on_with_the_others(tmp_path):
    study = played(tmp_path, CELLS, sampler="grid", start_with=[{"augment_ops": 2, "width": 8}])
    assert study.trials()[0].params["width"] == 8
    assert len(set(asked(study))) == 24


def test_configuration_that_completed_an_earlier_one_runs_again_and_hides_no_other(tmp_path):
    pair = [{"dropout": 0.0}, {"dropout": 0.0, "flips": True}, {"dropout": 0.0, "flips": False}]
    study = played(tmp_path, FEW, start_with=pair)
    assert (len(asked(study)), len(set(asked(study)))) == (5, 4)


def test_configuration_to_start_with_has_the_types_of_the_space(tmp_path):
    study = played(tmp_path, PLAIN, trials=1, start_with=[{"dropout": 0}])
    assert repr(study.trials()[0].params["dropout"]) == "0.0"


def test_proposal_goes_by_the_trials_alone(tmp_path):
    study = played(tmp_path, SPACE, trials=8)
    sweep = sweep_spec(space=SPACE, search={"trials": 99, "startup_trials": 2})
    direction = StudyDirection.MAXIMIZE
    first, again = (
        Proposer(sweep=sweep, direction=direction, learned=[]).propose(study.trials())
        for _ in range(2)
    )
    assert first.params == again.params
    assert first.state is TrialState.RUNNING
    assert first.user_attrs == {"seed": trial_seed(0, 8)}
    assert len(study.trials()) == 8


def test_grid_of_more_cells_than_memory_holds_is_asked_at_once(tmp_path):
    space = {
        name: {"low": 5, "high": 504} for name in ("width", "head_width", "epochs", "batch_size")
    }
    study = open_study(tmp_path, space=space, search={"sampler": "grid", "trials": 2})
    assert report(study, study.suggest().number, 0.5) == [False]
    study.complete(0, SUMMARY)
    assert study.suggest().number == 1
