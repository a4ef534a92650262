"""Wrong labels: images whose class, by a model that did not see them, is another than they bear."""

import os
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from spaces import DataSpec, EpochRecord, TrialSpec
from trainables import TrainPlan, TrialData, open_source, open_store, train
from trainables.metrics import Probabilities
from trainables.prediction import BATCH, predict
from trainables.source import DataError
from trainables.split import Split
from trainables.store import ImageStore, Progress
from trainables.training import steps_per_epoch
from trainables.trial_data import channel_statistics, clean_view

NUM_FOLDS = 4

_MIN_STEPS = 300
"""Optimiser steps that a model needs, however few the images are."""

_IMAGE_SIZE = 48
"""Side in pixels of what the models see."""

_SPEC = TrialSpec(
    backbone="custom_cnn",
    width=16,
    epochs=8,
    optimizer="adamw",
    learning_rate=7e-3,
    weight_decay=0.01,
    schedule="onecycle",
    label_smoothing=0.1,
    validation_views="clean",
    tta="turns",
)
"""A model that is trained in a minute; smoothing keeps it from learning wrong labels by heart."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """What a model says of labels it did not learn from."""

    is_suspect: NDArray[np.bool_]
    """`[n]`, whether the label is probably wrong."""
    suggested: NDArray[np.int64]
    """`[n]`, the class that the model finds likeliest."""
    score: NDArray[np.float64]
    """`[n]`, how sure: by how much likelier that class is than the label, 0..1."""


def find_label_errors(labels: NDArray[np.int64], probabilities: Probabilities) -> LabelErrors:
    """Find wrong labels by confident learning.

    Northcutt, Jiang, Chuang: Confident Learning (JAIR 70, 2021), as in cleanlab: as many images are
    suspected as the classes are estimated to be confused in all, those whose own label is the
    least likely first.

    Parameters
    ----------
    labels : int64, [n]
    probabilities : float32, [n, K], of a model that was not trained on the image
    """
    suggested = probabilities.argmax(axis=1).astype(np.int64)
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    margin = probabilities.max(axis=1) - own
    issues = find_label_issues(labels, probabilities, filter_by="low_self_confidence", n_jobs=1)
    return LabelErrors(
        is_suspect=np.asarray(issues, dtype=bool) & (suggested != labels),
        suggested=suggested,
        score=margin.astype(np.float64),
    )


def out_of_sample_probabilities(
    store: ImageStore,
    indices: Indices,
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probabilities:
    """Return class probabilities `[n, K]` of images, each by a model that saw none of its group.

    Parameters
    ----------
    store : ImageStore
        As `open_store` gives it: the processes that train open it again, smaller, by its source.
    indices : int64, [n], images of the store to learn from and to judge
    groups : int64, [n], images of one group are judged by the same model; at least 4 groups
    seed : int
        Of the folds and the models.
    progress : callable, optional
        Told (epochs done, epochs in all) of the four models together.
    """
    folds = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    parts = list(folds.split(indices, store.labels[indices], groups))
    probabilities = np.empty((len(indices), len(store.class_names)), np.float32)
    workers = min(NUM_FOLDS, os.cpu_count() or 1)
    spec = DataSpec(source=store.source, image_size=_IMAGE_SIZE)
    _open(spec, store.fingerprint)  # one decodes, so that the others need not wait for each other
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool,
    ):
        epochs = Path(folder) / "epochs"
        epochs.touch()
        judge_fold = partial(_judge, spec, store.fingerprint, seed, epochs)
        jobs = {
            pool.submit(judge_fold, indices[learn], indices[judge]): judge for learn, judge in parts
        }
        running, total = set(jobs), sum(_num_epochs(indices[learn]) for learn, _ in parts)
        while running:
            _, running = wait(running, timeout=1)
            if progress:
                progress(epochs.stat().st_size, total)
        for job, judge in jobs.items():
            probabilities[judge] = job.result()
    return probabilities


def _end_with_parent() -> None:
    """End this process when its parent does, which may be killed; a pool would wait for ever."""
    parent = parent_process()
    assert parent is not None  # this runs in the processes of a pool

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _open(spec: DataSpec, fingerprint: str) -> ImageStore:
    store = open_store(open_source(spec.source), size=spec.image_size)
    if store.fingerprint != fingerprint:
        raise DataError(f"{spec.source}: has changed while it was audited; audit it again")
    return store


def _num_epochs(learn: Indices) -> int:
    """Return how often a model sees the images that it learns from."""
    return max(_SPEC.epochs, -(-_MIN_STEPS // steps_per_epoch(len(learn), _SPEC.batch_size)))


def _judge(
    spec: DataSpec, fingerprint: str, seed: int, epochs: Path, learn: Indices, judge: Indices
) -> Probabilities:
    """Train on some images of a source and return the probabilities of others.

    The file `epochs` grows by a byte with each epoch.
    """

    def report(_: EpochRecord) -> None:
        with epochs.open("ab") as file:
            file.write(b".")

    torch.set_num_threads(1)
    store = _open(spec, fingerprint)
    mean, std = channel_statistics(store.images, learn)
    split = Split(train=learn, validation=judge, test=judge[:0])
    data = TrialData(spec=spec, store=store, split=split, mean=mean, std=std)
    steps = _num_epochs(learn) * steps_per_epoch(len(learn), _SPEC.batch_size)
    plan = TrainPlan(spec=_SPEC, objective="val_accuracy", seed=seed, steps=steps)
    model = train(plan, data, (), report)
    view = clean_view(store, judge)
    return predict(model, view.batches(BATCH), torch.device("cpu"), tta=_SPEC.tta)
