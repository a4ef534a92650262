"""Retraining the chosen configuration on all images that the search was allowed to see."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from analysis.model_readme import model_readme
from analysis.selection import chosen_trial
from analysis.trial_table import RunError, TrialTable
from spaces import EpochRecord, TrialRecord, TrialState
from trainables import TrainPlan, TrialData, load_trial_data, save_model, train
from trainables.model_folder import METRICS
from trainables.training import Report, model_card, steps_per_epoch


def retrain(run: Path, *, trial: int | None = None, report: Report | None = None) -> Path:
    """Train a trial's configuration on training plus validation images; return `RUN/best`.

    The model takes as many optimiser steps as the trial had taken at its best epoch, at the same
    learning rates: there is no validation set left to steer by. A trial that was stopped early, to
    save time, is trained for all its epochs.

    Parameters
    ----------
    run : Path
        A run folder.
    trial : int, optional
        The trial to retrain; the one `select` chose where None, else the best.
    report : callable, optional
        Told of every epoch.

    Raises
    ------
    RunError
        Where there is no such trial, or it has no epoch.
    """
    table = TrialTable(run)
    record = table.record(chosen_trial(table) if trial is None else trial)
    if record.best_epoch is None:
        raise RunError(f"{run}: trial {record.trial} has no finished epoch; choose another --trial")
    data = load_trial_data(table.sweep.data)
    table.check_data(data.fingerprints)
    plan = _plan(table, record, data)
    split = data.split
    everything = np.sort(np.concatenate([split.train, split.validation]))
    whole = replace(data, split=replace(split, train=everything))
    epochs: list[EpochRecord] = []

    def on_epoch(epoch: EpochRecord) -> None:
        epochs.append(epoch)
        if report:
            report(epoch)

    model = train(plan, whole, (), on_epoch)
    card = model_card(model, plan, data).model_copy(
        update={"provenance": _provenance(table, record, plan)}
    )
    metrics = {
        "retraining": {
            "images": len(everything),
            "steps": plan.steps,
            "epochs": len(epochs),
            "seconds": epochs[-1].seconds,
            "train_loss": epochs[-1].train_loss,
        },
        "trial": trial_scores(record),
    }
    texts = {
        METRICS: json.dumps(metrics, indent=2) + "\n",
        "README.md": model_readme(card, metrics),
    }
    save_model(table.paths.best, model, card, texts)
    return table.paths.best


def planned_epochs(run: Path, trial: int | None = None) -> int:
    """Return how many epochs `retrain` will report, for a progress bar."""
    table = TrialTable(run)
    record = table.record(chosen_trial(table) if trial is None else trial)
    data = load_trial_data(table.sweep.data)
    batch = table.sweep.trial_spec(record.params).batch_size
    count = len(data.split.train) + len(data.split.validation)
    steps = _num_epochs(table, record) * steps_per_epoch(len(data.split.train), batch)
    return -(-steps // steps_per_epoch(count, batch))


def _num_epochs(table: TrialTable, record: TrialRecord) -> int:
    """Return the epochs of the trial that retraining repeats."""
    if record.state == TrialState.PRUNED.name:
        return table.sweep.trial_spec(record.params).epochs
    return record.best_epoch or 0


def _plan(table: TrialTable, record: TrialRecord, data: TrialData) -> TrainPlan:
    assert record.seed is not None  # every suggested trial has one
    spec = table.sweep.trial_spec(record.params)
    epoch_steps = steps_per_epoch(len(data.split.train), spec.batch_size)
    plan = TrainPlan(
        spec=spec,
        objective=table.sweep.objective,
        seed=record.seed,
        steps=_num_epochs(table, record) * epoch_steps,
        device="cuda" if torch.cuda.is_available() else "cpu",
        schedule_steps=spec.epochs * epoch_steps,
        frozen_steps=spec.frozen_epochs * epoch_steps,
    )
    if spec.schedule == "plateau":  # it was steered by the validation set
        recorded = table.epochs(record.trial)[: _num_epochs(table, record)]
        rates = tuple(epoch.learning_rate for epoch in recorded)
        return replace(plan, replay=rates, steps_per_replay=epoch_steps)
    return plan


def _provenance(table: TrialTable, record: TrialRecord, plan: TrainPlan) -> dict[str, object]:
    return {
        "run": table.sweep.name,
        "trial": record.trial,
        "trained_on": "train + validation",
        "seed": plan.seed,
        "steps": plan.steps,
        "torch": torch.__version__,
    }


def trial_scores(record: TrialRecord) -> dict[str, float | None]:
    """Return what a trial scored at its best epoch."""
    names = (
        "robust_accuracy",
        "shift_accuracy",
        "val_accuracy",
        "val_balanced_accuracy",
        "val_macro_f1",
    )
    return {name: getattr(record, name) for name in names}
