"""Training a model: the one loop that searching and retraining share."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau

from spaces import EpochRecord, TrialPaths, TrialSpec, is_better
from trainables.allocator import keep_freed_memory
from trainables.augment import augment, augment_policy
from trainables.checkpoint import TrainingState
from trainables.classifier import Classifier, build_classifier, parameters_m
from trainables.ema import build_ema
from trainables.feed import batches
from trainables.loss import Loss, build_loss
from trainables.mixing import mix
from trainables.model_folder import ModelCard, Normalisation, save_model
from trainables.optimizer import build_optimizer
from trainables.prediction import Validation, validate
from trainables.sampling import epoch_order
from trainables.schedule import build_scheduler, replay_scheduler
from trainables.trial_data import TrialData, View, to_unit

Report = Callable[[EpochRecord], None]
"""Told of every epoch; may end the training by raising."""

Clock = Callable[[], float]
"""Seconds from some fixed moment."""

_log = logging.getLogger(__name__)


class TrainingDivergedError(ArithmeticError):
    """A loss or a gradient that is not finite."""


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
    schedule_steps: int | None = None
    """Optimiser steps that the schedule spans, where the run ends before it; None for `steps`."""
    frozen_steps: int | None = None
    """Steps with a frozen backbone; None for those of the trial's frozen epochs."""
    replay: tuple[float, ...] = ()
    """Learning rates to use one after the other instead of the schedule."""
    steps_per_replay: int = 1
    """Optimiser steps for which each of them holds."""


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
        Where the loss or the gradient is not finite.
    """
    keep_freed_memory()
    spec, device = plan.spec, torch.device(plan.device)
    state = _start(plan, data, device)
    policy = augment_policy(spec)
    labels = data.store.labels[data.split.train]
    loss = _build_loss(spec, labels, data.num_classes, device)
    frozen_steps = plan.frozen_steps
    if frozen_steps is None:
        frozen_steps = spec.frozen_epochs * steps_per_epoch(len(labels), spec.batch_size)
    seconds_before = state.record.seconds if state.record else 0.0
    began = clock()
    if state.record:  # whoever listened may have died before hearing of it
        report(state.record)
    while state.step < plan.steps and not _is_stalled(state, spec):
        epoch_began, num_images = clock(), 0
        taken = _Steps(losses=[], norms=[], rates=[])
        _set_learning(state.model, is_frozen=state.step < frozen_steps)
        order = epoch_order(labels, spec.sampling, state.generator)
        count = min(steps_per_epoch(len(labels), spec.batch_size), plan.steps - state.step)
        for batch in batches(
            data.store,
            data.split.train,
            order,
            batch_size=spec.batch_size,
            count=count,
            device=device,
        ):
            if state.step == frozen_steps:
                _set_learning(state.model, is_frozen=False)
            images = augment(
                to_unit(batch.pixels, device), policy, state.generator, repeated=batch.repeated
            )
            images, targets = mix(
                images,
                one_hot(batch.labels, data.num_classes).float(),
                mixup=spec.mixup,
                cutmix=spec.cutmix,
                generator=state.generator,
            )
            taken.losses.append(_backward(state, images, targets, loss, spec))
            taken.norms.append(
                clip_grad_norm_(state.model.parameters(), spec.clip_grad or math.inf)
            )
            taken.rates.append(state.optimizer.param_groups[0]["lr"])
            state.optimizer.step()
            state.optimizer.zero_grad()
            if not isinstance(state.scheduler, ReduceLROnPlateau):
                state.scheduler.step()
            state.step += 1
            if state.ema:
                state.ema.update(state.model, state.step)
            num_images += len(images)
        train_loss = _mean_loss(taken, state)
        images_per_s = num_images / (clock() - epoch_began)
        with torch.compiler.set_stance("force_eager"):  # compiling again would not pay
            validation = validate(state.judged, views, device) if views else None
        record = EpochRecord(
            epoch=_epoch(state),
            seconds=seconds_before + clock() - began,
            train_loss=train_loss,
            learning_rate=taken.rates[-1],
            images_per_s=images_per_s,
            parameters_m=parameters_m(state.model),
            **_measured(validation, taken.rates[-1], state),
        )
        is_steered = views and record.epoch > spec.frozen_epochs
        if isinstance(state.scheduler, ReduceLROnPlateau) and is_steered:
            state.scheduler.step(getattr(record, plan.objective))
        _remember(state, record, plan, data)
        report(record)
    return state.judged


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """What the steps of an epoch came to, one entry each, still on the device."""

    losses: list[Tensor]
    norms: list[Tensor]
    rates: list[float]


def _backward(
    state: TrainingState, images: Tensor, targets: Tensor, loss: Loss, spec: TrialSpec
) -> Tensor:
    """Leave the gradient of a batch in the model and return the batch's mean loss.

    Where the device's memory does not suffice, the batch is halved into micro-batches, whose
    gradients add up to that of the whole (but for the statistics of batch normalisation), and
    stays so for the rest of the run.
    """
    weight = loss.weight(targets)
    while True:
        parts = state.micro_batches
        pairs = zip(images.tensor_split(parts), targets.tensor_split(parts), strict=True)
        try:
            losses = [_backward_part(state.model, *pair, loss, weight, spec) for pair in pairs]
            return torch.stack(losses).sum()
        except torch.OutOfMemoryError:
            if 4 * state.micro_batches > len(images):  # batch normalisation needs two images
                raise
        state.optimizer.zero_grad()
        torch.cuda.empty_cache()
        state.micro_batches *= 2
        _log.warning(
            "out of memory: a batch of %d images now takes %d parts",
            len(images),
            state.micro_batches,
        )


def _backward_part(
    model: Classifier, images: Tensor, targets: Tensor, loss: Loss, weight: Tensor, spec: TrialSpec
) -> Tensor:
    with autocast(spec, images.device):
        logits = model(images)
    part = loss.total(logits, targets) / weight
    part.backward()
    return part.detach()


def autocast(spec: TrialSpec, device: torch.device) -> torch.autocast:
    """Return the context in which a trial's forward passes run."""
    is_bfloat16 = spec.precision == "bfloat16" or (
        spec.precision == "auto"
        and device.type == "cuda"
        and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16)


