import pytest
from torch import nn
from torch.optim import Adam, AdamW

from tests.trainables.builders import trial_spec
from trainables.classifier import build_classifier
from trainables.optimizer import build_optimizer, build_scheduler, replay_scheduler


def optimizer_of(model=None, **changed):
    return build_optimizer(model or nn.Linear(2, 2), trial_spec(**changed))


def rate_of(optimizer):
    rates = {group["lr"] for group in optimizer.param_groups}
    assert len(rates) == 1
    return rates.pop()


def rates_over(steps, optimizer, scheduler, values=None):
    """Return the learning rate of each step; the schedule is told a value after each."""
    rates = []
    for step in range(steps):
        rates.append(rate_of(optimizer))
        optimizer.step()
        scheduler.step(*([values[step]] if values else []))
    return rates


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("adamw", AdamW)])
def test_optimizer_is_torchs_with_the_rate_asked_for(name, kind):
    optimizer = optimizer_of(optimizer=name, learning_rate=0.125)
    assert type(optimizer) is kind
    assert rate_of(optimizer) == 0.125


@pytest.mark.parametrize("backbone", ["custom_cnn", "test_resnet", "test_convnext", "test_vit"])
def test_norms_and_biases_do_not_decay_and_all_other_weights_do(backbone):
    spec = trial_spec(backbone=backbone, head_width=8, weight_decay=0.1)
    args = {"num_classes": 3, "image_size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    model = build_classifier(spec, **args)
    groups = build_optimizer(model, spec).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for module in model.modules():
        weights = isinstance(module, (nn.Conv2d, nn.Linear))
        for name, parameter in module.named_parameters(recurse=False):
            if weights or name == "bias" or "norm" in type(module).__name__.lower():
                assert decay[id(parameter)] == (0.1 if weights and name == "weight" else 0.0)


def test_what_a_timm_model_says_must_not_decay_does_not_decay():
    spec = trial_spec(backbone="test_vit", weight_decay=0.1)
    args = {"num_classes": 3, "image_size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    model = build_classifier(spec, **args)
    groups = build_optimizer(model, spec).param_groups
    spared = {id(p) for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    named = dict(model.backbone.named_parameters())
    asked = model.backbone.no_weight_decay() & named.keys()
    assert [name for name in asked if id(named[name]) not in spared] == []


@pytest.mark.parametrize(
    ("objective", "values"),
    [
        ("val_accuracy", [0.5, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6]),
        ("val_loss", [0.5, 0.5, 0.6, 0.4, 0.4, 0.4, 0.4]),
    ],
)
def test_plateau_divides_the_rate_by_five_after_patience(objective, values):
    spec = trial_spec(plateau_patience=2, learning_rate=1.0)
    optimizer = optimizer_of(learning_rate=1.0)
    scheduler = build_scheduler(optimizer, spec, objective=objective, steps=99)
    rates = rates_over(7, optimizer, scheduler, values)
    assert rates == [1.0] * 7
    assert rate_of(optimizer) == pytest.approx(0.2)  # three values after the best of them


def test_plateau_that_gets_better_keeps_the_rate():
    optimizer = optimizer_of(learning_rate=1.0)
    spec = trial_spec(plateau_patience=0)
    scheduler = build_scheduler(optimizer, spec, objective="val_loss", steps=99)
    rates_over(9, optimizer, scheduler, [0.9**step for step in range(9)])
    assert rate_of(optimizer) == 1.0


@pytest.mark.parametrize(
    "steps",
    [1, 2, 4, 7, 40, pytest.param(3)],
)
def test_onecycle_lasts_for_the_steps_and_never_exceeds_its_rate(steps):
    spec = trial_spec(schedule="onecycle", learning_rate=0.5)
    optimizer = optimizer_of(learning_rate=0.5)
    scheduler = build_scheduler(optimizer, spec, objective="val_loss", steps=steps)
    rates = rates_over(steps, optimizer, scheduler)
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rate_of(optimizer) < 1e-5


def test_onecycle_warms_up_for_a_quarter_and_then_only_falls():
    spec = trial_spec(schedule="onecycle", learning_rate=0.5)
    optimizer = optimizer_of(learning_rate=0.5)
    scheduler = build_scheduler(optimizer, spec, objective="val_loss", steps=39)
    rates = rates_over(39, optimizer, scheduler)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[9] == pytest.approx(0.5)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)


def test_constant_schedule_keeps_the_rate():
    optimizer = optimizer_of(learning_rate=0.5)
    spec = trial_spec(schedule="constant")
    scheduler = build_scheduler(optimizer, spec, objective="val_loss", steps=5)
    assert rates_over(8, optimizer, scheduler) == [0.5] * 8


def test_replay_gives_each_rate_for_its_steps_and_then_the_last():
    spec = trial_spec(learning_rate=0.3)
    optimizer = optimizer_of(learning_rate=0.3)
    scheduler = replay_scheduler(optimizer, spec, (0.1, 0.3, 0.06), 2)
    expected = [0.1, 0.1, 0.3, 0.3, 0.06, 0.06, 0.06]
    assert rates_over(7, optimizer, scheduler) == pytest.approx(expected)


def test_replay_that_was_read_back_goes_on_where_it_was():
    spec, rates = trial_spec(learning_rate=0.3), (0.1, 0.3, 0.06)
    scheduler = replay_scheduler(optimizer_of(learning_rate=0.3), spec, rates, 2)
    rates_over(3, scheduler.optimizer, scheduler)
    optimizer = optimizer_of(learning_rate=0.3)
    again = replay_scheduler(optimizer, spec, rates, 2)
    again.load_state_dict(scheduler.state_dict())
    assert rates_over(2, optimizer, again)[1] == pytest.approx(0.06)
