"""What several tests of `analysis` are built from: run folders without Ray, and fake models."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from search.run_folder import create_run
from search.study import Suggestion, SweepStudy
from spaces import EpochRecord, RunPaths, SweepSpec, TrialSummary
from tests.spaces.builders import sweep_spec, with_metric
from tests.trainables.builders import NAMES, bright_pictures, pictures, write_npz
from trainables import TrialJob, load_trial_data, open_source, run_trial
from trainables.manifest import read_manifest
from trainables.model_folder import ModelCard, Normalisation
from trainables.picture import Pixels

SMOOTH_SIZE = 48
FAMILIES = ("mobilenetv3_small_050", "custom_cnn")
SUMMARY = TrialSummary(parameters_m=0.25, latency_ms=1.5, peak_memory_mb=100.0)

Script = Callable[[SweepStudy, Suggestion], object]
"""What becomes of one trial."""


def run_spec(**parts: Any) -> SweepSpec:
    """Return a sweep over two families of backbones that prunes nothing by itself."""
    space = {"backbone": {"choice": list(FAMILIES)}, "dropout": {"low": 0.0, "high": 0.5}}
    search = {"sampler": "random", "pruner": "none", "trials": 64}
    return sweep_spec(**{"space": space, "search": search} | parts)


def _script(
    values: Sequence[float], end: Callable[[SweepStudy, int], None], metric: str = "robust_accuracy"
) -> Script:
    """Return the script that reports an epoch for every value of `metric`, then ends the trial."""

    def play(study: SweepStudy, suggestion: Suggestion) -> None:
        for values_of_epoch in with_metric(metric, *values):
            study.report(suggestion.number, EpochRecord(**values_of_epoch), "node-1")
        end(study, suggestion.number)

    return play


def complete(*values: float, metric: str = "robust_accuracy") -> Script:
    """Return the script of a trial that runs to its end."""
    return _script(values, lambda study, number: study.complete(number, SUMMARY), metric)


def pruned(*values: float, reason: str = "pruner") -> Script:
    """Return the script of a trial that is ended early."""
    return _script(values, lambda study, number: study.prune(number, reason))


def failed(*values: float, error: str = "ValueError: no luck") -> Script:
    """Return the script of a trial that raises."""
    return _script(values, lambda study, number: study.fail(number, error))


def cut(*values: float) -> Script:
    """Return the script of a trial that nobody ends."""
    return _script(values, lambda _study, _number: None)


def by_family(**scripts: Script) -> Script:
    """Return the script that the trial's backbone asks for: `mobilenetv3` or `custom_cnn`."""
    by_name = dict(zip(FAMILIES, (scripts["mobilenetv3"], scripts["custom_cnn"]), strict=True))
    return lambda study, suggestion: by_name[suggestion.params["backbone"]](study, suggestion)


def new_run(root: Path, sweep: SweepSpec | None = None) -> tuple[RunPaths, SweepStudy]:
    """Make a run folder, as the driver makes it, and its study."""
    paths, sweep = RunPaths(root), sweep or run_spec()
    fingerprints = {"data_fingerprint": open_source(sweep.data.source).fingerprint()}
    if sweep.data.keep:
        manifest = read_manifest(Path(sweep.data.keep))
        fingerprints["manifest_fingerprint"] = manifest.decisions()
    return paths, SweepStudy(paths, create_run(paths, sweep, fingerprints))


def write_run(root: Path, *scripts: Script, sweep: SweepSpec | None = None) -> RunPaths:
    """Make a run folder with one trial per script; three that end well where none is given."""
    paths, study = new_run(root, sweep)
    for script in scripts or (complete(0.5, 0.625), complete(0.75, 0.875), complete(0.25)):
        suggestion = study.suggest()
        assert suggestion is not None
        script(study, suggestion)
    return paths


def bright_cells(path: Path, number: int = 60, **arrays: Any) -> Path:
    """Write `[number, 16, 16, 3]` images of three named classes told apart by brightness."""
    images, labels = bright_pictures(number)
    whole = {"images": images, "labels": labels, "class_names": np.array(NAMES)}
    return write_npz(path, **whole | arrays)


