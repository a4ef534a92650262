"""Who runs what, when and where: Optuna decides, Ray Tune runs, the run folder remembers."""

from search.driver import check_launch, launch, resume

__all__ = ["check_launch", "launch", "resume"]
