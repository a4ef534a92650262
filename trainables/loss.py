"""The loss of a trial: weighted cross-entropy or focal loss of soft targets."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spaces import TrialSpec

_BETA = 0.999
"""Of Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (2019)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss in two sums, so that the sums of micro-batches add up to those of their batch.

    The loss of a batch is `total / weight`: for one-hot targets and gamma 0 it is
    `torch.nn.CrossEntropyLoss(class_weights, label_smoothing=smoothing)`.
    """

    class_weights: Tensor
    """float32, [K], 0 or more."""
    smoothing: float
    """Part of each target that is spread evenly over all K classes, 0..1."""
    gamma: float
    """Exponent of the focal factor (Lin et al., "Focal Loss for Dense Object Detection", 2017)."""

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the weighted losses of all images, in nats.

        Parameters
        ----------
        logits : Tensor, any float, [B, K]
        targets : Tensor, float32, [B, K], rows sum to 1

        Returns
        -------
        Tensor, float32, []
        """
        log_p = logits.float().log_softmax(dim=1)
        smooth = (1 - self.smoothing) * targets + self.smoothing / targets.shape[1]
        terms = smooth * self.class_weights * log_p
        if self.gamma:
            # At a probability of 1 a power below 1 has an infinite slope, which times 0 is NaN.
            wrong = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).eps)
            terms = terms * wrong**self.gamma
        return -terms.sum()

    def weight(self, targets: Tensor) -> Tensor:
        """Return the sum of the weights of all images, float32, [].

        Parameters
        ----------
        targets : Tensor, float32, [B, K], rows sum to 1
        """
        return (targets @ self.class_weights).sum()


def build_loss(spec: TrialSpec, counts: NDArray[np.int64], device: torch.device) -> Loss:
    """Return the loss of a trial.

    Parameters
    ----------
    spec : TrialSpec
    counts : array, int64, [K], training images of each class
    device : torch.device, where the model is
    """
    return Loss(
        class_weights=class_weights(spec, counts).to(device),
        smoothing=spec.label_smoothing,
        gamma=spec.focal_gamma if spec.loss == "focal" else 0.0,
    )


def class_weights(spec: TrialSpec, counts: NDArray[np.int64]) -> Tensor:
    """Return the weight of each class; the mean over images is 1.

    Parameters
    ----------
    spec : TrialSpec
    counts : array, int64, [K], training images of each class

    Returns
    -------
    Tensor, float32, [K]
        Where classes are weighted, one without an image weighs 0, or label smoothing would train
        on it alone.
    """
    if spec.class_weights == "none":
        return torch.ones(len(counts))
    sizes = counts.clip(1).astype(np.float64)
    if spec.class_weights == "effective":
        sizes = np.expm1(sizes * np.log(_BETA)) / (_BETA - 1)
    weights = np.where(counts, 1 / sizes, 0.0)
    return torch.from_numpy(weights * counts.sum() / (weights @ counts)).float()
