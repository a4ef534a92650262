"""Training a model: the one loop that searching and retraining share."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from spaces import EpochRecord, TrialPaths, TrialSpec, is_better
from trainables.augment import AugmentPolicy, augment
from trainables.checkpoint import TrainingState
from trainables.classifier import Classifier, build_classifier, parameters_m
from trainables.model_folder import ModelCard, Normalisation, save_model
from trainables.optimizer import build_optimizer, build_scheduler, replay_scheduler
from trainables.prediction import Validation, validate
from trainables.split import Indices
from trainables.trial_data import TrialData, View, to_unit

Report = Callable[[EpochRecord], None]
"""Told of every epoch; may end the training by raising."""

Clock = Callable[[], float]
"""Seconds from some fixed moment."""


class TrainingDivergedError(ArithmeticError):
    """A loss that is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """What one training run does, but for the images."""

    spec: TrialSpec
    objective: str
    """The metric by which the best epoch is chosen and the plateau is seen."""
    seed: int
    steps: int
    """Optimiser steps after which the run ends."""
    device: str = "cpu"
    paths: TrialPaths | None = None
    """Where checkpoints go, and where a run that was cut is taken up again; None for nowhere."""
    replay: tuple[float, ...] = ()
    """Learning rates to use one after the other instead of the schedule."""
    steps_per_replay: int = 1
    """Optimiser steps for which each of them holds."""


