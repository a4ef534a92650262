"""The model of a trial: a backbone, a head, and the preprocessing in front of them."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from spaces import SweepSpec, TrialSpec, UserError
from trainables.custom_cnn import CustomCnn

CUSTOM_CNN = "custom_cnn"


class WeightsError(UserError):
    """Pretrained weights that cannot be had."""


class Classifier(nn.Module):
    """Class scores from pictures in 0..1: resizing and normalisation are part of the model.

    Parameters
    ----------
    backbone : Module
        From normalised `[B, 3, S, S]` to features `[B, F]`.
    head : Module
        From features to scores `[B, K]`.
    image_size : int, pixels
        Side to which images are resized.
    mean, std : sequence of 3 floats
        Normalisation of the channels, on the scale 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.image_size = backbone, head, image_size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return scores `[B, K]` (logits) of float images `[B, 3, H, W]` in 0..1."""
        if images.shape[-1] != self.image_size:
            size = [self.image_size, self.image_size]
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        return self.head(self.backbone((images - self.mean) / self.std))  # type: ignore[no-any-return]  # modules are untyped

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters that timm exempts from weight decay."""
        exempt: Callable[[], set[str]] = getattr(self.backbone, "no_weight_decay", set)
        return {f"backbone.{name}" for name in exempt()}


def build_classifier(
    spec: TrialSpec,
    *,
    num_classes: int,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Classifier:
    """Return the untrained model of a trial, initialised by torch's global generator.

    With pretrained weights the normalisation is the backbone's own, else `mean` and `std`.

    Raises
    ------
    WeightsError
        Where pretrained weights are asked for and can neither be found nor fetched.
    """
    image_size = spec.image_size or image_size
    backbone: Any  # timm's models have attributes that torch's modules lack
    if spec.backbone == CUSTOM_CNN:
        backbone = CustomCnn(spec.width)
        features = 4 * spec.width
    else:
        backbone = _timm_backbone(spec.backbone, spec.pretrained, image_size)
        features = getattr(backbone, "head_hidden_size", None) or backbone.num_features
        if spec.pretrained:
            own: dict[str, Any] = backbone.pretrained_cfg  # Any: timm's mixed values
            mean, std = own["mean"], own["std"]
    head = _head(features, spec.head_width, spec.dropout, num_classes)
    return Classifier(backbone, head, image_size=image_size, mean=mean, std=std)


def _head(features: int, width: int, dropout: float, num_classes: int) -> nn.Sequential:
    dense = [nn.Linear(features, width), nn.GELU()] if width else []
    return nn.Sequential(*dense, nn.Dropout(dropout), nn.Linear(width or features, num_classes))


def _timm_backbone(name: str, pretrained: bool, image_size: int) -> nn.Module:
    config = timm.get_pretrained_cfg(name)
    is_fixed = config is not None and config.fixed_input_size
    create = partial(timm.create_model, img_size=image_size) if is_fixed else timm.create_model
    try:
        return create(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # the hub client raises errors of many kinds when it is cut off
        if not pretrained:
            raise
        raise WeightsError(
            f"pretrained weights of {name} cannot be fetched ({type(error).__name__}); connect to"
            " the hub once, set HF_HUB_CACHE to a filled cache, or set trial.pretrained: false"
        ) from error


def parameters_m(model: nn.Module) -> float:
    """Return the number of a model's parameters in millions."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


@cache
def backbone_names() -> frozenset[str]:
    """Return every name that `trial.backbone` may have."""
    return frozenset({CUSTOM_CNN, *timm.list_models()})


def check_weights(sweep: SweepSpec) -> None:
    """Fetch the pretrained weights that trials may ask for, so that no trial waits for the network.

    Raises
    ------
    WeightsError
        Where some can neither be found nor fetched.
    """
    if True in sweep.candidates("pretrained"):
        for name in sweep.candidates("backbone"):
            if name != CUSTOM_CNN:
                _timm_backbone(name, pretrained=True, image_size=sweep.data.image_size)
