import shutil

import optuna
import pytest
from optuna.trial import create_trial

from search.learned import load_learned, read_lessons
from search.optuna_space import distribution
from search.proposal import Proposer
from search.run_folder import create_run
from search.sampler import build_sampler
from search.study import SweepStudy
from spaces import RunPaths, UserError
from tests.search.builders import (
    PLAIN,
    SPACE,
    history,
    play,
    run_paths,
    sweep_spec,
)
from tests.spaces.builders import refusal


def earlier_run(folder, space=SPACE, trials=12, **parts):
    """Return the folder of a run whose trials were pruned or completed, but for a failed one."""
    sweep = sweep_spec(space=space, search={"trials": trials, "pruner": "halving"}, **parts)
    paths = run_paths(folder, sweep)
    study = SweepStudy(paths, sweep)
    study.fail(study.suggest().number, "ValueError: no")
    play(study)
    return str(paths.root)


def taught(folder, *runs, space=SPACE, **search):
    """Return paths and sweep of a new run that learned from `runs`, and what it learned."""
    sweep = sweep_spec(space=space, search={"learn_from": list(runs), "trials": 8} | search)
    paths = RunPaths(folder / "taught")
    lessons = read_lessons(sweep)
    create_run(paths, sweep, {}, lessons)
    return paths, sweep, lessons


def test_ended_trials_of_earlier_runs_teach_with_states_values_and_steps(tmp_path):
    run = earlier_run(tmp_path)
    paths, sweep, (lessons,) = taught(tmp_path, run)
    learned = load_learned(paths, sweep)
    ended = SweepStudy(RunPaths(tmp_path / "run"), sweep_spec(space=SPACE)).trials()[1:]
    keys = ("state", "value", "params", "distributions", "intermediate_values")
    for trial, original in zip(learned, ended, strict=True):
        assert [getattr(trial, key) for key in keys] == [getattr(original, key) for key in keys]
    assert {trial.state.name for trial in learned} == {"COMPLETE", "PRUNED"}
    assert str(lessons) == f"learned from 11 trials of {run}"


def test_learned_trials_are_none_of_the_runs_own(tmp_path):
    paths, sweep, _ = taught(tmp_path, earlier_run(tmp_path))
    study = SweepStudy(paths, sweep)
    assert study.trials() == study.records() == []
    play(study)
    assert [record.trial for record in study.records()] == list(range(8))


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_taught_sweep_asks_what_optunas_sampler_asks_with_those_trials(tmp_path, sampler):
    space = {name: PLAIN[name] for name in ("dropout", "learning_rate")}
    run = earlier_run(tmp_path, space)
    paths, sweep, _ = taught(tmp_path, run, space=space, sampler=sampler, startup_trials=2)
    study = optuna.create_study(direction="maximize")
    study.add_trials(load_learned(paths, sweep))
    study.sampler = build_sampler(sampler, sweep.search, 0)
    trial = study.ask({name: distribution(sweep.space, name) for name in space})
    assert SweepStudy(paths, sweep).suggest().params == trial.params


@pytest.mark.parametrize("is_moved", [False, True])
def test_taught_run_that_is_cut_decides_as_the_uncut_one_though_its_teacher_is_gone(
    tmp_path, is_moved
):
    histories = []
    for name, cuts in (("uncut", [None]), ("cut", [5, 11, None])):
        run = earlier_run(tmp_path / name)
        paths, sweep, _ = taught(tmp_path / name, run)
        shutil.rmtree(run)
        for reports in cuts:
            if is_moved and name == "cut":
                paths = RunPaths(paths.root.rename(f"{paths.root}x"))
            study = SweepStudy(paths, sweep)
            play(study, cut_after=reports)
        histories.append(history(study))
    assert histories[0] == histories[1]


