"""Optuna's pruners by our names, and the steps in which they count."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)

from spaces import EpochRecord, SearchSpec, SweepSpec


def pruning_step(search: SearchSpec, record: EpochRecord) -> int:
    """Return the step an epoch ends in: its number, or how often `min_seconds` have passed."""
    if search.prune_by == "epochs" or search.min_seconds is None:
        return record.epoch
    return int(record.seconds // search.min_seconds)


def build_pruner(sweep: SweepSpec) -> BasePruner:
    """Return the pruner of a sweep, which counts in epochs or in multiples of `min_seconds`.

    What it knows is in the journal: it may be built again at any time.
    """
    search = sweep.search
    first = 1 if search.prune_by == "seconds" else search.min_epochs
    factor, startup = search.reduction_factor, search.startup_trials
    if search.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
    if search.pruner == "hyperband":
        # Left to itself, Optuna takes the longest trial that has ended when it first asks.
        longest = max(sweep.candidates("epochs"))
        return HyperbandPruner(first, max_resource=longest, reduction_factor=factor)
    if search.pruner == "percentile":
        return PercentilePruner(search.percentile, startup, n_warmup_steps=first)
    median = MedianPruner(n_startup_trials=startup, n_warmup_steps=first)
    if search.pruner == "median":
        return median
    if search.pruner == "patient":
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            return PatientPruner(median, patience=search.patience)
    return NopPruner()
