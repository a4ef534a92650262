import pickle

import pytest

from search.tune_stopper import SweepStopper


class FakeClock:
    """A clock that stands until it is set."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("budget", "later", "stops"),
    [(30.0, 0.0, False), (30.0, 29.9, False), (30.0, 30.0, True), (30.0, 99.0, True),
     (None, 1e9, False)],
)  # fmt: skip
def test_sweep_stops_once_its_time_is_up(budget, later, stops):
    clock = FakeClock()
    stopper = SweepStopper(budget, clock=clock)
    clock.now += later
    assert stopper.stop_all() is stops
    assert stopper.reason == ("budget" if stops else None)


def test_sweep_stops_when_interrupted_and_remembers_why_beyond_its_deadline_but_not_pickled():
    clock = FakeClock()
    stopper = SweepStopper(30.0, clock=clock)
    stopper.interrupt()
    clock.now += 60
    assert stopper.stop_all()
    assert stopper.reason == "interrupt"
    assert vars(pickle.loads(pickle.dumps(stopper))) == {}
