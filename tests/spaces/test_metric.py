from typing import get_args

import pytest

from spaces import is_better, is_higher_better
from spaces.metric import Metric


def test_higher_is_better_for_every_metric_but_the_loss():
    assert [metric for metric in get_args(Metric) if not is_higher_better(metric)] == ["val_loss"]


@pytest.mark.parametrize(
    ("metric", "value", "than", "expected"),
    [
        ("val_accuracy", 0.8, 0.7, True), ("val_accuracy", 0.7, 0.8, False),
        ("val_accuracy", 0.7, 0.7, False), ("val_loss", 0.7, 0.8, True),
        ("val_loss", 0.8, 0.7, False), ("val_loss", 0.7, 0.7, False),
        ("val_accuracy", float("nan"), 0.7, False), ("val_loss", float("nan"), 0.7, False),
    ],
)  # fmt: skip
def test_is_better_is_strict_and_knows_the_direction(metric, value, than, expected):
    assert is_better(metric, value, than) is expected
