import pickle

import pytest

from search.tune_commands import CommandCallback
from search.tune_searcher import StudySearcher
from search.tune_stopper import SweepStopper
from spaces import RunCommand, UserError, load_sweep, read_events
from tests.search.builders import SUMMARY, open_study, report, run_paths, sweep_spec
from tests.spaces.builders import raising


class Running:
    """A run of four trials, two at a time, of which 0 has ended and 1 is running."""

    def __init__(self, folder, slots=lambda resources: resources.max_concurrent):
        self.paths, self.stopper = run_paths(folder), SweepStopper()
        self.study = open_study(self.paths.root)
        self.searcher = StudySearcher(self.study, self.stopper)
        self.searcher.set_max_concurrency(2)
        for tune_id in "ab":
            self.searcher.suggest(tune_id)
        report(self.study, 0, 0.5)
        self.study.complete(0, SUMMARY)
        self.searcher.on_trial_complete("a")
        self.callback = CommandCallback(self.paths, self.study, self.stopper, self.searcher, slots)

    def told(self, kind, **parts):
        """Return event and answer of a command."""
        command = RunCommand(kind=kind, **parts)
        self.paths.commands.mkdir(exist_ok=True)
        self.paths.command(command.id).write_text(command.model_dump_json())
        self.callback.on_step_end(0, [])
        event = read_events(self.paths)[-1]
        assert event["command"] == command.id
        return event["event"], event["answer"]


def test_stop_ends_running_trials_by_the_user(tmp_path):
    run = Running(tmp_path)
    assert run.told("stop") == (
        "stopped by user",
        "ends with the next epoch of the trials that run (1)",
    )
    assert run.stopper.verdict(1) == "user"


def test_cancel_ends_that_trial_alone(tmp_path):
    run = Running(tmp_path)
    assert run.told("cancel", trial=1) == ("cancelled", "trial 1 ends with its next epoch")
    assert (run.stopper.verdict(1), run.stopper.reason) == ("user", None)


@pytest.mark.parametrize(("number", "what"), [(0, "is COMPLETE"), (9, "is not there")])
def test_cancel_of_a_trial_that_does_not_run_is_refused(tmp_path, number, what):
    event, answer = Running(tmp_path).told("cancel", trial=number)
    assert event == "refused"
    assert answer == f"trial {number} {what}, but must be running; try one of those that are (1)"


def test_extend_changes_the_stored_sweep_and_the_running_one(tmp_path):
    run = Running(tmp_path)
    overrides = ("search.trials=6", "resources.max_concurrent=3", "search.target=0.9")
    event, answer = run.told("extend", overrides=overrides)
    assert (event, answer.endswith(": 6 trials in all, 3 at a time")) == ("extended", True)
    assert load_sweep(run.paths.sweep).search.trials == 6
    assert (run.study.sweep.search.trials, run.study.sweep.search.target) == (6, 0.9)
    assert [run.searcher.suggest(name) is None for name in "cde"] == [False, False, True]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.trials=1", "search.trials is 1, but must be at least the 2 that began; try 2"),
        ("search.trials=0", "--set: search.trials is 0, but must be at least 1"),
        ("search.seed=1", "--set search.seed=1: a run keeps its meaning; only search.trials, "),
        ("resources.cpus_per_trial=2", "a run keeps its meaning"),
        ("resources.max_concurrent=0", "must be auto or a whole number of at least 1"),
    ],
)
def test_extend_by_what_cannot_be_is_refused_and_changes_nothing(tmp_path, override, words):
    run = Running(tmp_path)
    event, answer = run.told("extend", overrides=(override,))
    assert (event, words in answer) == ("refused", True)
    assert load_sweep(run.paths.sweep).search.trials == 4


def test_extend_beyond_what_fits_is_refused(tmp_path):
    run = Running(tmp_path, slots=raising(UserError("resources: no node offers 99 CPUs")))
    assert run.told("extend", overrides=("resources.max_concurrent=9",))[0] == "refused"
    assert run.study.sweep.search.trials == 4


def test_sweep_that_is_ending_is_neither_extended_nor_stopped_again(tmp_path):
    run = Running(tmp_path)
    run.told("stop")
    for kind, overrides in (("stop", ()), ("extend", ("search.trials=9",))):
        event, answer = run.told(kind, overrides=overrides)
        assert event == "refused"
        assert answer.startswith("the sweep is ending already (`cytosweep stop`)")


def test_sweep_whose_budget_is_met_goes_on_where_it_is_raised_and_can_be_stopped(tmp_path):
    run = Running(tmp_path)
    run.stopper.reason = "budget"
    assert run.told("extend", overrides=("search.target=null",))[0] == "extended"
    assert run.stopper.reason is None
    run.stopper.reason = "budget"
    assert run.told("stop")[0] == "stopped by user"
    assert run.stopper.reason == "user"


@pytest.mark.parametrize("kind", ["stop", "extend"])
def test_sweep_that_tune_was_told_is_over_takes_no_more_commands(tmp_path, kind):
    run = Running(tmp_path)
    run.searcher.on_trial_complete("b")
    run.study.extend(sweep_spec(search={"trials": 2}))
    run.searcher.suggest("c")
    event, answer = run.told(kind, overrides=("search.trials=9",))
    assert (event, answer) == ("refused", "the sweep has just ended; ask again in a moment")


def test_callback_pickles_without_its_study(tmp_path):
    assert vars(pickle.loads(pickle.dumps(Running(tmp_path).callback))) == {}
