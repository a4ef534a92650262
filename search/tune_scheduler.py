"""Tune's question "shall this trial go on?", passed on to the study."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.messages import MESSAGE, EpochEnded, TrialEnded, TrialFailed
from search.study import SweepStudy
from search.tune_stopper import SweepStopper


class StudyScheduler(TrialScheduler):
    """A Tune scheduler that tells the study what trials report and stops those that must end."""

    def __init__(self, study: SweepStudy, stopper: SweepStopper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own
        self._study, self._stopper = study, stopper

    def on_trial_result(self, tune_controller: object, trial: Trial, result: dict[str, Any]) -> str:
        """Tell the study of an epoch and return whether the trial goes on."""
        message = result[MESSAGE]
        assert isinstance(message, EpochEnded)  # the others are final, see on_trial_complete
        number = trial.config["number"]
        is_poor = self._study.report(number, message.record, message.node)
        reason = "pruner" if is_poor else self._stopper.verdict(number)
        if reason is None:
            return TrialScheduler.CONTINUE
        self._study.prune(number, reason)
        return TrialScheduler.STOP

    def on_trial_complete(
        self, tune_controller: object, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Tell the study how a trial ended; a pruned one is known to it.

        A trial that finds the disk full has not ended: it, and all, go on when there is space.
        """
        message = result[MESSAGE]
        if isinstance(message, TrialEnded):
            self._study.complete(trial.config["number"], message.summary)
        elif isinstance(message, TrialFailed) and message.is_disk_full:
            self._stopper.disk_is_full()
        elif isinstance(message, TrialFailed):
            self._study.fail(trial.config["number"], message.error)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:  # Any: Ray is untyped
        """Return the trial that waits longest."""
        waiting = (t for t in tune_controller.get_trials() if t.status == Trial.PENDING)
        return next(waiting, None)

    def on_trial_add(self, tune_controller: object, trial: Trial) -> None:
        """Do nothing: the study knows the trial, it suggested it."""

    def on_trial_error(self, tune_controller: object, trial: Trial) -> None:
        """Do nothing: the driver's callback tells a retry from a failure."""

    def on_trial_remove(self, tune_controller: object, trial: Trial) -> None:
        """Do nothing: a trial that never ran stays open for the next session."""

    def debug_string(self) -> str:
        """Return the name Tune shows."""
        return "StudyScheduler"

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: the journal is the only memory."""
        return {}
