import warnings

import optuna
import pytest
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from search.pruner import build_pruner
from tests.search.builders import (
    PLAIN,
    SUMMARY,
    epoch_record,
    history,
    open_study,
    play,
    scripted,
    sweep_spec,
)

OPTUNAS = {
    "halving": SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    "hyperband": HyperbandPruner(min_resource=2, max_resource=16, reduction_factor=2),
    "median": MedianPruner(n_startup_trials=3, n_warmup_steps=2),
    "percentile": PercentilePruner(40.0, n_startup_trials=3, n_warmup_steps=2),
    "none": NopPruner(),
}
with warnings.catch_warnings(action="ignore"):  # that it is experimental
    OPTUNAS["patient"] = PatientPruner(OPTUNAS["median"], patience=1)
OPTIONS = {
    "min_epochs": 2, "reduction_factor": 2, "startup_trials": 3, "percentile": 40.0, "patience": 1,
    "sampler": "random", "trials": 16,
}  # fmt: skip
BY_SECONDS = {"prune_by": "seconds", "min_seconds": 10, "reduction_factor": 2, "trials": 16}


def wavering(params, epoch):
    """Return an accuracy that rises in some trials and falls in others."""
    return scripted(params, 0) + epoch * (params["dropout"] - 0.3) / 30


def optunas_own(asked, pruner):
    """Return how many epochs `pruner` lets trials with the parameters `asked` run."""
    study = optuna.create_study(
        study_name="sweep", direction="maximize", sampler=RandomSampler(0), pruner=pruner
    )
    for params in asked:
        trial = study.ask()
        for epoch in range(1, 10):
            trial.report(wavering(params, epoch), epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(
                trial, max(trial.storage.get_trial(trial._trial_id).intermediate_values.values())
            )
    return [trial.last_step for trial in study.trials]


@pytest.mark.parametrize("name", OPTUNAS)
@pytest.mark.parametrize("cuts", [[None], [3, 20, 7, 15, None]], ids=["whole", "cut"])
def test_sweep_cut_or_whole_prunes_as_the_pruner_of_optunas_does(tmp_path, name, cuts):
    parts = {
        "space": PLAIN,
        "search": OPTIONS | {"pruner": name},
        "trial": {"epochs": 16},
    }  # they stop by themselves after 9
    for reports in cuts:
        study = open_study(tmp_path, **parts)
        play(study, cut_after=reports, value=wavering)
    trials = study.trials()
    lengths = [trial.last_step for trial in trials]
    assert lengths == optunas_own([trial.params for trial in trials], OPTUNAS[name])
    assert (len(set(lengths)) > 1) is (name != "none")


@pytest.mark.parametrize("name", ["halving", "median"])
@pytest.mark.parametrize("min_epochs", [1, 3])
def test_pruner_ends_the_worst_trial_after_min_epochs_and_no_sooner(name, min_epochs):
    search = {"pruner": name, "min_epochs": min_epochs, "startup_trials": 1, "reduction_factor": 2}
    pruner = build_pruner(sweep_spec(search=search))
    study = optuna.create_study(pruner=pruner, direction="maximize")
    for value in (0.9, 0.8, 0.1):
        trial, pruned_after = study.ask(), None
        for epoch in range(1, 5):
            trial.report(value, epoch)
            if trial.should_prune():
                pruned_after = epoch
                break
        study.tell(trial, state=TrialState.PRUNED) if pruned_after else study.tell(trial, value)
    assert pruned_after == min_epochs


def told(study, seconds, values):
    """Have a trial report an epoch for each value, `seconds` apart; return what the study says."""
    number, said = study.suggest().number, []
    for epoch, value in enumerate(values, start=1):
        record = epoch_record(epoch, value, seconds=seconds * epoch)
        said.append(study.report(number, record, "a"))
        if said[-1]:
            study.prune(number, "pruner")
            return said
    study.complete(number, SUMMARY)
    return said


def test_slow_trial_that_is_as_good_by_epochs_is_pruned_by_seconds_alone(tmp_path):
    for prune_by, ended in (("epochs", False), ("seconds", True)):
        (tmp_path / prune_by).mkdir()
        search = BY_SECONDS | {"prune_by": prune_by, "min_epochs": 2}
        study = open_study(tmp_path / prune_by, search=search | {"pruner": "halving"})
        assert told(study, 10, [0.4, 0.5, 0.6, 0.7]) == [False] * 4
        assert (True in told(study, 40, [0.5, 0.65])) is ended


def test_trials_are_compared_by_seconds_at_what_each_had_reached_by_then(tmp_path):
    search = BY_SECONDS | {"pruner": "median", "startup_trials": 1}
    study = open_study(tmp_path, search=search)
    assert told(study, 25, [0.5, 0.7]) == [False, False]
    assert study.trials()[0].intermediate_values == {2: 0.5, 3: 0.5, 4: 0.5, 5: 0.7}
    assert told(study, 32, [0.45, 0.9]) == [True]
    assert told(study, 26, [0.55, 0.6]) == [False, True]
    assert told(study, 40, [0.55, 0.6]) == [False, False]  # nobody was that long at it


def test_epochs_that_end_in_the_same_step_count_for_table_and_objective_all_the_same(tmp_path):
    study = open_study(tmp_path, search=BY_SECONDS | {"pruner": "halving"})
    assert told(study, 4, [0.3, 0.9, 0.4]) == [False] * 3
    (trial,), (record,) = study.trials(), study.records()
    assert trial.intermediate_values == {0: 0.3, 1: 0.4}
    assert (trial.value, record.objective, record.best_epoch, record.epochs) == (0.9, 0.9, 2, 3)


def test_epoch_that_a_restart_tells_again_is_in_the_step_it_was_in(tmp_path):
    study = open_study(tmp_path, search=BY_SECONDS | {"pruner": "halving"})
    number = study.suggest().number
    for seconds in (12, 35):
        study.report(number, epoch_record(1, 0.5, seconds=seconds), "a")
    assert study.trials()[0].intermediate_values == {1: 0.5}


def test_sweep_pruned_by_seconds_decides_the_same_when_cut(tmp_path):
    search, histories = BY_SECONDS | {"pruner": "halving"}, []
    for name, cuts in (("whole", [None]), ("cut", [3, 9, 14, None])):
        (tmp_path / name).mkdir()
        for reports in cuts:
            study = open_study(tmp_path / name, space=PLAIN, search=search)
            play(study, cut_after=reports, seconds=lambda params: 1 + 30 * params["dropout"])
        histories.append(history(study))
    assert histories[0] == histories[1]
    assert {state.name for _, _, state, _, _ in histories[0]} == {"COMPLETE", "PRUNED"}
