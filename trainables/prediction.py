"""Probabilities of a model for images, and its scores on the views of a trial."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spaces import TestTimeAugmentation
from trainables.metrics import Probabilities, Scores, balanced_accuracy, score
from trainables.picture import Pixels
from trainables.trial_data import View, to_unit
from trainables.tta import averaged

BATCH = 256


def predict(
    model: nn.Module,
    batches: Iterable[Pixels],
    device: torch.device,
    *,
    tta: TestTimeAugmentation = "none",
) -> Probabilities:
    """Return the class probabilities `[n, K]` of uint8 images `[B, S, S, 3]`, batch after batch.

    They are the mean over the views that `tta` asks for.
    """
    model.eval()
    with torch.inference_mode():
        parts = [_predict_batch(model, to_unit(batch, device), tta) for batch in batches]
    return torch.cat(parts).numpy()


def _predict_batch(model: nn.Module, images: Tensor, tta: TestTimeAugmentation) -> Tensor:
    """Return probabilities of a batch, in as many parts as the device's memory makes needful."""
    num_parts = 1
    while True:
        try:
            parts = images.tensor_split(num_parts)
            return torch.cat([averaged(model, part, tta).cpu() for part in parts])
        except torch.OutOfMemoryError:
            if 2 * num_parts > len(images):
                raise
        torch.cuda.empty_cache()
        num_parts *= 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What a model predicts for the views of a trial, and how good that is."""

    clean: Scores
    shift_accuracy: float | None
    """Mean balanced accuracy over the shifts, 0..1; None where no shift was asked for."""
    robust_accuracy: float | None
    """Mean of the clean balanced accuracy and `shift_accuracy`."""
    probabilities: tuple[Probabilities, ...]
    """`[n, K]` for every view."""


def validate(model: nn.Module, views: Sequence[View], device: torch.device) -> Validation:
    """Score a model on views, of which the first is the clean one."""
    probabilities = tuple(predict(model, view.batches(BATCH), device) for view in views)
    clean = score(views[0].labels, probabilities[0])
    under_shift = [
        balanced_accuracy(view.labels, p.argmax(axis=1))
        for view, p in zip(views[1:], probabilities[1:], strict=True)
    ]
    shift = float(np.mean(under_shift)) if under_shift else None
    return Validation(
        clean=clean,
        shift_accuracy=shift,
        robust_accuracy=None if shift is None else (clean.balanced_accuracy + shift) / 2,
        probabilities=probabilities,
    )


def predictions_frame(
    views: Sequence[View], probabilities: Sequence[Probabilities]
) -> pd.DataFrame:
    """Return one row per image and view: row, label, view, prob_0, prob_1, ... (float16).

    A view is `clean`, or the shift's name and severity, as `rotation-3`.
    """
    frames = []
    for view, probability in zip(views, probabilities, strict=True):
        names = [f"{view.name}-{s}" if s else view.name for s in view.severities]
        facts = pd.DataFrame({"row": view.rows, "label": view.labels, "view": names})
        columns = [f"prob_{k}" for k in range(probability.shape[1])]
        frames.append(facts.join(pd.DataFrame(probability.astype(np.float16), columns=columns)))
    return pd.concat(frames, ignore_index=True)
