"""Backbones of classifiers: timm's, kept sharp on small images, and one of our own."""

from functools import cache, partial
from typing import Any

import timm
import torch
from timm.models import EfficientNet, MobileNetV3
from torch import nn

from spaces import TrialSpec, UserError
from trainables.custom_cnn import CustomCnn

CUSTOM_CNN = "custom_cnn"

_OWN_STEM_STRIDE = 2


class WeightsError(UserError):
    """Weights that cannot be had, or do not fit."""


class BackboneError(UserError):
    """A backbone that cannot be changed as the trial asks."""


def build_backbone(spec: TrialSpec, image_size: int) -> tuple[nn.Module, int]:
    """Return a trial's backbone, `[B, 3, S, S]` to `[B, F]`, and its number of features F.

    Raises
    ------
    WeightsError
        Where pretrained weights are asked for and can neither be found nor fetched.
    BackboneError
        Where the backbone lacks the stride that is asked for.
    """
    if spec.backbone == CUSTOM_CNN:
        own = CustomCnn(
            spec.width,
            stem_stride=spec.stem_stride or _OWN_STEM_STRIDE,
            output_stride=spec.output_stride,
            drop_path=spec.drop_path,
        )
        backbone: nn.Module = own
        features = own.num_features
    else:
        built = _timm_backbone(spec, image_size)
        backbone = built
        features = getattr(built, "head_hidden_size", None) or built.num_features
    if spec.batch_norm_momentum is not None:
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = spec.batch_norm_momentum
    return backbone, features


def _timm_backbone(spec: TrialSpec, image_size: int) -> Any:  # Any: timm's own attributes
    name = spec.backbone
    options: dict[str, Any] = {"num_classes": 0}  # Any: arguments of timm's
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        options["img_size"] = image_size
    if spec.drop_path:
        options["drop_path_rate"] = spec.drop_path
    by_timm = spec.output_stride is not None and not _has_inverted_blocks(name)
    if by_timm:
        # timm counts on a stem of stride 2.
        factor = _OWN_STEM_STRIDE // (spec.stem_stride or _OWN_STEM_STRIDE)
        options["output_stride"] = factor * (spec.output_stride or 0)
    create = partial(timm.create_model, name, pretrained=spec.pretrained, **options)
    backbone: Any  # Any: as above
    try:
        backbone = create()
    except Exception as error:  # the hub client and timm's models raise errors of many kinds
        if spec.pretrained and not _lacks_options(name, options):
            raise WeightsError(
                f"pretrained weights of {name} cannot be fetched ({type(error).__name__}); connect"
                " to the hub once, set HF_HUB_CACHE to a filled cache, give trial.weights: FILE, or"
                " set trial.pretrained: false"
            ) from error
        if by_timm or spec.drop_path:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BackboneError(_lacks(spec, reason)) from error
        raise
    if spec.stem_stride is not None:
        _set_stem_stride(backbone, spec)
    if spec.output_stride is not None and not by_timm:
        _dilate(backbone, spec)
    return backbone


@cache
def _has_inverted_blocks(name: str) -> bool:
    """Return whether timm's `name` is a MobileNetV3, which takes no output stride, or like one."""
    with torch.device("meta"):
        return isinstance(timm.create_model(name, num_classes=0), (EfficientNet, MobileNetV3))


def _lacks_options(name: str, options: dict[str, Any]) -> bool:  # Any: arguments of timm's
    """Return whether timm cannot build `name` so even without weights."""
    try:
        with torch.device("meta"):
            timm.create_model(name, **options)
    except Exception:  # timm's models raise errors of many kinds
        return True
    return False


def _set_stem_stride(backbone: Any, spec: TrialSpec) -> None:  # Any: timm's own attributes
    first = backbone.default_cfg.get("first_conv")
    stem = backbone.get_submodule(first) if isinstance(first, str) else None
    if not isinstance(stem, nn.Conv2d) or stem.stride[0] > _OWN_STEM_STRIDE:
        raise BackboneError(_lacks(spec, "its first convolution has no stride of 1 or 2"))
    assert spec.stem_stride is not None  # asked by the caller
    stem.stride = (spec.stem_stride, spec.stem_stride)


def _dilate(backbone: EfficientNet | MobileNetV3, spec: TrialSpec) -> None:
    """Turn strides beyond the output stride into dilations, as timm's own builder does."""
    stride, dilation = backbone.conv_stem.stride[0], 1
    assert spec.output_stride is not None  # asked by the caller
    for module in backbone.blocks.modules():
        if not isinstance(module, nn.Conv2d) or module.kernel_size[0] == 1:
            continue
        module.dilation = (dilation, dilation)
        reach = dilation * (module.kernel_size[0] - 1) // 2
        module.padding = (reach, reach)
        if stride * module.stride[0] > spec.output_stride:
            dilation *= module.stride[0]
            module.stride = (1, 1)
        stride *= module.stride[0]
    if stride > spec.output_stride:
        raise BackboneError(_lacks(spec, f"its stem alone has stride {stride}"))


def _lacks(spec: TrialSpec, reason: str) -> str:
    asked = {
        "output_stride": spec.output_stride,
        "stem_stride": spec.stem_stride,
        "drop_path": spec.drop_path or None,
    }
    options = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
    return f"trial.backbone is {spec.backbone}, which lacks {options} ({reason}); leave that out"


@cache
def backbone_names() -> frozenset[str]:
    """Return every name that `trial.backbone` may have."""
    return frozenset({CUSTOM_CNN, *timm.list_models()})
