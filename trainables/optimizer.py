"""The optimiser and the learning-rate schedule of a trial."""

from collections.abc import Callable, Sequence
from typing import Literal

import timm.optim
from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

from spaces import TrialSpec, is_higher_better

_PLATEAU_FACTOR = 0.2
_WARM_UP = 0.25


def build_optimizer(model: nn.Module, spec: TrialSpec) -> Optimizer:
    """Return the optimiser; biases, normalisation and what timm's backbone exempts do not decay."""
    exempt: Callable[[], set[str]] = getattr(model, "no_weight_decay", set)
    groups = timm.optim.param_groups_weight_decay(  # type: ignore[attr-defined]  # not in its __all__
        model, spec.weight_decay, no_weight_decay_list=exempt()
    )
    kind: type[Adam] = {"adam": Adam, "adamw": AdamW}[spec.optimizer]
    return kind(groups, lr=spec.learning_rate, fused=True)


def build_scheduler(
    optimizer: Optimizer, spec: TrialSpec, *, objective: str, steps: int
) -> LRScheduler:
    """Return the schedule over `steps` optimiser steps; torch's own, with its defaults.

    `plateau` is stepped once an epoch with the objective, the others at every optimiser step.
    """
    if spec.schedule == "plateau":
        mode: Literal["min", "max"] = "max" if is_higher_better(objective) else "min"
        return ReduceLROnPlateau(
            optimizer, mode, factor=_PLATEAU_FACTOR, patience=spec.plateau_patience
        )
    if spec.schedule == "onecycle":
        # One more than is taken: the scheduler steps once when it is made. A warm-up of exactly
        # one step would make torch divide by zero.
        total = steps + 1
        warm_up = _WARM_UP if total * _WARM_UP != 1 else 2 * _WARM_UP
        return OneCycleLR(optimizer, spec.learning_rate, total_steps=total, pct_start=warm_up)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def replay_scheduler(
    optimizer: Optimizer, spec: TrialSpec, rates: Sequence[float], steps_per_rate: int
) -> LRScheduler:
    """Return a schedule that gives each recorded learning rate for `steps_per_rate` steps."""

    def factor(step: int) -> float:
        return rates[min(step // steps_per_rate, len(rates) - 1)] / spec.learning_rate

    return LambdaLR(optimizer, factor)
