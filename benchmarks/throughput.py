"""How fast a trial trains: cytosweep beside the tutorial's way and the model's own ceiling.

usage: python -m benchmarks.throughput --source cells.parquet [--size 96] [--steps 40] [--rounds 3]
       [--backbone mobilenetv3_small_100] [--threads 2] [--compiled]

Contenders train the same model on the same images with AdamW at 1e-3, batches of 64, flips and
RandAugment(2, 9), each in a process of its own, in turn, several rounds:

- `tutorial`: a DataLoader over pictures already decoded, torchvision's RandAugment picture by
  picture on PIL images or on tensors, NCHW, with 0, 1 and 2 workers; the best of the six counts.
- `cytosweep`: `trainables.train` as a sweep calls it, validation apart; `compiled` with
  `compile: true`, whose first epoch, in which the code is compiled, stands apart.
- `ceiling`: forward, backward and step of the same model on one batch that is already there.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from spaces import DataSpec, TrialSpec
from trainables import TrainPlan, TrialData, load_trial_data, train
from trainables.classifier import Classifier, build_classifier
from trainables.prediction import validate

BATCH = 64
WARM_UP_STEPS = 5

Measured = dict[str, float]
"""images_per_s, loss (mean of the last ten steps or the last epoch), and what else there is."""


def cytosweep(data: TrialData, options: argparse.Namespace, *, compiled: bool = False) -> Measured:
    """Train two epochs of `steps` steps each; the first one warms up, and compiles."""
    num_images = options.steps * BATCH
    few = _first_images(data, num_images)
    spec = _spec(options, compile=compiled)
    records = []
    plan = TrainPlan(spec=spec, objective="val_loss", seed=options.seed, steps=2 * options.steps)
    train(plan, few, (), records.append)
    first, second = records
    began = time.perf_counter()
    model = _model(data, spec).to(memory_format=torch.channels_last)
    validate(model, data.views("shifts"), torch.device("cpu"))
    validation_s = time.perf_counter() - began
    epoch_s = len(data.split.train) / second.images_per_s
    return {
        "images_per_s": second.images_per_s,
        "loss": second.train_loss,
        "first_epoch_s": num_images / first.images_per_s,
        "validation_part": validation_s / epoch_s,
    }


def ceiling(data: TrialData, options: argparse.Namespace) -> Measured:
    """Train on one batch again and again."""
    model = _model(data, _spec(options)).to(memory_format=torch.channels_last).train()
    images = torch.rand(BATCH, 3, options.size, options.size)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(data.num_classes, (BATCH,))
    losses, images_per_s = _timed(model, lambda: ((images, labels) for _ in iter(int, 1)), options)
    return {"images_per_s": images_per_s, "loss": statistics.mean(losses[-10:])}


class DecodedPictures(Dataset):
    """Pictures in memory, varied one by one."""

    def __init__(self, data: TrialData, num_images: int, *, as_pil: bool) -> None:
        rows = data.split.train[:num_images]
        self.images, self.labels = data.store.images[rows], data.store.labels[rows]
        before = [v2.ToPILImage()] if as_pil else []
        normalise = v2.Normalize(data.mean, data.std)
        flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
        after = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise]
        self.transform = v2.Compose([*before, *flips, v2.RandAugment(2, 9), *after])
        self.as_pil = as_pil

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        """Return a picture in its own variation and its label."""
        pixels = self.images[row]
        picture = Image.fromarray(pixels) if self.as_pil else torch.from_numpy(pixels.copy())
        if not self.as_pil:
            picture = picture.permute(2, 0, 1)
            return self.transform(picture), int(self.labels[row])
        transform = v2.Compose(self.transform.transforms[1:])
        return transform(picture), int(self.labels[row])


def tutorial(data: TrialData, options: argparse.Namespace, *, as_pil: bool, workers: int) -> Measured:
    """Train as PyTorch's and Ray Tune's tutorials do."""
    pictures = DecodedPictures(data, options.steps * BATCH, as_pil=as_pil)
    loader = DataLoader(
        pictures,
        BATCH,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )

    def forever():  # noqa: ANN202
        while True:
            yield from loader

    losses, images_per_s = _timed(_model(data, _spec(options)).train(), forever, options)
    return {"images_per_s": images_per_s, "loss": statistics.mean(losses[-options.steps :])}


def _timed(model: Classifier, batches: Callable, options: argparse.Namespace) -> tuple[list, float]:
    """Train two epochs' steps by a plain loop and return all losses and the second's speed."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    losses, began = [], 0.0
    for step, (images, labels) in enumerate(batches()):
        if step == options.steps:
            began = time.perf_counter()
        if step == 2 * options.steps:
            break
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, options.steps * BATCH / (time.perf_counter() - began)