def trained_sweep(source: Path, **parts: Any) -> SweepSpec:
    """Return a sweep whose trials take half a second; it keeps the checkpoints of two."""
    trial = {"width": 4, "batch_size": 8, "epochs": 5, "learning_rate": 0.01}
    data = {"source": str(source), "image_size": 16, "split": {"validation": 0.2, "test": 0.2}}
    return sweep_spec(**{
        "data": data,
        "trial": trial,
        "space": {"dropout": {"low": 0.0, "high": 0.3}},
        "search": {"sampler": "random", "pruner": "none", "trials": 8, "keep_checkpoints": 2},
        **parts,
    })  # fmt: skip


def own_cells(trained: RunPaths) -> str:
    """Return the source that the run of the fixture `trained` was trained on."""
    return str(trained.root.parent / "cells.npz")


def best_of(trained: RunPaths) -> Path:
    """Return the model of the first trial of a run that was trained."""
    return trained.trial(0).best


def train_run(root: Path, source: Path, trials: int = 2) -> RunPaths:
    """Make a run folder whose trials were really trained, one after the other, without Ray."""
    sweep = trained_sweep(source)
    paths, study = new_run(root, sweep)
    data = load_trial_data(sweep.data)
    for _ in range(trials):
        suggestion = study.suggest()
        assert suggestion is not None
        number, folder = suggestion.number, paths.trial(suggestion.number).root
        spec = sweep.trial_spec(suggestion.params)
        job = TrialJob(spec=spec, objective=sweep.objective, seed=suggestion.seed, folder=folder)
        summary = run_trial(job, data, lambda record, n=number: study.report(n, record, "node-1"))
        study.complete(number, summary)
    return paths


def copy_run(paths: RunPaths, root: Path) -> RunPaths:
    """Copy a run folder, for a test that writes into it."""
    shutil.copytree(paths.root, root)
    return RunPaths(root)


def names_in(folder: Path) -> list[str]:
    """Return the names of all files and folders in a folder, also hidden ones, sorted."""
    return sorted(path.name for path in folder.iterdir())


def content_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def listening(patch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[Any, ...]]:
    """Note the arguments with which `module` calls `name`, which does its work all the same."""
    calls, original = [], getattr(module, name)

    def listen(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    patch.setattr(module, name, listen)
    return calls


class ReadsPixel(nn.Module):
    """A fake classifier: the first channel of the first pixel is the class, sure of itself."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = (images[:, 0, 0, 0] * 255).round().long() % self.num_classes
        return 10.0 * torch.nn.functional.one_hot(found, self.num_classes).float()


def pictures_saying(predicted: Sequence[int] | NDArray[np.int64], size: int = 16) -> Pixels:
    """Return pictures, no two alike, in which `ReadsPixel` reads `predicted`."""
    images = pictures(len(predicted), size)
    images[:, 0, 0, 0] = predicted
    return images


def model_card(source: str = "elsewhere.npz", **changed: Any) -> ModelCard:
    """Return the card of a model of 16-pixel images of three classes."""
    fields: dict[str, Any] = {
        "classes": NAMES,
        "image_size": 16,
        "resize": "crop",
        "normalisation": Normalisation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        "trial": {"width": 4},
        "data": {"source": source, "image_size": 16},
        "data_fingerprint": "0" * 64,
    }
    return ModelCard.model_validate(fields | changed)


def smooth_pictures(number: int, seed: int = 0) -> Pixels:
    """Return `[number, 48, 48, 3]` smooth pictures, no two alike."""
    noise = np.random.default_rng(seed).normal(size=(number, 3, SMOOTH_SIZE, SMOOTH_SIZE))
    waves = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(SMOOTH_SIZE)]))
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((waves * 20) ** 2))).real
    levels = 120 + 30 * smooth / smooth.std(axis=(2, 3), keepdims=True)
    return levels.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
