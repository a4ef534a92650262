import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from tests.trainables.builders import (
    CutError,
    cut_after,
    darker_view,
    image_store,
    pictures,
    ticking,
    train_plan,
    trial_data,
)  # fmt: skip
from trainables.classifier import Classifier, build_classifier
from trainables.loss import Loss
from trainables.model_folder import load_card, load_model
from trainables.prediction import validate
from trainables.split import Split
from trainables.training import TrainingDivergedError, steps_per_epoch, train
from trainables.trial_data import channel_statistics, to_unit

DATA = trial_data()
VIEWS = (DATA.clean, *DATA.shifts)
RICH = {
    "dropout": 0.4,
    "drop_path": 0.2,
    "augment_ops": 2,
    "weight_decay": 0.01,
    "plateau_patience": 0,
    "ema": 0.9,
    "mixup": 0.2,
    "cutmix": 1.0,
    "sampling": "balanced",
}
"""Whatever draws random numbers or keeps a state of its own."""


def train_on(data, plan, views=VIEWS, report=None):
    """Return the model and the records of a run whose clock ticks once every time it is asked."""
    records = []
    model = train(plan, data, views, report or records.append, clock=ticking())
    return model, records


def weights_of(model):
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def only_training(labels, images=None):
    """Return data whose images are all for training."""
    store = image_store(labels, images=images)
    split = Split(train=np.arange(len(labels)), validation=np.arange(0), test=np.arange(0))
    return dataclasses.replace(DATA, store=store, split=split)


@pytest.mark.parametrize(("images", "batch", "steps"), [(64, 8, 8), (71, 8, 8), (5, 8, 1)])
def test_epoch_has_whole_batches_only_but_one_at_least(images, batch, steps):
    assert steps_per_epoch(images, batch) == steps


def test_run_ends_after_its_steps_even_within_an_epoch():
    _, records = train_on(DATA, train_plan(steps=8))
    assert [record.epoch for record in records] == [1, 2, 3]
    assert [record.images_per_s for record in records] == [24.0, 24.0, 16.0]


def test_record_holds_what_the_views_and_the_clock_say():
    _, records = train_on(DATA, train_plan())
    for record in records:
        mean = (record.val_balanced_accuracy + record.shift_accuracy) / 2
        assert record.robust_accuracy == pytest.approx(mean)
        assert record.learning_rate == 0.01
    assert [record.seconds for record in records] == [3.0, 6.0, 9.0, 12.0]


def test_speed_counts_the_images_there_are():
    data = only_training([0, 1, 2, 0, 1])
    assert train_on(data, train_plan(steps=1), ())[1][0].images_per_s == 5.0


def test_training_learns_what_can_be_learned():
    data = trial_data(90, held_out=30)
    views = (data.clean,)
    plan = train_plan(steps=60, flips=False)
    _, records = train_on(data, dataclasses.replace(plan, objective="val_accuracy"), views)
    assert records[-1].train_loss < 0.5 * records[0].train_loss
    assert records[-1].val_accuracy > 0.8


@pytest.mark.parametrize("backbone", ["custom_cnn", "test_resnet"])
def test_same_seed_gives_the_same_curve_to_the_last_bit(backbone):
    plan = train_plan(backbone=backbone, **RICH)
    (one, records), (two, again) = (train_on(DATA, plan) for _ in range(2))
    assert records == again
    assert torch.equal(weights_of(one), weights_of(two))


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion"])
@pytest.mark.parametrize("schedule", ["plateau", "onecycle", "cosine"])
def test_run_that_was_cut_goes_on_as_if_nothing_had_been(tmp_path, schedule, optimizer, epochs):
    choices = RICH | {"schedule": schedule, "optimizer": optimizer}
    whole, records = train_on(DATA, train_plan(tmp_path / "whole", **choices))
    with pytest.raises(CutError):
        train_on(DATA, train_plan(tmp_path / "cut", **choices), report=cut_after(epochs))
    model, rest = train_on(DATA, train_plan(tmp_path / "cut", **choices))
    assert rest == records[epochs - 1 :]
    assert torch.equal(weights_of(model), weights_of(whole))
    for name in ("last.safetensors", "best/model.safetensors", "best/model.json"):
        files = [tmp_path / run / "checkpoint" / name for run in ("whole", "cut")]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet"])
