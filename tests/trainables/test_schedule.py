import json

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from tests.trainables.builders import trial_spec
from trainables.schedule import build_scheduler, replay_scheduler

SHARES = (1.0, 0.5, 1e-9)
"""Of the learning rate, for one group of weights each."""


def optimizer_of(learning_rate, shares=SHARES):
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": learning_rate * s} for s in shares]
    return SGD(groups, momentum=0.9)


def scheduler_of(steps=99, objective="val_loss", learning_rate=1.0, **changed):
    spec = trial_spec(learning_rate=learning_rate, **changed)
    return build_scheduler(optimizer_of(learning_rate), spec, objective=objective, steps=steps)


def replay_of(rates=(0.1, 0.3, 0.06)):
    return replay_scheduler(optimizer_of(0.3), trial_spec(learning_rate=0.3), rates, 2)


def rates_of(scheduler):
    return [group["lr"] for group in scheduler.optimizer.param_groups]


def rates_over(steps, scheduler, values=None):
    """Return the head's rate at each step; the schedule is told a value after each."""
    rates = []
    for step in range(steps):
        head, *others = rates_of(scheduler)
        assert others == pytest.approx([head * share for share in SHARES[1:]], rel=1e-4)
        rates.append(head)
        scheduler.optimizer.step()
        scheduler.step(*([values[step]] if values else []))
    return rates


@pytest.mark.parametrize(
    ("objective", "values"),
    [
        ("val_accuracy", [0.5, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6]),
        ("val_loss", [0.5, 0.5, 0.6, 0.4, 0.4, 0.4, 0.4]),
    ],
)
def test_plateau_divides_the_rate_by_five_after_patience(objective, values):
    scheduler = scheduler_of(objective=objective, plateau_patience=2)
    assert rates_over(7, scheduler, values) == [1.0] * 7
    # Three values after the best of them, and the lowest of rates as well.
    assert rates_of(scheduler) == pytest.approx([0.2 * share for share in SHARES])


def test_plateau_that_gets_better_keeps_the_rate():
    scheduler = scheduler_of(plateau_patience=0)
    assert rates_over(9, scheduler, [0.9**step for step in range(9)]) == [1.0] * 9


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 40])
def test_onecycle_lasts_for_the_steps_and_never_exceeds_its_rate(steps):
    scheduler = scheduler_of(steps, schedule="onecycle", learning_rate=0.5)
    assert all(0 < rate <= 0.5 for rate in rates_over(steps, scheduler))
    assert rates_of(scheduler)[0] < 1e-5


def test_onecycle_warms_up_for_a_quarter_and_then_only_falls():
    rates = rates_over(39, scheduler_of(39, schedule="onecycle", learning_rate=0.5))
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[9] == pytest.approx(0.5)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)


@pytest.mark.parametrize(("steps", "warm_up"), [(40, 0.25), (40, 0.05), (7, 0.3), (100, 0.9)])
def test_cosine_is_torchs_linear_warm_up_and_annealing(steps, warm_up):
    rise, optimizer = round(warm_up * steps), optimizer_of(0.5)
    parts = [
        LinearLR(optimizer, 1 / (rise + 1), total_iters=rise),
        CosineAnnealingLR(optimizer, steps - rise),
    ]
    expected = rates_over(steps, SequentialLR(optimizer, parts, [rise]))
    scheduler = scheduler_of(steps, schedule="cosine", learning_rate=0.5, warm_up=warm_up)
    assert rates_over(steps, scheduler) == pytest.approx(expected, rel=1e-6)
    assert expected[rise] == 0.5


@pytest.mark.parametrize("warm_up", [0.0, 0.05, 0.999])
@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_cosine_of_any_length_learns_at_every_step_and_ends_at_zero(steps, warm_up):
    scheduler = scheduler_of(steps, schedule="cosine", warm_up=warm_up)
    rates = rates_over(steps, scheduler)
    assert all(0 < rate <= 1 for rate in rates)
    if round(warm_up * steps) < steps:
        assert max(rates) == 1
        assert rates_over(2, scheduler) == [0, 0]  # steps too many do not make it rise again


def test_constant_schedule_keeps_the_rate():
    assert rates_over(8, scheduler_of(5, schedule="constant")) == [1.0] * 8


def test_replay_gives_each_rate_for_its_steps_and_then_the_last():
    expected = [0.1, 0.1, 0.3, 0.3, 0.06, 0.06, 0.06]
    assert rates_over(7, replay_of()) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["plateau", "onecycle", "cosine", "constant", "replay"])
@pytest.mark.parametrize("before", [0, 3, 9])
def test_schedule_that_was_read_back_goes_on_where_it_was(schedule, before):
    choices = {"steps": 20, "schedule": schedule, "plateau_patience": 1}
    first, again = (
        replay_of() if schedule == "replay" else scheduler_of(**choices) for _ in range(2)
    )
    values = [0.5] * 20 if schedule == "plateau" else None
    rates_over(before, first, values)
    again.optimizer.load_state_dict(first.optimizer.state_dict())
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert rates_over(10, again, values) == rates_over(10, first, values)