def augment_policy(spec: TrialSpec) -> AugmentPolicy:
    """Return how a trial varies its training images."""
    return AugmentPolicy(
        ops=spec.augment_ops,
        magnitude=spec.augment_magnitude,
        flips=spec.flips,
        zoom=spec.augment_zoom,
        erase=spec.augment_erase,
    )


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Return the optimiser steps of an epoch: whole batches only, but at least one."""
    return max(1, num_images // batch_size)


def train(
    plan: TrainPlan,
    data: TrialData,
    views: Sequence[View],
    report: Report,
    *,
    clock: Clock = time.perf_counter,
) -> Classifier:
    """Train a model and return it as it is after the last epoch.

    Parameters
    ----------
    plan : TrainPlan
        What to do.
    data : TrialData
        Images to train on: those of `data.split.train`.
    views : sequence of View
        What to validate on after every epoch, the clean view first; empty for no validation.
    report : callable
        Told of every epoch, after its checkpoints are on disk.
    clock : callable
        Tells the seconds.

    Raises
    ------
    TrainingDivergedError
        Where the loss is not finite.
    """
    spec, device = plan.spec, torch.device(plan.device)
    state = _start(plan, data, device)
    policy = augment_policy(spec)
    loss_of = _loss(spec, data, device)
    seconds_before = state.record.seconds if state.record else 0.0
    began = clock()
    if state.record:  # whoever listened may have died before hearing of it
        report(state.record)
    while state.step < plan.steps and not _is_stalled(state, spec):
        epoch_began, num_images = clock(), 0
        losses: list[Tensor] = []
        rates: list[float] = []
        state.model.train()
        for indices in _batches(data.split.train, spec.batch_size, state, plan.steps):
            images = augment(to_unit(data.store.images[indices], device), policy, state.generator)
            labels = torch.from_numpy(data.store.labels[indices]).to(device, non_blocking=True)
            rates.append(state.optimizer.param_groups[0]["lr"])
            loss = loss_of(state.model(images), labels)
            loss.backward()
            state.optimizer.step()
            state.optimizer.zero_grad()
            if not isinstance(state.scheduler, ReduceLROnPlateau):
                state.scheduler.step()
            losses.append(loss.detach())
            num_images += len(indices)
            state.step += 1
        train_loss = _mean_loss(losses, rates, state)
        images_per_s = num_images / (clock() - epoch_began)
        validation = validate(state.model, views, device) if views else None
        record = EpochRecord(
            epoch=_epoch(state),
            seconds=seconds_before + clock() - began,
            train_loss=train_loss,
            learning_rate=rates[-1],
            images_per_s=images_per_s,
            parameters_m=parameters_m(state.model),
            **_measured(validation, rates[-1], state),
        )
        if isinstance(state.scheduler, ReduceLROnPlateau) and views:
            state.scheduler.step(getattr(record, plan.objective))
        _remember(state, record, plan, data)
        report(record)
    return state.model


def _start(plan: TrainPlan, data: TrialData, device: torch.device) -> TrainingState:
    """Return a fresh state, or the one that an earlier run of the same plan left behind."""
    torch.manual_seed(plan.seed)
    model = build_classifier(
        plan.spec,
        num_classes=data.num_classes,
        image_size=data.store.images.shape[1],
        mean=data.mean,
        std=data.std,
    )
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this overload
    optimizer = build_optimizer(model, plan.spec)
    if plan.replay:
        scheduler = replay_scheduler(optimizer, plan.spec, plan.replay, plan.steps_per_replay)
    else:
        scheduler = build_scheduler(
            optimizer, plan.spec, objective=plan.objective, steps=plan.steps
        )
    generator = torch.Generator(device).manual_seed(plan.seed)
    state = TrainingState(
        model=model, optimizer=optimizer, scheduler=scheduler, generator=generator
    )
    if plan.paths and plan.paths.last.exists():
        state.load(plan.paths.last)
    return state


def _loss(spec: TrialSpec, data: TrialData, device: torch.device) -> nn.CrossEntropyLoss:
    weights = None
    if spec.class_weights == "balanced":
        labels = data.store.labels[data.split.train]
        counts = np.bincount(labels, minlength=data.num_classes)
        # A class without an image has no weight, or label smoothing would train on it alone.
        balanced = np.where(counts, len(labels) / (np.count_nonzero(counts) * counts.clip(1)), 0.0)
        weights = torch.from_numpy(balanced).float().to(device)
    return nn.CrossEntropyLoss(weights, label_smoothing=spec.label_smoothing)


def _batches(
    indices: Indices, batch_size: int, state: TrainingState, steps: int
) -> Iterator[Indices]:
    """Yield the batches of one epoch in random order, whole ones only, as many as `steps` leave."""
    generator = state.generator
    order = torch.randperm(len(indices), generator=generator, device=generator.device).cpu().numpy()
    count = min(steps_per_epoch(len(indices), batch_size), steps - state.step)
    for start in range(0, count * batch_size, batch_size):
        yield np.sort(indices[order[start : start + batch_size]])


def _is_stalled(state: TrainingState, spec: TrialSpec) -> bool:
    if not spec.early_stopping or state.record is None or state.best is None:
        return False
    return state.record.epoch - state.best.epoch >= spec.early_stopping


def _mean_loss(losses: list[Tensor], rates: list[float], state: TrainingState) -> float:
    """Return the mean; asked once an epoch, since every question waits for the device."""
    values = torch.stack(losses)
    mean = float(values.mean())
    if not math.isfinite(mean):
        bad = int((~values.isfinite()).nonzero()[0]) if not values.isfinite().all() else 0
        raise TrainingDivergedError(
            f"the loss is {float(values[bad])} in epoch {_epoch(state)}, step {bad + 1} of"
            f" {len(losses)}, at learning rate {rates[bad]:.3g}; try a lower learning_rate"
        )
    return mean


def _epoch(state: TrainingState) -> int:
    """Return the number of the epoch that is going on."""
    return state.record.epoch + 1 if state.record else 1


def _measured(
    validation: Validation | None, rate: float, state: TrainingState
) -> dict[str, Any]:  # Any: fields of a record
    if validation is None:
        return {}
    if not math.isfinite(validation.clean.loss):
        raise TrainingDivergedError(
            f"the validation loss is {validation.clean.loss} after epoch {_epoch(state)}, at"
            f" learning rate {rate:.3g}; try a lower learning_rate"
        )
    return {
        "val_loss": validation.clean.loss,
        "val_accuracy": validation.clean.accuracy,
        "val_balanced_accuracy": validation.clean.balanced_accuracy,
        "val_macro_f1": validation.clean.macro_f1,
        "shift_accuracy": validation.shift_accuracy,
        "robust_accuracy": validation.robust_accuracy,
    }


def _remember(state: TrainingState, record: EpochRecord, plan: TrainPlan, data: TrialData) -> None:
    """Note the epoch in the state, and write the checkpoints that follow from it."""
    state.record = record
    score = getattr(record, plan.objective)
    if score is not None and (
        state.best is None or is_better(plan.objective, score, getattr(state.best, plan.objective))
    ):
        state.best = record
        if plan.paths:
            save_model(plan.paths.best, state.model, model_card(state.model, plan, data))
    if plan.paths:
        state.save(plan.paths.last)


def model_card(model: Classifier, plan: TrainPlan, data: TrialData) -> ModelCard:
    """Return the card of a model that was trained by `plan` on `data`."""
    return ModelCard(
        classes=data.store.class_names,
        image_size=data.spec.image_size,
        resize=data.spec.resize,
        normalisation=Normalisation(
            mean=tuple(model.mean.flatten().tolist()), std=tuple(model.std.flatten().tolist())
        ),
        trial=plan.spec,
        data=data.spec,
        data_fingerprint=data.store.fingerprint,
        provenance={"seed": plan.seed, "torch": torch.__version__},
    )