def test_run_of_a_timm_model_that_was_cut_after_every_epoch_goes_on(tmp_path, backbone):
    plan = train_plan(tmp_path, backbone=backbone, **RICH)
    _, records = train_on(DATA, dataclasses.replace(plan, paths=None))
    for epochs in (1, 2, 3):
        with pytest.raises(CutError):
            train_on(DATA, plan, report=cut_after(epochs))
    assert train_on(DATA, plan)[1] == records[2:]


def test_last_record_is_told_again_on_resuming_a_finished_run(tmp_path):
    model, records = train_on(DATA, train_plan(tmp_path))
    again, told = train_on(DATA, train_plan(tmp_path))
    assert told == records[-1:]
    assert torch.equal(weights_of(again), weights_of(model))


def test_reporter_that_raises_leaves_checkpoints_of_the_epoch_it_heard_of(tmp_path):
    _, records = train_on(DATA, train_plan(tmp_path / "whole", steps=6))
    plan = train_plan(tmp_path / "cut")
    with pytest.raises(CutError):
        train_on(DATA, plan, report=cut_after(2))
    assert plan.paths.last.exists()
    assert load_model(plan.paths.best)[1].classes == DATA.store.class_names
    told = []
    with pytest.raises(CutError):
        train_on(DATA, plan, report=lambda record: told.append(record) or cut_after(2)(record))
    assert told == records[-1:]


def test_best_model_is_that_of_the_first_best_epoch(tmp_path):
    plan = train_plan(tmp_path / "whole")
    _, records = train_on(DATA, plan)
    values = [record.robust_accuracy for record in records]
    best = 1 + values.index(max(values))
    cut = train_plan(tmp_path / "cut", steps=3 * best)
    model, _ = train_on(DATA, cut)
    assert torch.equal(weights_of(load_model(plan.paths.best)[0]), weights_of(model))


def test_card_of_the_best_model_says_how_it_came_about(tmp_path):
    plan = train_plan(tmp_path)
    train_on(DATA, plan)
    card = load_card(plan.paths.best)
    assert (card.trial, card.data, card.image_size) == (plan.spec, DATA.spec, 16)
    assert card.data_fingerprint == DATA.store.fingerprint
    assert card.normalisation.mean == pytest.approx(DATA.mean)
    assert card.provenance["seed"] == 7


@pytest.mark.parametrize(("patience", "epochs"), [(0, 4), (1, 2), (2, 3)])
def test_early_stopping_ends_a_run_that_gets_no_better(patience, epochs):
    plan = train_plan(early_stopping=patience, learning_rate=1e-12, flips=False)
    plan = dataclasses.replace(plan, objective="shift_accuracy")
    assert len(train_on(DATA, plan)[1]) == epochs


def test_early_stopping_remembers_after_a_cut(tmp_path):
    plan = train_plan(tmp_path, early_stopping=2, learning_rate=1e-12, flips=False)
    plan = dataclasses.replace(plan, objective="shift_accuracy")
    with pytest.raises(CutError):
        train_on(DATA, plan, report=cut_after(2))
    assert [record.epoch for record in train_on(DATA, plan)[1]] == [2, 3]


def test_plateau_sees_the_objective():
    plan = train_plan(plateau_patience=1, learning_rate=1e-6, flips=False)
    plan = dataclasses.replace(plan, objective="shift_accuracy")
    rates = [record.learning_rate for record in train_on(DATA, plan)[1]]
    assert rates == pytest.approx([1e-6, 1e-6, 1e-6, 2e-7])


def test_gradient_that_is_not_finite_ends_the_run(monkeypatch):
    def broken(parameters, limit):
        return torch.tensor(math.inf)

    monkeypatch.setattr("trainables.training.clip_grad_norm_", broken)
    with pytest.raises(TrainingDivergedError, match="norm of the gradient is inf in epoch 1, step"):
        train_on(DATA, train_plan())


@pytest.mark.parametrize("clip", [None, 0.01])
def test_gradient_is_clipped_to_the_norm_that_is_asked_for(clip):
    one, _ = train_on(DATA, train_plan(steps=1, clip_grad=clip, optimizer="sgd"), ())
    start, _ = train_on(DATA, train_plan(steps=1, optimizer="sgd", learning_rate=1e-30), ())
    with torch.no_grad():
        pairs = zip(one.parameters(), start.parameters(), strict=True)
        moved = math.sqrt(sum(float((a - b).square().sum()) for a, b in pairs))
    largest = 0.01 * 0.01 * 1.9  # learning rate, norm, Nesterov's first step
    assert moved == pytest.approx(largest, rel=1e-3) if clip else moved > 10 * largest


