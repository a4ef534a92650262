"""The optimiser of a trial, and which weights it moves how fast."""

from collections.abc import Callable
from typing import Any

import timm.optim
from timm.optim.lion import Lion
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from spaces import TrialSpec
from trainables.classifier import Classifier

_MOMENTUM = 0.9

_Groups = list[dict[str, Any]]  # Any: torch's own mixture of weights and options


def build_optimizer(model: nn.Module, spec: TrialSpec) -> Optimizer:
    """Return the optimiser, the group of the highest learning rate, the head's, first.

    Biases, normalisation and what timm's backbone exempts do not decay. Weights that need no
    gradient now are left out for ever: freeze none before.

    Parameters
    ----------
    model : Module
        A Classifier, if `layer_decay` is below 1.
    spec : TrialSpec
    """
    groups, rate = _parameter_groups(model, spec), spec.learning_rate
    match spec.optimizer:
        case "adam":
            return Adam(groups, lr=rate, fused=True)
        case "adamw":
            return AdamW(groups, lr=rate, fused=True)
        case "sgd":
            # The fused kernel wants the momenta of all weights of a group or of none, and weights
            # that were frozen have none yet.
            is_fused = not spec.frozen_epochs
            return SGD(groups, lr=rate, momentum=_MOMENTUM, nesterov=True, fused=is_fused)
        case "lion":
            return Lion(groups, lr=rate)


def _parameter_groups(model: nn.Module, spec: TrialSpec) -> _Groups:
    if spec.layer_decay == 1:
        return _decayed_or_not(model, spec)
    assert isinstance(model, Classifier)
    groups = [group | {"lr_scale": 1.0} for group in _decayed_or_not(model.head, spec)]
    layers: _Groups = timm.optim.param_groups_layer_decay(  # type: ignore[attr-defined]  # not in its __all__
        model.backbone, spec.weight_decay, _exempt(model.backbone), layer_decay=spec.layer_decay
    )
    # timm leaves the last layer as it is; here the head is beyond that.
    groups += [group | {"lr_scale": spec.layer_decay * group["lr_scale"]} for group in layers]
    return [group | {"lr": spec.learning_rate * group["lr_scale"]} for group in groups]


def _decayed_or_not(module: nn.Module, spec: TrialSpec) -> _Groups:
    groups: _Groups = timm.optim.param_groups_weight_decay(  # type: ignore[attr-defined]  # not in its __all__
        module, spec.weight_decay, no_weight_decay_list=_exempt(module)
    )
    return groups


def _exempt(module: nn.Module) -> set[str]:
    exempt: Callable[[], set[str]] = getattr(module, "no_weight_decay", set)
    return exempt()
