"""Tune's question "what shall run next?", passed on to the study."""

from typing import Any

from ray.tune.search import Searcher

from search.study import SweepStudy


class StudySearcher(Searcher):
    """A Tune searcher that suggests what the study suggests; trials are told by the scheduler."""

    def __init__(self, study: SweepStudy) -> None:
        super().__init__()
        self._study = study

    def suggest(self, trial_id: str) -> dict[str, Any] | None:  # Any: Tune's trial configuration
        """Return number, parameters and seed of the next trial, or Tune's word for the end."""
        suggestion = self._study.suggest()
        if suggestion is None:
            return Searcher.FINISHED  # type: ignore[return-value]  # Tune says dict and means this too
        return {
            "number": suggestion.number,
            "params": suggestion.params,
            "seed": suggestion.seed,
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the scheduler sees the same end, and the trial with it."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the only memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: nothing was saved."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: Tune stores the searcher, and nobody reads it back."""
        return {}