def test_average_of_the_weights_is_what_is_validated_and_kept(tmp_path):
    plan = train_plan(tmp_path, ema=0.9, schedule="constant")
    model, records = train_on(DATA, plan)
    plain, others = train_on(DATA, train_plan(schedule="constant"))
    assert [r.train_loss for r in records] == [r.train_loss for r in others]
    assert not torch.equal(weights_of(model), weights_of(plain))
    assert validate(model, VIEWS, torch.device("cpu")).clean.loss == records[-1].val_loss


def test_frozen_backbone_keeps_weights_and_statistics_until_its_epochs_are_over():
    frozen, _ = train_on(DATA, train_plan(steps=6, frozen_epochs=2), ())
    start, _ = train_on(DATA, train_plan(steps=1, learning_rate=1e-30, frozen_epochs=1), ())
    freed, _ = train_on(DATA, train_plan(steps=9, frozen_epochs=2), ())
    assert torch.equal(weights_of(frozen.backbone), weights_of(start.backbone))
    assert not torch.equal(weights_of(frozen.head), weights_of(start.head))
    assert not torch.equal(weights_of(freed.backbone), weights_of(start.backbone))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lion"])
def test_backbone_learns_once_it_is_thawed_within_an_epoch_too(optimizer):
    plan = dataclasses.replace(train_plan(optimizer=optimizer, frozen_epochs=1), frozen_steps=2)
    frozen, _ = train_on(DATA, dataclasses.replace(plan, steps=2), ())
    thawed, _ = train_on(DATA, dataclasses.replace(plan, steps=4), ())
    assert not torch.equal(weights_of(frozen.backbone), weights_of(thawed.backbone))


def test_epochs_of_a_frozen_backbone_do_not_count_as_stalled():
    plan = train_plan(steps=18, epochs=6, frozen_epochs=4, early_stopping=1, learning_rate=1e-30)
    assert len(train_on(DATA, plan)[1]) == 5


def out_of_memory_above(limit, monkeypatch):
    """Let every forward pass in training of more than `limit` images run out of memory."""
    forward, sizes = Classifier.forward, []

    def limited(self, images):
        if self.training and len(images) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Classifier, "forward", limited)
    return sizes


def test_batch_that_does_not_fit_is_cut_into_parts_that_stay_so(tmp_path, monkeypatch, caplog):
    sizes = out_of_memory_above(3, monkeypatch)
    train_on(DATA, train_plan(tmp_path, steps=3), ())
    assert sizes == [2] * 12
    assert caplog.messages == [
        "out of memory: a batch of 8 images now takes 2 parts",
        "out of memory: a batch of 8 images now takes 4 parts",
    ]
    sizes.clear()
    train_on(DATA, train_plan(tmp_path, steps=6), ())
    assert sizes == [2] * 12


def test_parts_of_a_batch_add_up_to_its_gradient(monkeypatch):
    plan = train_plan(steps=1, frozen_epochs=1, class_weights="balanced", optimizer="sgd")
    whole, records = train_on(DATA, plan, ())
    out_of_memory_above(4, monkeypatch)
    parts, again = train_on(DATA, plan, ())
    assert again[0].train_loss == pytest.approx(records[0].train_loss, rel=1e-6)
    torch.testing.assert_close(weights_of(parts), weights_of(whole), rtol=1e-6, atol=1e-7)


