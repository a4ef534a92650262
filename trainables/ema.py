"""The average of a model's weights over the steps of its training."""

from timm.utils.model_ema import ModelEmaV3
from torch import nn

_WARM_UP = 9.0


def build_ema(model: nn.Module, decay: float) -> ModelEmaV3 | None:
    """Return the exponential average of weights and buffers, a copy of `model`; None for decay 0.

    `ema.update(model, step)` after optimiser step 1, 2, ... decays by
    min(decay, (step - 1) / (step + 8)), so that the first weights are soon forgotten: a short run
    averages over its last ninth, whatever the decay. It is the warm-up of TensorFlow's
    ExponentialMovingAverage, two steps later.

    Its whole state is `ema.module.state_dict()`: the step is the caller's.

    Parameters
    ----------
    model : Module
        On its device and in its memory format.
    decay : float, 0 <= decay < 1
    """
    if not decay:
        return None
    return ModelEmaV3(model, decay=decay, use_warmup=True, warmup_gamma=_WARM_UP, warmup_power=1.0)
