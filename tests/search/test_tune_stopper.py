import pickle

import pytest

from search.tune_stopper import SweepStopper
from tests.search.builders import sweep_spec
from tests.spaces.builders import trial_record

MET = sweep_spec(search={"target": 0.75})


class FakeClock:
    """A clock that stands until it is set."""

    now = 100.0

    def __call__(self):
        return self.now


def checked(sweep=MET):
    """Return a stopper that was shown one trial with an objective of 0.75."""
    stopper = SweepStopper()
    stopper.check(sweep, [trial_record(0)])
    return stopper


@pytest.mark.parametrize(
    ("budget", "later", "reason"),
    [(30.0, 9.5, None), (30.0, 10.0, "budget"), (30.0, 99.0, "budget"), (None, 1e9, None)],
)
def test_sweep_ends_once_its_drivers_have_used_up_its_time(budget, later, reason):
    clock = FakeClock()
    stopper = SweepStopper(clock=clock)
    stopper.spent_before_s = 20.0
    clock.now += later
    stopper.check(sweep_spec(search={"time_budget": budget}), [])
    assert stopper.reason == reason


def test_budget_that_is_met_ends_trials_at_their_next_epoch_and_tune_once_none_runs():
    stopper = checked()
    assert (stopper.reason, stopper.verdict(7)) == ("budget", "budget")
    assert stopper.detail == "search.target 0.75 is met: trial 0 has val_accuracy 0.75"
    assert not stopper.stop_all()
    stopper.is_idle = True
    assert stopper.stop_all()


def test_grace_lets_running_trials_finish_until_the_user_stops_them():
    stopper = checked(sweep_spec(search={"target": 0.75, "grace": True}))
    assert (stopper.reason, stopper.verdict(7)) == ("budget", None)
    stopper.stop_by_user()
    assert stopper.verdict(7) == "user"


@pytest.mark.parametrize(("grace", "cuts"), [(False, True), (True, False)])
def test_time_that_is_over_cuts_running_trials_at_once_unless_they_have_grace(grace, cuts):
    clock = FakeClock()
    stopper = SweepStopper(clock=clock)
    clock.now += 30.0
    stopper.check(sweep_spec(search={"time_budget": 30, "grace": grace}), [])
    assert (stopper.reason, stopper.stop_all()) == ("budget", cuts)


def test_time_that_is_over_cuts_what_the_user_or_another_budget_let_run_to_its_next_epoch():
    clock, sweep = FakeClock(), sweep_spec(search={"time_budget": 30})
    stopper = SweepStopper(clock=clock)
    stopper.stop_by_user()
    stopper.check(sweep, [])
    assert not stopper.stop_all()
    clock.now += 30.0
    stopper.check(sweep, [])
    assert (stopper.reason, stopper.stop_all()) == ("user", True)


def test_full_disk_stops_tune_at_once_and_leaves_trials_open():
    stopper = checked()
    stopper.disk_is_full()
    assert (stopper.stop_all(), stopper.verdict(7), stopper.detail) == (True, None, None)


def test_cancelled_trial_alone_must_end():
    stopper = SweepStopper()
    stopper.cancel(3)
    assert (stopper.verdict(3), stopper.verdict(4), stopper.reason) == ("user", None, None)


def test_interrupt_stops_tune_at_once_leaves_trials_open_and_is_the_last_word():
    stopper = checked()
    stopper.interrupt()
    stopper.check(MET, [trial_record(0)])
    assert stopper.stop_all()
    assert (stopper.reason, stopper.verdict(7)) == ("interrupt", None)
    assert vars(pickle.loads(pickle.dumps(stopper))) == {}