def _set_learning(model: Classifier, *, is_frozen: bool) -> None:
    """Put the model into training; a frozen backbone keeps its weights and its statistics."""
    model.train()
    model.backbone.requires_grad_(not is_frozen)
    if is_frozen:
        model.backbone.eval()


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
    if plan.spec.compile:
        # The backbone alone: the head's dropout would be a constant of the compiled code.
        model.backbone.compile(dynamic=False)
    optimizer = build_optimizer(model, plan.spec)
    if plan.replay:
        scheduler = replay_scheduler(optimizer, plan.spec, plan.replay, plan.steps_per_replay)
    else:
        scheduler = build_scheduler(
            optimizer,
            plan.spec,
            objective=plan.objective,
            steps=plan.schedule_steps or plan.steps,
        )
    generator = torch.Generator(device).manual_seed(plan.seed)
    state = TrainingState(
        model=model,
        ema=build_ema(model, plan.spec.ema),
        optimizer=optimizer,
        scheduler=scheduler,
        generator=generator,
    )
    if plan.paths and plan.paths.last.exists():
        state.load(plan.paths.last)
    return state


def _build_loss(
    spec: TrialSpec, labels: NDArray[np.int64], num_classes: int, device: torch.device
) -> Loss:
    counts = np.bincount(labels, minlength=num_classes)
    if spec.sampling == "balanced":  # the classes are seen equally often already
        counts = np.where(counts, counts.max(), 0)
    return build_loss(spec, counts, device)


def _is_stalled(state: TrainingState, spec: TrialSpec) -> bool:
    if not spec.early_stopping or state.record is None or state.best is None:
        return False
    since = max(state.best.epoch, spec.frozen_epochs)  # the head alone may well stall
    return state.record.epoch - since >= spec.early_stopping


def _mean_loss(taken: _Steps, state: TrainingState) -> float:
    """Return the mean; asked once an epoch, since every question waits for the device."""
    losses, norms = torch.stack(taken.losses), torch.stack(taken.norms)
    for what, values in (("loss", losses), ("norm of the gradient", norms)):
        if not values.isfinite().all():
            bad = int((~values.isfinite()).nonzero()[0])
            raise TrainingDivergedError(
                f"the {what} is {float(values[bad])} in epoch {_epoch(state)}, step {bad + 1} of"
                f" {len(values)}, at learning rate {taken.rates[bad]:.3g}; try a lower"
                " learning_rate"
            )
    return float(losses.mean())


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
            save_model(plan.paths.best, state.judged, model_card(state.judged, plan, data))
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
        tta=plan.spec.tta,
        trial=plan.spec,
        data=data.spec,
        data_fingerprint=data.store.fingerprint,
        manifest_fingerprint=data.decisions,
        provenance={"seed": plan.seed, "torch": torch.__version__},
    )
