import json

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from spaces import RunPaths, epoch_key
from tests.search.builders import (
    SPACE,
    SUMMARY,
    epoch_record,
    history,
    journal_without,
    open_study,
    play,
    report,
    sweep_spec,
)

HALVING = {"pruner": "halving", "reduction_factor": 2}


def load_by_optuna(folder):
    """Open the journal as any user of Optuna would."""
    backend = JournalFileBackend(str(RunPaths(folder).journal))
    return optuna.load_study(study_name="sweep", storage=JournalStorage(backend))


def reporting(folder, *values, **parts):
    """Return a study whose next trial reported `values`, and what the study said to each."""
    study = open_study(folder, **parts)
    return study, report(study, study.suggest().number, *values)


def first_of_each(study, *values):
    """Have a trial for every value report it in its first epoch; return what the study says."""
    return [report(study, study.suggest().number, value)[0] for value in values]


def test_study_suggests_as_many_trials_as_the_sweep_has(tmp_path):
    study = open_study(tmp_path, search={"trials": 2})
    assert [study.suggest().number for _ in range(2)] == [0, 1]
    assert study.suggest() is study.suggest() is None


def test_suggestion_is_in_the_journal_before_its_trial_runs(tmp_path):
    suggestion = open_study(tmp_path, space=SPACE).suggest()
    (trial,) = open_study(tmp_path, space=SPACE).trials()
    assert (trial.params, trial.state) == (suggestion.params, TrialState.RUNNING)
    assert trial.user_attrs["seed"] == suggestion.seed


@pytest.mark.parametrize(
    ("objective", "best", "direction"),
    [("val_accuracy", 0.75, "MAXIMIZE"), ("val_loss", 0.25, "MINIMIZE")],
)
def test_completed_trial_has_its_best_objective_as_its_value(tmp_path, objective, best, direction):
    study, _ = reporting(tmp_path, 0.5, 0.75, 0.25, 0.5, objective=objective)
    study.complete(0, SUMMARY)
    (trial,) = study.trials()
    assert trial.state is TrialState.COMPLETE
    assert trial.value == study.records()[0].objective == best
    assert study.running() == []
    assert load_by_optuna(tmp_path).direction.name == direction


@pytest.mark.parametrize("reason", ["pruner", "budget", "user"])
def test_pruned_trial_keeps_its_values_and_says_why(tmp_path, reason):
    study, _ = reporting(tmp_path, 0.25, 0.5)
    study.prune(0, reason)
    (trial,), (record,) = study.trials(), study.records()
    assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {1: 0.25, 2: 0.5})
    assert (record.state, record.stop_reason, record.objective) == ("PRUNED", reason, 0.5)


def test_failed_trial_keeps_its_values_and_its_error(tmp_path):
    study, _ = reporting(tmp_path, 0.25)
    study.fail(0, "ValueError: no")
    (trial,), (record,) = study.trials(), study.records()
    assert (trial.state, trial.intermediate_values) == (TrialState.FAIL, {1: 0.25})
    assert (record.state, record.error, record.stop_reason) == ("FAILED", "ValueError: no", None)


def test_bad_trial_is_pruned_by_halving_and_a_good_one_is_not(tmp_path):
    study = open_study(tmp_path, search=HALVING)
    assert first_of_each(study, 0.9, 0.8, 0.95) == [False, True, False]


def test_epoch_told_twice_is_noted_once(tmp_path):
    study, _ = reporting(tmp_path, 0.25)
    journal = RunPaths(tmp_path).journal.read_bytes()
    study.report(0, epoch_record(1, 0.75, seconds=9.0), "b")
    assert RunPaths(tmp_path).journal.read_bytes() == journal


def test_reopened_study_goes_on_with_the_trials_that_were_cut(tmp_path):
    study = open_study(tmp_path, space=SPACE)
    cut = [study.suggest() for _ in range(3)]
    study.complete(cut[1].number, SUMMARY) if report(study, 1, 0.5) else None
    again = open_study(tmp_path, space=SPACE)
    assert [again.suggest(), again.suggest()] == [cut[0], cut[2]]
    assert again.suggest().number == 3
    assert again.running() == [0, 2, 3]


def test_reopened_trial_reports_is_pruned_and_completes_as_any_other(tmp_path):
    study = open_study(tmp_path, search=HALVING)
    first_of_each(study, 0.8, 0.9)
    study = open_study(tmp_path, search=HALVING)
    bad, good = study.suggest().number, study.suggest().number
    assert study.report(good, epoch_record(2, 0.9), "a") is False
    assert study.report(bad, epoch_record(2, 0.8), "a") is True
    study.complete(good, SUMMARY)
    study.prune(bad, "pruner")
    assert [record.state for record in study.records()] == ["PRUNED", "COMPLETE"]