def test_parameters_that_do_not_fit_are_left_out_by_name_and_trials_without_any_too(tmp_path):
    run = earlier_run(tmp_path, {name: SPACE[name] for name in ("dropout", "augment_ops")})
    space = {
        "dropout": {"low": 0.0, "high": 0.3},
        "learning_rate": SPACE["learning_rate"],
    }
    paths, sweep, (lessons,) = taught(tmp_path, run, space=space)
    trials = SweepStudy(RunPaths(tmp_path / "run"), sweep_spec()).trials()[1:]
    fitting = [t.params["dropout"] for t in trials if t.params["dropout"] <= 0.3]
    assert [t.params for t in load_learned(paths, sweep)] == [{"dropout": v} for v in fitting]
    names = f"augment_ops (in 11), dropout (in {11 - len(fitting)})"
    assert str(lessons).endswith(f"left out what does not fit this space: {names}")
    assert 0 < lessons.facts()["left_out"]["dropout"] < 11
    play(SweepStudy(paths, sweep))


def test_parameter_whose_condition_does_not_hold_is_left_out(tmp_path):
    run = earlier_run(tmp_path, {name: SPACE[name] for name in ("dropout", "augment_ops")})
    space = SPACE | {"dropout": SPACE["dropout"] | {"when": {"augment_ops": 3}}}
    paths, sweep, _ = taught(tmp_path, run, space=space)
    for trial in load_learned(paths, sweep):
        assert ("dropout" in trial.params) is (trial.params["augment_ops"] == 3)


def test_gaussian_process_is_not_misled_by_trials_that_lack_a_parameter():
    space = {name: PLAIN[name] for name in ("dropout", "learning_rate")}
    sweep = sweep_spec(space=space, search={"sampler": "gp", "startup_trials": 1})
    known = {"dropout": distribution(sweep.space, "dropout")}
    partial = [
        create_trial(params={"dropout": n / 10}, distributions=known, value=n / 10)
        for n in range(5)
    ]
    direction = optuna.study.StudyDirection.MAXIMIZE
    taught, fresh = (
        Proposer(sweep=sweep, direction=direction, learned=learned) for learned in (partial, [])
    )
    assert taught.propose([]).params == fresh.propose([]).params


def test_lessons_of_a_run_that_pruned_by_epochs_are_in_the_new_runs_steps(tmp_path):
    run = earlier_run(tmp_path, trials=2)
    search = {"prune_by": "seconds", "min_seconds": 6, "pruner": "halving"}  # epochs take 2
    paths, sweep, _ = taught(tmp_path, run, **search)
    (trial,) = load_learned(paths, sweep)
    (_, original) = SweepStudy(RunPaths(tmp_path / "run"), sweep_spec(space=SPACE)).trials()
    told = original.intermediate_values
    assert trial.intermediate_values == {0: told[1], 1: told[3], 2: told[6], 3: told[9]}


def test_run_whose_copy_of_the_lessons_is_lost_is_not_opened(tmp_path):
    paths, sweep, _ = taught(tmp_path, earlier_run(tmp_path, trials=2))
    paths.learned.unlink()
    assert "learned.json: cannot be read" in refusal(UserError, SweepStudy, paths, sweep)


def test_run_that_cannot_teach_is_refused_in_a_line(tmp_path):
    (tmp_path / "empty").mkdir()
    line = refusal(UserError, taught, tmp_path, str(tmp_path / "empty"))
    assert line.endswith("is no run folder (sweep.yaml, study.journal); take it out")
    other = earlier_run(tmp_path / "other", objective="val_loss")
    line = refusal(UserError, taught, tmp_path, other)
    assert line.endswith("has the objective val_loss, but must have val_accuracy; take it out")
    damaged = earlier_run(tmp_path / "damaged")
    RunPaths(tmp_path / "damaged" / "run").journal.write_text("{\n{\n")
    assert "has a damaged journal" in refusal(UserError, taught, tmp_path, damaged)
    assert not (tmp_path / "taught").exists()
