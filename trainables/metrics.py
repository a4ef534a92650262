"""Scores of predicted probabilities, by scikit-learn's definitions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score

Probabilities = NDArray[np.float32]
"""`[n, K]`, rows sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How good predictions are; all but the loss are fractions in 0..1, higher is better."""

    loss: float
    """Mean cross-entropy in nats, unweighted."""
    accuracy: float
    balanced_accuracy: float
    """Mean recall over the classes that occur."""
    macro_f1: float
    """Unweighted mean of the F1 of classes that occur or are predicted."""


def score(labels: NDArray[np.int64], probabilities: Probabilities) -> Scores:
    """Score `[n, K]` probabilities against `[n]` labels."""
    predicted = probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return Scores(
        loss=float(-np.log(of_truth.clip(1e-12)).mean()),
        accuracy=float((predicted == labels).mean()),
        balanced_accuracy=balanced_accuracy(labels, predicted),
        macro_f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
    )


def balanced_accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Return the mean recall over the classes that occur in `labels`, 0..1."""
    # `balanced_accuracy_score` is this, but warns of a class predicted and absent from the labels.
    present = np.unique(labels)
    return float(recall_score(labels, predicted, labels=present, average="macro", zero_division=0))
