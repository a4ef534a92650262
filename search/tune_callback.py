"""What the driver does beside asking and telling: events, tables, checkpoints, the live table."""

import re
import time
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from search.live_table import LiveTable
from search.run_folder import Checkpoints, write_tables
from search.study import SweepStudy
from search.tune_stopper import SweepStopper
from spaces import RunPaths, note_event

_TABLES_EVERY_S = 60.0
_MAX_REASON = 200

TrialList = list[Trial]


class RunFolderCallback(Callback):
    """Keeps the run folder and the screen in step with the study while Tune runs trials."""

    def __init__(
        self, paths: RunPaths, study: SweepStudy, stopper: SweepStopper, live: LiveTable | None
    ) -> None:
        self._paths, self._study, self._stopper, self._live = paths, study, stopper, live
        self._checkpoints = Checkpoints(paths, study.sweep)
        self._tables_at = time.monotonic()

    def on_step_end(self, iteration: int, trials: TrialList, **info: Any) -> None:  # Any: Tune's
        """Look whether a budget is met; refresh the screen often and the tables every minute."""
        self._stopper.is_idle = all(trial.status != Trial.RUNNING for trial in trials)
        sweep, records = self._study.sweep, self._study.records()
        self._stopper.check(sweep, records)
        if self._live and self._live.is_due():
            self._live.show(records, sweep, self._stopper.elapsed_s())
        if time.monotonic() - self._tables_at >= _TABLES_EVERY_S:
            self._tables_at = time.monotonic()
            self._study.note_spent(self._stopper.elapsed_s())
            write_tables(self._paths, self._study, sweep)

    def on_trial_start(self, iteration: int, trials: TrialList, trial: Trial, **info: Any) -> None:
        """Note that a trial was given a process."""
        self._note("started", trial)

    def on_trial_complete(
        self, iteration: int, trials: TrialList, trial: Trial, **info: Any
    ) -> None:
        """Note the end of a trial and free the disk of what it made superfluous."""
        self._note("ended", trial)
        self._study.note_spent(self._stopper.elapsed_s())
        self._checkpoints.drop(self._study.records())

    def on_trial_recover(
        self, iteration: int, trials: TrialList, trial: Trial, **info: Any
    ) -> None:
        """Note that a trial's process died and another takes over from its checkpoint."""
        self._study.note_retry(trial.config["number"])
        self._note("retried", trial)

    def on_trial_error(self, iteration: int, trials: TrialList, trial: Trial, **info: Any) -> None:
        """Note that a trial's process died once too often, or could not start."""
        number = trial.config["number"]
        log = self._paths.relative(self._paths.trial(number).log)
        error = f"{_cause(Path(trial.error_file).read_text())} (log: {log})"
        self._study.fail(number, f"its process died: {error}")
        self._note("failed", trial)

    def _note(self, event: str, trial: Trial) -> None:
        note_event(self._paths, event, {"trial": trial.config["number"]})

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: Tune stores callbacks, and nobody reads them back."""
        return {}


def _cause(failures: str) -> str:
    """Return the last error that Tune's file of failures names, else how the last one begins."""
    lines = [line.strip() for line in failures.split("Failure #")[-1].splitlines()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return (named[-1] if named else " ".join(lines))[:_MAX_REASON]
