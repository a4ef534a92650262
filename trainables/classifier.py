"""The model of a trial: a backbone, a head, and the preprocessing in front of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from spaces import SweepSpec, TrialSpec
from trainables.backbone import CUSTOM_CNN, build_backbone
from trainables.weights import load_backbone_weights


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

    The normalisation is `mean` and `std`, but with pretrained or local weights that of theirs.

    Raises
    ------
    WeightsError
        Where weights are asked for that cannot be had, or do not fit.
    BackboneError
        Where the backbone cannot be changed as the trial asks.
    """
    image_size = spec.image_size or image_size
    backbone, features = build_backbone(spec, image_size)
    head = _head(features, spec, num_classes)
    if spec.backbone != CUSTOM_CNN and (spec.pretrained or spec.weights):
        mean, std = backbone.pretrained_cfg["mean"], backbone.pretrained_cfg["std"]  # type: ignore[index,assignment]  # timm's own attribute
    if spec.weights:
        known = load_backbone_weights(backbone, head, Path(spec.weights))
        mean = known["mean"].flatten().tolist() if "mean" in known else mean
        std = known["std"].flatten().tolist() if "std" in known else std
    return Classifier(backbone, head, image_size=image_size, mean=mean, std=std)


def _head(features: int, spec: TrialSpec, num_classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    if spec.head_width:
        for _ in range(spec.head_layers):
            layers += [nn.Linear(features, spec.head_width), nn.GELU()]
            features = spec.head_width
    return nn.Sequential(*layers, nn.Dropout(spec.dropout), nn.Linear(features, num_classes))


def parameters_m(model: nn.Module) -> float:
    """Return the number of a model's parameters in millions."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def check_models(sweep: SweepSpec) -> None:
    """Build every kind of model that trials may ask for, so that no trial finds out it cannot.

    Pretrained weights are fetched, so that no trial waits for the network.

    Raises
    ------
    WeightsError, BackboneError
        Where one cannot be built.
    """
    varied = ("backbone", "width", "stem_stride", "output_stride", "pretrained", "weights")
    drop_path = max(sweep.candidates("drop_path"))
    for chosen in sweep.combinations(varied):
        spec = sweep.trial.model_copy(update={**chosen, "drop_path": drop_path})
        if not (drop_path or any(chosen[name] for name in varied[2:])):
            continue  # a plain backbone can be built, and building takes timm a second
        with torch.device("cpu" if spec.pretrained or spec.weights else "meta"):
            build_classifier(
                spec, num_classes=2, image_size=sweep.data.image_size, mean=(0,) * 3, std=(1,) * 3
            )
