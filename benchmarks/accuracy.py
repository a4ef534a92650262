"""What one fixed configuration learns in twenty minutes of two cores, from scratch.

usage: python -m benchmarks.accuracy --source train.parquet --test test.parquet
       --recipe custom_cnn|mobilenetv3 [--epochs N] [--looks 6]

The recipe is trained as a trial is, on all rows that decode, faults among them. Its state is kept
after some epochs; these are measured when the training is over, on the test images as they are
and under all `heldout` shifts and severities, over the eight views of the recipe's `tta`.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from analysis import evaluate
from spaces import DataSpec, EpochRecord, TrialPaths, TrialSpec
from trainables import TrainPlan, TrialData, load_trial_data, save_model, train
from trainables.classifier import build_classifier
from trainables.training import model_card, steps_per_epoch
from trainables.weights import tensors_under

LEARNING = {
    "batch_size": 64,
    "optimizer": "adamw",
    "weight_decay": 0.02,
    "schedule": "onecycle",
    "label_smoothing": 0.1,
    "ema": 0.99,
    "validation_views": "clean",
    "tta": "turns",
    "augment_ops": 1,
    "augment_magnitude": 9,
    "augment_noise": 0.05,
}
CUSTOM_CNN = {
    "width": 32,
    "learning_rate": 4e-3,
    "epochs": 66,
    "augment_zoom": 0.1,
    "augment_erase": 0.1,
    "augment_blur": 0.03,
    "augment_channels": 0.05,
}
MOBILENETV3 = {"backbone": "mobilenetv3_small_100", "learning_rate": 8e-3, "epochs": 40}
RECIPES = {"custom_cnn": (48, CUSTOM_CNN), "mobilenetv3": (48, MOBILENETV3)}
"""Image size and what is special to each."""


def main() -> None:
    """Train a recipe, measure it along the way, and print both curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--recipe", choices=list(RECIPES), required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--looks", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, special = RECIPES[options.recipe]
    spec = TrialSpec(**LEARNING, **special)
    if options.epochs:
        spec = spec.model_copy(update={"epochs": options.epochs})
    data = load_trial_data(DataSpec(source=options.source, image_size=size))
    with tempfile.TemporaryDirectory() as folder:
        plan, records, seconds = _train(spec, data, Path(folder), options.looks)
        _print_report(plan, records, seconds, options)
        for epoch in sorted(int(file.stem) for file in Path(folder).glob("*.safetensors")):
            _print_look(plan, data, Path(folder), epoch, records, options.test)


def _train(
    spec: TrialSpec, data: TrialData, folder: Path, looks: int
) -> tuple[TrainPlan, list[EpochRecord], float]:
    """Train by the recipe, keeping the state of `looks` epochs, the last one among them."""
    records: list[EpochRecord] = []
    kept = set(np.unique(np.linspace(0, spec.epochs, looks + 1).round().astype(int)).tolist())
    paths = TrialPaths(folder / "trial")

    def report(record: EpochRecord) -> None:
        records.append(record)
        print(f"epoch {record.epoch}: {record}", flush=True)
        if record.epoch in kept:
            shutil.copy(paths.last, folder / f"{record.epoch}.safetensors")

    plan = TrainPlan(
        spec=spec,
        objective="val_balanced_accuracy",
        seed=0,
        steps=spec.epochs * steps_per_epoch(len(data.split.train), spec.batch_size),
        paths=paths,
    )
    began = time.perf_counter()
    train(plan, data, data.views(spec.validation_views), report)
    return plan, records, time.perf_counter() - began


def _print_report(
    plan: TrainPlan, records: list[EpochRecord], seconds: float, options: argparse.Namespace
) -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},")
    print(f"{os.cpu_count()} CPUs, {options.threads} threads, Python {platform.python_version()},")
    print(f"{libraries}; {options.recipe}, {len(records)} epochs in {seconds:.0f} s\n")
    defaults = TrialSpec()
    chosen = {k: v for k, v in plan.spec.model_dump().items() if v != getattr(defaults, k)}
    print(", ".join(f"{name} {value}" for name, value in chosen.items()), "\n")
    print("| epoch | seconds | validation, balanced | test, balanced | heldout shifts, mean |")
    print("|---|---|---|---|---|")


def _print_look(
    plan: TrainPlan,
    data: TrialData,
    folder: Path,
    epoch: int,
    records: list[EpochRecord],
    test: str,
) -> None:
    """Measure the model that was judged after an epoch, and print one row."""
    model = build_classifier(
        plan.spec,
        num_classes=data.num_classes,
        image_size=data.spec.image_size,
        mean=data.mean,
        std=data.std,
    )
    prefix = "ema." if plan.spec.ema else "model."
    state = load_file(folder / f"{epoch}.safetensors")
    model.load_state_dict(tensors_under(prefix, state))
    save_model(folder / "model", model, model_card(model, plan, data))
    found = evaluate(folder / "model", test, shift="heldout")
    record = records[epoch - 1]
    print(
        f"| {epoch} | {record.seconds:.0f} | {record.val_balanced_accuracy:.3f}"
        f" | {found.balanced_accuracy:.3f} | {found.shift_accuracy:.3f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