def test_batch_of_which_not_two_images_fit_fails(monkeypatch):
    out_of_memory_above(1, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        train_on(DATA, train_plan())


def test_balanced_sampling_needs_no_weights_of_classes():
    data = only_training([0] * 12 + [1] * 3 + [2])
    choices = {"sampling": "balanced", "steps": 2}
    one, two = (
        train_on(data, train_plan(class_weights=weights, **choices), ())[1][0].train_loss
        for weights in ("balanced", "none")
    )
    assert one == pytest.approx(two, rel=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_is_that_of_the_forward_pass(precision, monkeypatch):
    found = []
    monkeypatch.setattr(Loss, "weight", lambda self, targets: targets.sum())
    monkeypatch.setattr(
        Loss, "total", lambda self, logits, targets: found.append(logits.dtype) or logits.sum()
    )
    train_on(DATA, train_plan(steps=1, precision=precision), ())
    assert found == [getattr(torch, precision)]


@pytest.mark.slow
def test_compiled_model_learns_the_same_within_rounding():
    plain, records = train_on(DATA, train_plan())
    compiled, again = train_on(DATA, train_plan(compile=True))
    assert [r.train_loss for r in again] == pytest.approx([r.train_loss for r in records], rel=1e-3)
    assert set(compiled.state_dict()) == set(plain.state_dict())


@pytest.mark.parametrize("learning_rate", [1e30, 1e38])
def test_loss_that_is_not_finite_ends_the_run(learning_rate):
    with pytest.raises(TrainingDivergedError) as caught:
        train_on(DATA, train_plan(learning_rate=learning_rate, schedule="constant"))
    assert str(caught.value) == (
        f"the loss is nan in epoch 1, step 2 of 3, at learning rate {learning_rate:.3g}; try a"
        " lower learning_rate"
    )


def test_error_names_the_rate_of_the_step_that_diverged():
    with pytest.raises(TrainingDivergedError, match=r"step 2 of 3, at learning rate 9.05e\+29;"):
        train_on(DATA, train_plan(steps=4, learning_rate=1e30, schedule="onecycle"))


def test_model_that_the_last_step_broke_is_not_reported():
    with pytest.raises(TrainingDivergedError):
        train_on(DATA, train_plan(steps=1, learning_rate=1e38))


def test_channel_that_is_black_in_all_images_can_be_trained_on():
    images = pictures(30)
    images[..., 2] = 0
    mean, std = channel_statistics(images, np.arange(30))
    data = dataclasses.replace(trial_data(), mean=mean, std=std)
    data = dataclasses.replace(data, store=image_store([0, 1, 2] * 10, images=images))
    assert math.isfinite(train_on(data, train_plan(steps=3), ())[1][0].train_loss)


@pytest.mark.parametrize("weights", ["balanced", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", [[0] * 7 + [1] * 2 + [2], [2] * 5 + [1] * 2 + [0] * 3])
def test_loss_weighs_the_classes_as_scikit_learn_does(weights, smoothing, labels):
    choices = {"batch_size": 10, "class_weights": weights, "label_smoothing": smoothing}
    plan, data = train_plan(steps=1, flips=False, **choices), only_training(labels)
    torch.manual_seed(plan.seed)
    parts = {"num_classes": 3, "image_size": 16, "mean": data.mean, "std": data.std}
    model = build_classifier(plan.spec, **parts)
    kind = "balanced" if weights == "balanced" else None
    factor = compute_class_weight(kind, classes=np.arange(3), y=np.array(labels))
    loss_of = nn.CrossEntropyLoss(torch.tensor(factor).float(), label_smoothing=smoothing)
    scores = model(to_unit(data.store.images, torch.device("cpu")))
    expected = loss_of(scores, torch.tensor(labels)).item()
    assert train_on(data, plan, ())[1][0].train_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "smoothing",
    [0.0, pytest.param(0.1)],
)
def test_class_without_an_image_does_not_dominate_the_loss(smoothing):
    data = only_training([0, 1] * 150)
    plan = train_plan(steps=1, batch_size=300, label_smoothing=smoothing)
    assert train_on(data, plan, ())[1][0].train_loss < 2 * math.log(3)


def test_training_without_views_measures_and_keeps_no_best(tmp_path):
    plan = train_plan(tmp_path)
    _, records = train_on(DATA, plan, ())
    assert [record.robust_accuracy for record in records] == [None] * 4
    assert not plan.paths.best.exists()
    assert plan.paths.last.exists()


def test_replayed_rates_take_the_place_of_the_schedule():
    rates = (0.01, 0.001, 0.0005, 0.0001)
    plan = train_plan(schedule="onecycle")
    plan = dataclasses.replace(plan, replay=rates, steps_per_replay=3)
    _, records = train_on(DATA, plan, ())
    assert [record.learning_rate for record in records] == pytest.approx(rates)


def test_replay_of_a_constant_rate_is_the_run_itself():
    plan = train_plan(schedule="constant")
    replayed = dataclasses.replace(plan, replay=(0.01,) * 4, steps_per_replay=3)
    assert train_on(DATA, replayed)[1] == train_on(DATA, plan)[1]


def test_validation_does_not_change_the_training():
    more = (*VIEWS, darker_view(DATA.store, DATA.split.validation))
    one, two = (
        train_on(DATA, train_plan(schedule="constant"), views)[0] for views in (VIEWS, more)
    )
    assert torch.equal(weights_of(one), weights_of(two))


def test_plan_can_be_pickled(tmp_path):
    plan = train_plan(tmp_path, **RICH)
    assert pickle.loads(pickle.dumps(plan)) == plan
