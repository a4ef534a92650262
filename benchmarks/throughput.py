"""How fast a trial trains: cytosweep beside the tutorial's way and the model's own ceiling.

usage: python -m benchmarks.throughput --source cells.parquet [--size 96] [--steps 40] [--rounds 3]
       [--backbone mobilenetv3_small_100] [--threads 2] [--at-once 1] [--compiled]

Contenders train the same model on the same images with AdamW at 1e-3, batches of 64, flips and
RandAugment(2, 9), each in a process of its own, in turn, several rounds:

- `tutorial`: a DataLoader over pictures already decoded, torchvision's RandAugment picture by
  picture on PIL images or on tensors, NCHW, with 0, 1 and 2 workers; the best of the six counts.
- `cytosweep`: `trainables.train` as a sweep calls it, validation apart; `compiled` with
  `compile: true`, whose first epoch, in which the code is compiled, stands apart.
- `ceiling`: forward, backward and step of the same model on one batch that is already there.

`--at-once 2 --threads 1` measures what two cores do as a sweep uses them: every contender trains
two models side by side, on one thread each, and the images of both count.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import repeat

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
    losses, images_per_s = _timed(model, lambda: repeat((images, labels)), options)
    return {"images_per_s": images_per_s, "loss": statistics.mean(losses[-10:])}


class DecodedPictures(Dataset):
    """Pictures in memory, varied one by one."""

    def __init__(self, data: TrialData, num_images: int, *, as_pil: bool) -> None:
        rows = data.split.train[:num_images]
        self.images, self.labels = data.store.images[rows], data.store.labels[rows]
        self.read = Image.fromarray if as_pil else lambda p: torch.from_numpy(p).permute(2, 0, 1)
        self.vary = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.RandAugment(2, 9),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(data.mean, data.std),
            ]
        )

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        """Return a picture in its own variation and its label."""
        return self.vary(self.read(self.images[row])), int(self.labels[row])


def tutorial(
    data: TrialData, options: argparse.Namespace, *, as_pil: bool, workers: int
) -> Measured:
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

    def forever() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    model = _model(data, _spec(options))
    model.mean.zero_()  # the pictures come normalised
    model.std.fill_(1)
    losses, images_per_s = _timed(model.train(), forever, options)
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


def _spec(options: argparse.Namespace, **changed: object) -> TrialSpec:
    return TrialSpec(
        backbone=options.backbone,
        epochs=2,
        batch_size=BATCH,
        optimizer="adamw",
        schedule="constant",
        class_weights="none",
        augment_ops=2,
        augment_magnitude=9,
        **changed,
    )


def _model(data: TrialData, spec: TrialSpec) -> Classifier:
    size = data.spec.image_size
    return build_classifier(
        spec, num_classes=data.num_classes, image_size=size, mean=data.mean, std=data.std
    )


def _first_images(data: TrialData, count: int) -> TrialData:
    few = replace(data.split, train=np.sort(data.split.train[:count]))
    return replace(data, split=few)


CONTENDERS: dict[str, Callable[[TrialData, argparse.Namespace], Measured]] = {
    "cytosweep": cytosweep,
    "cytosweep, compiled": partial(cytosweep, compiled=True),
    "ceiling: the model alone, channels_last": ceiling,
    **{
        f"tutorial, {kind}, {workers} workers": partial(
            tutorial, as_pil=kind == "PIL", workers=workers
        )
        for kind in ("PIL", "tensors")
        for workers in (0, 1, 2)
    },
}


def main() -> None:
    """Run every contender in turn and print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True)
    parser.add_argument("--backbone", default="mobilenetv3_small_100")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=1, help="models trained side by side")
    parser.add_argument("--compiled", action="store_true", help="also measure torch.compile")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        data = load_trial_data(DataSpec(source=options.source, image_size=options.size))
        print(json.dumps(CONTENDERS[options.only](data, options)))
        return
    names = [name for name in CONTENDERS if options.compiled or "compiled" not in name]
    rounds: dict[str, list[Measured]] = {name: [] for name in names}
    for seed in range(options.rounds):
        for name in names:
            rounds[name].append(_in_own_processes(name, seed, options.at_once))
            print(f"{name}, round {seed + 1}: {rounds[name][-1]}", file=sys.stderr)
    _print_report(rounds, options)


def _in_own_processes(name: str, seed: int, at_once: int) -> Measured:
    """Measure a contender in processes side by side: speeds added up, the rest averaged."""
    command = [sys.executable, "-m", "benchmarks.throughput", *sys.argv[1:], "--only", name]
    processes = [
        subprocess.Popen(
            [*command, "--seed", str(seed + copy)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for copy in range(at_once)
    ]
    found = []
    for process in processes:
        out, trouble = process.communicate()
        if process.returncode:
            sys.exit(f"{name} failed:\n{trouble[-3000:]}")
        found.append(json.loads(out.strip().splitlines()[-1]))
    means = {what: statistics.mean(one[what] for one in found) for what in found[0]}
    return {**means, "images_per_s": at_once * means["images_per_s"]}


def _print_report(rounds: dict[str, list[Measured]], options: argparse.Namespace) -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},")
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries};")
    print(
        f"{options.backbone} at {options.size} px, {options.at_once} at once,"
        f" {options.threads} threads each, batches of {BATCH},"
    )
    print(f"{options.steps} steps measured after as many, {options.rounds} rounds\n")
    speed = {name: _median(found, "images_per_s") for name, found in rounds.items()}
    best = max(speed[name] for name in speed if name.startswith("tutorial"))
    print("| contender | images/s: median (min, max) | to the best tutorial | loss (spread) |")
    print("|---|---|---|---|")
    for name, found in rounds.items():
        each = [one["images_per_s"] for one in found]
        losses = [one["loss"] for one in found]
        spread = f"{speed[name]:.0f} ({min(each):.0f}, {max(each):.0f})"
        loss = f"{statistics.mean(losses):.3f} ({min(losses):.3f} to {max(losses):.3f})"
        print(f"| {name} | {spread} | {speed[name] / best:.2f} | {loss} |")
    ours = rounds["cytosweep"]
    outside = 1 - speed["cytosweep"] / speed["ceiling: the model alone, channels_last"]
    print(f"\noutside forward, backward and step: {outside:.1%} of an epoch, validation apart;")
    print(f"validation on clean and shifted images: {_median(ours, 'validation_part'):.1%} of it")
    if options.compiled:
        first = _median(rounds["cytosweep, compiled"], "first_epoch_s")
        warm = options.at_once * options.steps * BATCH / speed["cytosweep, compiled"]
        print(f"compiling: {first - warm:.0f} s, in the first epoch")


def _median(found: list[Measured], what: str) -> float:
    return statistics.median(one[what] for one in found)


if __name__ == "__main__":
    main()
