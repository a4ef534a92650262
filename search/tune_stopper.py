"""When a whole sweep must stop although trials are running."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ray.tune import Stopper

from spaces import SweepSpec, TrialRecord, is_time_over, met_budget

Reason = Literal["budget", "user", "disk", "interrupt"]

_LEAVES_OPEN = ("disk", "interrupt")
"""Reasons for which running trials stay as they are, for `resume` to go on with."""


class SweepStopper(Stopper):
    """Knows whether the sweep is to end, and why: `reason` in a word, `detail` in a sentence.

    An interrupt, a full disk and the end of the wall time, but for `grace`, cut all trials at once.
    Otherwise no trial begins any more, running ones are asked to end at their next epoch, and Tune
    is told to stop everything once none is left running.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self.spent_before_s = 0.0
        """Wall time of the drivers before this one."""
        self.is_idle = False
        """Whether no trial is running now."""
        self.is_over = False
        """Whether Tune was told that nothing more will come, which cannot be taken back."""
        self.reason: Reason | None = None
        self.detail: str | None = None
        self._grace = self._is_late = False
        self._cancelled: set[int] = set()

    def elapsed_s(self) -> float:
        """Return the wall time of all drivers of the run so far."""
        return self.spent_before_s + self._clock() - self._began

    def interrupt(self) -> None:
        """Stop the sweep; running trials stay open for `resume`."""
        self.reason, self.detail = "interrupt", None

    def disk_is_full(self) -> None:
        """Stop the sweep; running trials stay open for `resume`, once there is space."""
        self.reason, self.detail = "disk", None

    def stop_by_user(self) -> None:
        """End the sweep because somebody asked for it, with the next epoch of every trial."""
        self.reason, self.detail, self._grace = "user", "`cytosweep stop`", False

    def go_on(self) -> None:
        """Take a budget back that was met, for it was changed."""
        if self.reason == "budget":
            self.reason = self.detail = None

    def cancel(self, number: int) -> None:
        """End one trial with its next epoch."""
        self._cancelled.add(number)

    def check(self, sweep: SweepSpec, records: Sequence[TrialRecord]) -> None:
        """End the sweep if one of its budgets is met."""
        if self.reason is None and (met := met_budget(sweep, records, self.elapsed_s())):
            self.reason, self.detail, self._grace = "budget", met.text, sweep.search.grace
        self._is_late = is_time_over(sweep, self.elapsed_s()) and not sweep.search.grace

    def verdict(self, number: int) -> Reason | None:
        """Return why a trial that has told an epoch must end; None where it may stay open."""
        if number in self._cancelled:
            return "user"
        return None if self._grace or self.reason in _LEAVES_OPEN else self.reason

    def stop_all(self) -> bool:
        """Return whether everything must stop now."""
        is_at_once = self.reason in _LEAVES_OPEN or self._is_late
        must = self.reason is not None and (self.is_idle or is_at_once)
        self.is_over = self.is_over or must
        return must

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return False: single trials are stopped by the scheduler."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: a stopped sweep has a new stopper."""
        return {}
