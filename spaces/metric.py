"""The metrics a trial reports every epoch, and which way each is better."""

from typing import Literal

Metric = Literal[
    "robust_accuracy",
    "shift_accuracy",
    "val_balanced_accuracy",
    "val_accuracy",
    "val_macro_f1",
    "val_loss",
]
"""Names of what a sweep can optimise; accuracies and F1 are fractions in 0..1."""

METRICS_UNDER_SHIFT: tuple[Metric, ...] = ("robust_accuracy", "shift_accuracy")
"""Metrics that exist only where `trial.validation_views` is `shifts`."""


def is_higher_better(metric: str) -> bool:
    """Return whether more of `metric` is better; true for all but losses."""
    return not metric.endswith("_loss")


def is_better(metric: str, value: float, than: float) -> bool:
    """Return whether `value` of `metric` is strictly better than `than`."""
    return value > than if is_higher_better(metric) else value < than
