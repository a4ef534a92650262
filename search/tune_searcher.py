"""Tune's question "what shall run next?", passed on to the study."""

from typing import Any

from ray.tune.search import Searcher

from search.study import SweepStudy
from search.tune_stopper import SweepStopper


class StudySearcher(Searcher):
    """A Tune searcher that suggests what the study suggests; trials are told by the scheduler."""

    def __init__(self, study: SweepStudy, stopper: SweepStopper) -> None:
        super().__init__()
        self._study, self._stopper = study, stopper
        self._max_concurrent = 1
        self._live: set[str] = set()

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Let that many trials run at a time from now on; True tells Tune to leave it to us."""
        self._max_concurrent = max_concurrent
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:  # Any: Tune's trial configuration
        """Return number, parameters and seed of the next trial, or Tune's word for the end.

        Nothing is returned for now where as many run as may, and, because the sweep may be extended
        meanwhile, as long as the last ones run.
        """
        if len(self._live) >= self._max_concurrent:
            return None
        suggestion = None if self._stopper.reason else self._study.suggest()
        if suggestion is None:
            if self._live:
                return None
            self._stopper.is_over = True
            return Searcher.FINISHED  # type: ignore[return-value]  # Tune says dict and means this too
        self._live.add(trial_id)
        return {
            "number": suggestion.number,
            "params": suggestion.params,
            "seed": suggestion.seed,
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Free the trial's place; the scheduler sees the same end, and the trial with it."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the only memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: nothing was saved."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: Tune stores the searcher, and nobody reads it back."""
        return {}
