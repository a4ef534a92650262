"""The model card: what a model folder is, for people."""

from collections.abc import Mapping
from typing import Any

from trainables.model_folder import ModelCard


def model_readme(card: ModelCard, metrics: Mapping[str, Any]) -> str:  # Any: JSON
    """Return the text of `README.md` for a model folder."""
    trial = card.trial
    return f"""# {trial.backbone}: {len(card.classes)} classes

Classes, in the order of the scores: {", ".join(card.classes)}.

Input: square RGB pictures of {card.image_size} pixels (`{card.resize}`), float 0..1,
`[B, 3, {card.image_size}, {card.image_size}]`. Normalisation is part of the model. Output: one
score (logit) per class.

| | |
|---|---|
| Data | `{card.data.source.rpartition("/")[2]}`, fingerprint `{card.data_fingerprint[:12]}` |
| Epochs at most | {trial.epochs} |
| Optimiser | {trial.optimizer}, batch {trial.batch_size}, learning rate {trial.learning_rate:.3g} |
| Augmentation | {trial.augment_ops} RandAugment operations, magnitude {trial.augment_magnitude:g} |
| Dropout | {trial.dropout:.3g} |
{_rows(metrics)}
The trial's scores chose this configuration, so they flatter it; `cytosweep evaluate` on images that
nobody has used tells how good it is.

    cytosweep predict . cell.png
"""


def _rows(metrics: Mapping[str, Any]) -> str:  # Any: JSON
    """Return one table row for every number in nested metrics."""
    lines = [
        f"| {part}: {name} | {value if isinstance(value, int) else f'{value:.4g}'} |"
        for part, values in metrics.items()
        for name, value in values.items()
        if value is not None
    ]
    return "\n".join(lines) + "\n" if lines else ""
