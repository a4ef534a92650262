"""When a whole sweep must stop although trials are running."""

import time
from collections.abc import Callable
from typing import Any, Literal

from ray.tune import Stopper

Reason = Literal["budget", "disk", "interrupt"]


class SweepStopper(Stopper):
    """Tells Tune to stop everything once the time is up or somebody asked; says why in `reason`."""

    def __init__(
        self, time_budget_s: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._deadline = None if time_budget_s is None else clock() + time_budget_s
        self.reason: Reason | None = None

    def interrupt(self) -> None:
        """Stop the sweep; running trials stay open for `resume`."""
        self.reason = "interrupt"

    def disk_is_full(self) -> None:
        """Stop the sweep; running trials stay open for `resume`, once there is space."""
        self.reason = "disk"

    def stop_all(self) -> bool:
        """Return whether everything must stop now."""
        if self.reason is None and self._deadline is not None and self._clock() >= self._deadline:
            self.reason = "budget"
        return self.reason is not None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return False: single trials are stopped by the scheduler."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: a stopped sweep has a new stopper."""
        return {}