@pytest.mark.parametrize(
    ("sampler", "pruner", "trials"),
    [("tpe", "halving", 40), ("tpe", "median", 20), ("tpe", "hyperband", 20)],
)
def test_sweep_that_is_cut_asks_what_the_uncut_one_asks(tmp_path, sampler, pruner, trials):
    search = {"trials": trials, "sampler": sampler, "pruner": pruner, "startup_trials": 5}
    histories = []
    for name, cuts in (("uncut", [None]), ("cut", [3, 20, 25, 7, None])):
        (tmp_path / name).mkdir()
        for reports in cuts:
            study = open_study(tmp_path / name, space=SPACE, search=search)
            play(study, cut_after=reports)
        histories.append(history(open_study(tmp_path / name, space=SPACE, search=search)))
    whole, resumed = histories
    assert resumed == whole
    assert len(whole) == trials
    assert {state.name for _, _, state, _, _ in whole} == {"COMPLETE", "PRUNED"}


def test_verdict_that_a_kill_kept_from_its_trial_is_carried_out_when_opened(tmp_path):
    assert first_of_each(open_study(tmp_path, search=HALVING), 0.9, 0.8) == [False, True]
    study = open_study(tmp_path, search=HALVING)
    assert [record.state for record in study.records()] == ["RUNNING", "PRUNED"]
    assert study.records()[1].stop_reason == "pruner"
    assert study.suggest().number == 0


def test_epoch_that_a_kill_cut_in_half_is_noted_when_told_again(tmp_path):
    reporting(tmp_path, 0.25)
    journal_without(RunPaths(tmp_path).journal, lambda line: epoch_key(1) in str(line))
    study, _ = reporting(tmp_path, 0.25)
    assert study.trials()[0].intermediate_values == {1: 0.25}
    assert study.records()[0].node == "a"


def test_suggestion_is_one_line_of_the_journal_which_no_kill_cuts_in_half(tmp_path):
    study = open_study(tmp_path, space=SPACE)
    before = RunPaths(tmp_path).journal.read_text()
    suggestion = study.suggest()
    (line,) = RunPaths(tmp_path).journal.read_text().removeprefix(before).splitlines()
    assert json.loads(line)["params"].keys() == suggestion.params.keys()


def test_trial_that_waits_in_the_journal_can_be_run_to_its_end(tmp_path):
    open_study(tmp_path)
    load_by_optuna(tmp_path).enqueue_trial({"dropout": 0.25})
    study, _ = reporting(tmp_path, 0.5)
    study.complete(0, SUMMARY)
    assert study.records()[0].state == "COMPLETE"


def test_sweep_that_ends_leaves_no_trial_that_waits_or_was_cut(tmp_path):
    reporting(tmp_path, 0.5)
    for dropout in (0.25, 0.5):
        load_by_optuna(tmp_path).enqueue_trial({"dropout": dropout})
    study = open_study(tmp_path)
    study.prune_open("budget")
    ends = [(record.state, record.stop_reason) for record in study.records()]
    assert ends == [("PRUNED", "budget")] * 3


def test_study_that_is_extended_asks_by_the_new_number_of_trials(tmp_path):
    study = open_study(tmp_path, search={"trials": 1})
    study.suggest()
    assert study.suggest() is None
    study.extend(sweep_spec(search={"trials": 2}))
    assert study.suggest().number == 1


@pytest.mark.parametrize("kept", [1, 10, -1], ids=["a byte", "ten bytes", "all but the newline"])
def test_half_a_last_line_is_cut_off(tmp_path, kept):
    reporting(tmp_path, 0.25, 0.5)
    journal = RunPaths(tmp_path).journal
    whole, half = journal.read_bytes().rsplit(b"\n", 2)[:2]
    journal.write_bytes(whole + b"\n" + half[: kept if kept > 0 else None])
    study = open_study(tmp_path)
    assert journal.read_bytes().startswith(whole + b"\n{")
    study.report(study.suggest().number, epoch_record(3, 0.75), "a")
    assert open_study(tmp_path).trials()[0].intermediate_values[3] == 0.75


def test_optuna_itself_reads_the_journal_of_a_study_that_was_asked_for_more(tmp_path):
    play(open_study(tmp_path, space=SPACE, search={"trials": 2}))
    study = open_study(tmp_path, space=SPACE, search={"trials": 5})
    play(study)
    assert [record.state for record in study.records()] == ["COMPLETE"] * 5
    loaded = load_by_optuna(tmp_path)
    assert [t.params for t in loaded.trials] == [t.params for t in study.trials()]
    assert loaded.best_value == max(record.objective for record in study.records())


def test_record_of_an_ended_trial_is_made_once_and_that_of_a_running_one_follows_it(tmp_path):
    study = open_study(tmp_path)
    play(study, epochs=1, cut_after=2)
    first, running = study.records()
    report(study, 1, 0.5, 0.75)
    assert study.records()[0] is first
    assert (running.epochs, study.records()[1].epochs) == (1, 2)
