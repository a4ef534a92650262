import optuna
import pytest

from search.optuna_space import suggest
from search.sampler import build_sampler, sampler_name, trial_seed
from tests.search.builders import (
    CELLS,
    PLAIN,
    SPACE,
    history,
    open_study,
    play,
    scripted,
    sweep_spec,
)

RANGES = {name: PLAIN[name] for name in ("dropout", "learning_rate", "augment_ops")}


def optunas_own(sweep, epochs):
    """Return the parameters that a study of Optuna's asks for, one trial after the other."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for number in range(sweep.search.trials):
        study.sampler = build_sampler(sweep.search.sampler, sweep.search, number)
        trial = study.ask()
        params = suggest(trial, sweep.space)
        study.tell(trial, scripted(params, epochs))
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize(
    ("sampler", "space"),
    [("tpe", SPACE), ("random", SPACE), ("gp", PLAIN), ("nsga2", PLAIN), ("qmc", PLAIN)],
)
@pytest.mark.filterwarnings("error")
def test_sweep_asks_what_a_study_of_optunas_asks_and_warns_of_nothing(
    tmp_path, capfd, sampler, space
):
    search = {"sampler": sampler, "trials": 12, "startup_trials": 4, "repeat": 12}
    study = open_study(tmp_path, space=space, search=search)
    play(study, epochs=1)
    asked = [trial.params for trial in study.trials()]
    assert asked == optunas_own(sweep_spec(space=space, search=search), epochs=1)
    assert capfd.readouterr() == ("", "")


def test_points_of_sobols_sequence_that_come_again_are_passed_over(tmp_path):
    space = {"augment_ops": {"low": 0, "high": 3}, "flips": {"choice": [True, False]}}
    search = {"sampler": "qmc", "trials": 8, "seed": 3}
    study = open_study(tmp_path, space=space, search=search)
    play(study, epochs=1)
    own = optunas_own(sweep_spec(space=space, search=search | {"trials": 16}), epochs=1)
    distinct = [params for n, params in enumerate(own) if params not in own[:n]]
    assert [trial.params for trial in study.trials()] == distinct[:8]
    assert own[:8] != distinct[:8]


@pytest.mark.parametrize("name", ["tpe", "gp", "nsga2", "random"])
def test_sampler_of_one_trial_draws_the_same_whenever_it_is_built(name):
    sweep = sweep_spec(search={"sampler": name, "seed": 3})
    drawn = [
        suggest(
            optuna.create_study(sampler=build_sampler(name, sweep.search, *which)).ask(),
            sweep.space,
        )
        for which in ((5, 0), (5, 0), (6, 0), (5, 1))
    ]
    assert drawn[0] == drawn[1]
    assert len({str(params) for params in drawn}) == 3


@pytest.mark.parametrize(
    ("space", "pruner", "number", "name"),
    [
        (RANGES, "none", 0, "gp"),
        (RANGES, "none", 199, "gp"),
        (RANGES, "none", 200, "tpe"),
        (RANGES, "halving", 0, "tpe"),
        (PLAIN, "none", 0, "tpe"),
        (RANGES | {"width": {"low": 8, "high": 9, "when": {"augment_ops": 1}}}, "none", 0, "tpe"),
    ],
    ids=["ranges", "still few", "many trials", "pruned", "a choice", "a condition"],
)
def test_auto_is_a_gaussian_process_where_that_suits_and_else_tpe(space, pruner, number, name):
    sweep = sweep_spec(space=space, search={"sampler": "auto", "pruner": pruner})
    assert sampler_name(sweep, number) == name


def test_trial_seeds_are_frozen_as_resumed_runs_need_them_and_all_differ():
    assert [trial_seed(0, n) for n in range(2)] == [1484405855, 1982462498]
    seeds = [trial_seed(seed, number) for seed in range(20) for number in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) and max(seeds) < 2**31


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "qmc", "random", "grid"])
def test_sweep_that_is_cut_anywhere_asks_what_the_uncut_one_asks(tmp_path, sampler):
    search = {"trials": 10, "sampler": sampler, "startup_trials": 4}
    space = CELLS if sampler == "grid" else PLAIN
    histories = []
    for name, cuts in (("uncut", [None]), ("cut", [3, 8, 2, 5, None])):
        (tmp_path / name).mkdir()
        for reports in cuts:
            study = open_study(tmp_path / name, space=space, search=search)
            play(study, epochs=2, cut_after=reports)
        histories.append(history(study))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 10
