import pickle

import pytest
from ray.tune.schedulers import TrialScheduler

from search.messages import MESSAGE, EpochEnded, TrialEnded, TrialFailed
from search.tune_scheduler import StudyScheduler
from search.tune_stopper import SweepStopper
from tests.search.builders import SUMMARY, FakeController, FakeTuneTrial, epoch_record, open_study

CONTROLLER = FakeController([])
HALVING = {"pruner": "halving", "reduction_factor": 2}


def epoch_result(value, epoch=1, node="a"):
    return {MESSAGE: EpochEnded(record=epoch_record(epoch, value), node=node), "done": False}


def started(folder, number=1, **parts):
    """Return a study with `number` trials suggested, and its scheduler."""
    study = open_study(folder, **parts)
    for _ in range(number):
        study.suggest()
    return study, StudyScheduler(study, SweepStopper())


def test_epoch_is_told_to_the_study_and_the_trial_goes_on(tmp_path):
    study, scheduler = started(tmp_path)
    said = scheduler.on_trial_result(CONTROLLER, FakeTuneTrial(0), epoch_result(0.25, node="b"))
    assert said == TrialScheduler.CONTINUE
    assert study.trials()[0].intermediate_values == {1: 0.25}
    assert study.records()[0].node == "b"


def test_trial_that_the_study_prunes_is_stopped_and_told_once(tmp_path):
    study, scheduler = started(tmp_path, 2, search=HALVING)
    scheduler.on_trial_result(CONTROLLER, FakeTuneTrial(0), epoch_result(0.9))
    last = epoch_result(0.1)
    assert scheduler.on_trial_result(CONTROLLER, FakeTuneTrial(1), last) == TrialScheduler.STOP
    scheduler.on_trial_complete(CONTROLLER, FakeTuneTrial(1), last)  # Tune's next call
    record = study.records()[1]
    assert (record.state, record.stop_reason) == ("PRUNED", "pruner")
    assert study.running() == [0]


def test_trial_that_was_cancelled_is_stopped_with_its_next_epoch(tmp_path):
    study, stopper = open_study(tmp_path), SweepStopper()
    study.suggest()
    stopper.cancel(0)
    scheduler = StudyScheduler(study, stopper)
    said = scheduler.on_trial_result(CONTROLLER, FakeTuneTrial(0), epoch_result(0.25))
    assert said == TrialScheduler.STOP
    record = study.records()[0]
    assert (record.state, record.stop_reason, record.objective) == ("PRUNED", "user", 0.25)


def test_trial_that_finds_the_disk_full_stays_open_and_the_sweep_stops(tmp_path):
    study, stopper = open_study(tmp_path), SweepStopper()
    study.suggest()
    full = {MESSAGE: TrialFailed(error="OSError", is_disk_full=True), "done": True}
    StudyScheduler(study, stopper).on_trial_complete(CONTROLLER, FakeTuneTrial(0), full)
    assert stopper.stop_all()
    assert stopper.reason == "disk"
    assert study.running() == [0]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (TrialEnded(summary=SUMMARY), ("COMPLETE", 0.25, 3.5, None)),
        (TrialFailed(error="ValueError: no"), ("FAILED", 0.25, None, "ValueError: no")),
    ],
    ids=["ended", "raised"],
)
def test_trial_that_ended_or_raised_is_noted_as_such(tmp_path, message, expected):
    study, scheduler = started(tmp_path)
    scheduler.on_trial_result(CONTROLLER, FakeTuneTrial(0), epoch_result(0.25))
    result = {MESSAGE: message, "done": True}
    scheduler.on_trial_complete(CONTROLLER, FakeTuneTrial(0), result)
    record = study.records()[0]
    assert (record.state, record.objective, record.latency_ms, record.error) == expected


def test_trial_that_waits_longest_runs_next(tmp_path):
    _, scheduler = started(tmp_path)
    trials = [FakeTuneTrial(0), FakeTuneTrial(1, "PENDING"), FakeTuneTrial(2, "PENDING")]
    assert scheduler.choose_trial_to_run(FakeController(trials)) is trials[1]


def test_scheduler_has_a_name_and_pickles_without_its_study(tmp_path):
    _, scheduler = started(tmp_path)
    assert scheduler.debug_string() == "StudyScheduler"
    assert vars(pickle.loads(pickle.dumps(scheduler))) == {}
