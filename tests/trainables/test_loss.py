import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn.functional import one_hot

from tests.trainables.builders import trial_spec
from trainables.loss import build_loss, class_weights

CPU = torch.device("cpu")
COUNTS = np.array([700, 200, 5, 95])
LABELS = torch.tensor([0, 3, 1, 0, 2, 0, 1])
HARD = one_hot(LABELS, 4).float()


def loss_of(counts=COUNTS, **changed):
    return build_loss(trial_spec(**changed), counts, CPU)


def random_batch(rows=7, scale=3.0):
    """Return logits and soft targets."""
    draws = torch.randn(2, rows, 4, generator=torch.Generator().manual_seed(0))
    return scale * draws[0], draws[1].softmax(dim=1)


def focal_by_numpy(logits, targets, weights, smoothing, gamma):
    """Return the sum of the losses in float64, term by term as in the paper."""
    total = 0.0
    for z, t in zip(logits.double().numpy(), targets.double().numpy(), strict=True):
        p = np.exp(z) / np.exp(z).sum()
        for k, w in enumerate(weights):
            total -= (
                (t[k] * (1 - smoothing) + smoothing / 4) * w * (1 - p[k]) ** gamma * np.log(p[k])
            )
    return total


def test_balanced_weights_are_scikit_learns():
    found = class_weights(trial_spec(class_weights="balanced"), COUNTS)
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_effective_weights_are_those_of_the_paper():
    found = class_weights(trial_spec(class_weights="effective"), COUNTS)
    inverse = [(1 - 0.999) / (1 - 0.999 ** int(count)) for count in COUNTS]
    expected = np.array(inverse) * COUNTS.sum() / (inverse @ COUNTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["balanced", "effective", "none"])
@pytest.mark.parametrize("counts", [[5, 1, 0, 94], [100_000, 1, 7, 0], [3, 3, 3, 3]])
def test_weights_have_a_mean_of_one_over_the_images(kind, counts):
    weights = class_weights(trial_spec(class_weights=kind), np.array(counts))
    assert weights.dtype == torch.float32
    assert float(weights @ torch.tensor(counts).float()) / sum(counts) == pytest.approx(1)


@pytest.mark.parametrize(("kind", "weight"), [("balanced", 0), ("effective", 0), ("none", 1)])
def test_class_without_an_image_weighs_nothing_where_classes_are_weighted(kind, weight):
    weights = class_weights(trial_spec(class_weights=kind), np.array([4, 0, 6, 0]))
    assert list(weights[[1, 3]]) == [weight, weight]


@pytest.mark.parametrize("kind", ["balanced", "effective", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_loss_of_labels_is_torchs_cross_entropy(kind, smoothing):
    loss, (logits, _) = loss_of(class_weights=kind, label_smoothing=smoothing), random_batch()
    reference = nn.CrossEntropyLoss(loss.class_weights, label_smoothing=smoothing)
    found = loss.total(logits, HARD) / loss.weight(HARD)
    assert found.item() == pytest.approx(reference(logits, LABELS).item(), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", [{"focal_gamma": 5.0}, {"loss": "focal", "focal_gamma": 0.0}])
def test_loss_of_soft_targets_is_torchs_cross_entropy(kind, smoothing):
    loss, (logits, targets) = loss_of(**kind, label_smoothing=smoothing), random_batch()
    weights = loss.class_weights
    reference = nn.CrossEntropyLoss(weights, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(loss.total(logits, targets), reference(logits, targets))
    assert loss.weight(targets).item() == pytest.approx(float((targets * weights).sum()))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 10.0])
def test_focal_loss_is_that_of_the_paper(smoothing, gamma):
    loss = loss_of(loss="focal", focal_gamma=gamma, label_smoothing=smoothing)
    logits, targets = random_batch()
    expected = focal_by_numpy(logits, targets, loss.class_weights.numpy(), smoothing, gamma)
    assert loss.total(logits, targets).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
def test_focal_loss_of_what_is_surely_right_has_a_finite_gradient(gamma):
    logits = torch.tensor([[200.0, 0, 0, 0], [0, 0, 0, 1e4]], requires_grad=True)
    loss_of(loss="focal", focal_gamma=gamma).total(logits, HARD[:2]).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
def test_gradients_of_micro_batches_add_up_to_that_of_the_batch(kind):
    loss, (logits, targets) = loss_of(loss=kind, label_smoothing=0.1), random_batch()
    whole = logits.clone().requires_grad_()
    (loss.total(whole, targets) / loss.weight(targets)).backward()
    parts = logits.clone().requires_grad_()
    for rows in (slice(3), slice(3, 4), slice(4, 7)):
        (loss.total(parts[rows], targets[rows]) / loss.weight(targets)).backward()
    torch.testing.assert_close(parts.grad, whole.grad)


def test_loss_of_half_precision_logits_is_worked_out_in_float32():
    logits, targets = random_batch()
    logits = logits.bfloat16()
    found = loss_of().total(logits, targets)
    assert torch.equal(found, loss_of().total(logits.float(), targets))
