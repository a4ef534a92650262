"""Who runs what, when and where: Optuna decides, Ray Tune runs, the run folder remembers."""

from search.driver import launch, resume

__all__ = ["launch", "resume"]
