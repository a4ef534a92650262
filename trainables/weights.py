"""Starting from local weights: a file of tensors, or a model folder."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm.models
from torch import Tensor, nn

from trainables.backbone import WeightsError

WEIGHTS = "model.safetensors"
"""The weights of a model folder."""
_BACKBONE = "backbone."
_NUM_NAMED = 3
_COUNTER = "num_batches_tracked"
"""Old files lack it, and nothing that we do depends on it."""

_log = logging.getLogger(__name__)


def load_backbone_weights(backbone: nn.Module, head: nn.Module, path: Path) -> dict[str, Tensor]:
    """Copy the tensors of a file into a backbone, and into a head those that fit.

    Parameters
    ----------
    backbone, head : Module
        Changed in place.
    path : Path
        A safetensors file, a torch state dict (also under `state_dict` or `model`), or a model
        folder. Names are those of the backbone, or of a `Classifier` (`backbone.`, `head.`).

    Returns
    -------
    dict of str to Tensor
        `mean` and `std`, float32 [1, 3, 1, 1], where the file knows its normalisation.

    Raises
    ------
    WeightsError
        Where the file cannot be read, or a tensor of the backbone is missing or has another shape.
    """
    tensors = _read(path)
    is_ours = any(name.startswith(_BACKBONE) for name in tensors)
    body = tensors_under(_BACKBONE, tensors) if is_ours else _as_timm_loads(backbone, tensors)
    _check_backbone(backbone, body, path)
    own = backbone.state_dict()
    backbone.load_state_dict({name: body.get(name, own[name]) for name in own})
    if is_ours:
        skipped = _load_head(head, tensors_under("head.", tensors))
    else:
        skipped = sorted(set(body) - set(own))
    if skipped:
        _log.info("%s: skipped, as they do not fit the head: %s", path, ", ".join(skipped))
    return {name: tensors[name] for name in ("mean", "std") if is_ours and name in tensors}


def _read(path: Path) -> dict[str, Tensor]:
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(
            f"trial.weights is {path}, but there is no such file or model folder; give a"
            " .safetensors file, a state dict saved by torch.save, or RUN/best"
        )
    try:
        tensors: dict[str, Any] = timm.models.load_state_dict(str(file))  # Any: checked below
    except Exception as error:  # the readers of damaged files raise errors of many kinds
        reason = " ".join(str(error).split())[:120]
        raise WeightsError(
            f"trial.weights is {path}, but cannot be read as weights ({reason}); give a"
            " .safetensors file or a plain state dict"
        ) from error
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}


def _as_timm_loads(backbone: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors renamed, and positions resampled, as timm does with its own files."""
    change = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
    return dict(change(tensors, backbone)) if change else tensors


def _check_backbone(backbone: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    own = backbone.state_dict()
    missing = [n for n in own if n not in tensors and not n.endswith(_COUNTER)]
    other = [
        f"{name} {list(tensors[name].shape)} for {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    for what, names in (("misses", missing), ("has of another shape", other)):
        if names:
            more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
            raise WeightsError(
                f"trial.weights is {path}, but {what} {', '.join(names[:_NUM_NAMED])}{more};"
                " give weights of the same trial.backbone, width and strides"
            )


def _load_head(head: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Copy what fits, and return the names of what does not."""
    own = head.state_dict()
    fits = {n: t for n, t in tensors.items() if n in own and own[n].shape == t.shape}
    head.load_state_dict({**own, **fits})
    return sorted(f"head.{name}" for name in set(tensors) - set(fits))


def tensors_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, by the rest of their names."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
