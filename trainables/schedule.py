"""The learning-rate schedule of a trial; every group of weights keeps its share of the rate."""

import math
from collections.abc import Sequence
from typing import Literal

from torch.optim import Optimizer
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
"""Of one-cycle."""


def build_scheduler(
    optimizer: Optimizer, spec: TrialSpec, *, objective: str, steps: int
) -> LRScheduler:
    """Return the schedule over `steps` optimiser steps; its state is plain JSON.

    `plateau` is stepped once an epoch with the objective, the others at every optimiser step.
    """
    match spec.schedule:
        case "plateau":
            return _plateau(optimizer, spec, objective)
        case "onecycle":
            return _one_cycle(optimizer, steps)
        case "cosine":
            return _cosine(optimizer, round(spec.warm_up * steps), steps)
        case "constant":
            return ConstantLR(optimizer, factor=1.0, total_iters=0)


def replay_scheduler(
    optimizer: Optimizer, spec: TrialSpec, rates: Sequence[float], steps_per_rate: int
) -> LRScheduler:
    """Return a schedule that gives each recorded learning rate for `steps_per_rate` steps.

    The rates are those of the head; layers away from it get their share of them.
    """

    def factor(step: int) -> float:
        return rates[min(step // steps_per_rate, len(rates) - 1)] / spec.learning_rate

    return LambdaLR(optimizer, factor)


def _plateau(optimizer: Optimizer, spec: TrialSpec, objective: str) -> LRScheduler:
    mode: Literal["min", "max"] = "max" if is_higher_better(objective) else "min"
    # Torch does not reduce a rate by less than `eps`: layers of a low rate would keep theirs.
    return ReduceLROnPlateau(
        optimizer, mode, factor=_PLATEAU_FACTOR, patience=spec.plateau_patience, eps=0.0
    )


def _one_cycle(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return Smith and Topin's policy ("Super-Convergence", 2018) with torch's defaults."""
    # One more than is taken: the scheduler steps once when it is made. A warm-up of exactly one
    # step would make torch divide by zero.
    total = steps + 1
    warm_up = _WARM_UP if total * _WARM_UP != 1 else 2 * _WARM_UP
    highest = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, highest, total_steps=total, pct_start=warm_up)


def _cosine(optimizer: Optimizer, warm_up: int, steps: int) -> LRScheduler:
    """Return a linear rise over `warm_up` steps, then Loshchilov and Hutter's cosine (2017)."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / (warm_up + 1)  # a step at a rate of 0 would teach nothing
        done = (step - warm_up) / max(1, steps - warm_up)
        return (1 + math.cos(math.pi * min(1.0, done))) / 2

    return LambdaLR(optimizer, factor)
