"""What each shift costs a model that was trained without augmentation, by severity.

usage: python -m benchmarks.shifts --source PATH [--size 64] [--epochs 6] [--seeds 0 1] [--keep DIR]

The strengths in `trainables/shifts.py` are calibrated by this table: severity 3 is to cost 10 to 30
points of balanced accuracy, severity 5 is to cost 25 to 60. The reference is `custom_cnn` of width
24, trained on the training images of the source as they are, and measured on validation images,
75 of each class. `--keep` names a folder in which references are kept and found again.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spaces import DataSpec, EpochRecord, TrialSpec
from trainables import TrainPlan, load_model, load_trial_data, save_model, train
from trainables.metrics import balanced_accuracy
from trainables.prediction import BATCH, predict
from trainables.shifts import NUM_SEVERITIES, SHIFTS
from trainables.training import model_card, steps_per_epoch
from trainables.trial_data import TrialData, View, clean_view, shifted_pixels

IMAGES_PER_CLASS = 75
CPU = torch.device("cpu")

Losses = NDArray[np.float64]
"""Points of balanced accuracy lost at severity 1 to 5, `[5]`, 0..100."""


def reference_spec(epochs: int) -> TrialSpec:
    """Return how the reference is trained: fast, and without any variation of its images."""
    return TrialSpec(
        width=24,
        epochs=epochs,
        batch_size=64,
        optimizer="adamw",
        learning_rate=3e-3,
        schedule="onecycle",
        flips=False,
        validation_views="clean",
    )


def reference(data: TrialData, spec: TrialSpec, seed: int, keep: Path) -> nn.Module:
    """Return the reference of a seed: that in `keep`, or a new one, which is then kept."""
    folder = keep / f"reference_{data.store.fingerprint[:8]}_{spec.epochs}_{seed}"
    if not folder.exists():
        steps = spec.epochs * steps_per_epoch(len(data.split.train), spec.batch_size)
        plan = TrainPlan(spec=spec, objective="val_balanced_accuracy", seed=seed, steps=steps)
        model = train(plan, data, [data.clean], tell)
        save_model(folder, model, model_card(model, plan, data))
    return load_model(folder)[0]


def tell(record: EpochRecord) -> None:
    """Print how an epoch of the reference went."""
    score = record.val_balanced_accuracy
    print(f"epoch {record.epoch}: {score:.4f} after {record.seconds:.0f} s", flush=True)


def measured_view(data: TrialData) -> View:
    """Return the same number of validation images of each class, or all where there are fewer."""
    indices = np.random.default_rng(0).permutation(data.split.validation)
    labels = data.store.labels[indices]
    chosen = [indices[labels == label][:IMAGES_PER_CLASS] for label in np.unique(labels)]
    return clean_view(data.store, np.sort(np.concatenate(chosen)))


def score_of(model: nn.Module, view: View, shift: str = "", severity: int = 0) -> float:
    """Return the balanced accuracy, 0..100, on the view as it is or under a shift."""
    pixels = view.images[view.indices]
    if shift:
        pixels = shifted_pixels(pixels, shift, np.full(len(pixels), severity), seed=0)
    batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
    probabilities = predict(model, batches, CPU)
    return 100 * balanced_accuracy(view.labels, probabilities.argmax(axis=1))


def losses_of(model: nn.Module, view: View) -> Iterator[tuple[str, Losses]]:
    """Yield the name of every shift and what each severity of it costs."""
    clean = score_of(model, view)
    for name in SHIFTS:
        scores = [score_of(model, view, name, 1 + step) for step in range(NUM_SEVERITIES)]
        yield name, clean - np.array(scores)


def report(models: list[nn.Module], data: TrialData, spec: TrialSpec, source: str) -> Iterator[str]:
    """Yield the lines of the table: hardware, versions, what the reference is, then each shift."""
    view = measured_view(data)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision"))
    clean = " / ".join(f"{score_of(model, view):.1f}" for model in models)
    yield "# Points of balanced accuracy that each shift costs the unaugmented reference"
    yield ""
    yield f"{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},"
    yield f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries};"
    yield f"{source}, {data.spec.image_size} px: {len(data.split.train)} training images,"
    yield f"n = {len(view.labels)} validation images, at most {IMAGES_PER_CLASS} of each class;"
    yield f"references from {len(models)} seeds, one figure each, clean {clean}; trained by"
    yield f"`{spec.model_dump(exclude_defaults=True)}`"
    yield ""
    yield "| shift | family | strengths | 1 | 2 | 3 | 4 | 5 |"
    yield "|---|---|---|---|---|---|---|---|"
    for rows in zip(*(losses_of(model, view) for model in models), strict=True):
        shift = SHIFTS[rows[0][0]]
        strengths = ", ".join(f"{strength:g}" for strength in shift.strengths)
        columns = np.array([losses for _, losses in rows]).T
        cells = " | ".join(" / ".join(f"{loss:.1f}" for loss in column) for column in columns)
        yield f"| {shift.name} | {shift.family} | {strengths} | {cells} |"


def main() -> None:
    """Train the references, or find them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", type=Path, help="folder of references")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load_trial_data(DataSpec(source=arguments.source, image_size=arguments.size))
    spec = reference_spec(arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        keep = arguments.keep or Path(folder)
        models = [reference(data, spec, seed, keep) for seed in arguments.seeds]
        for line in report(models, data, spec, Path(arguments.source).name):
            print(line, flush=True)


if __name__ == "__main__":
    main()
