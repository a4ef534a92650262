import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from trainables.metrics import score

SOME = np.array([0, 0, 1, 1, 1, 3, 3, 0])  # class 2 of four is absent


def random_probabilities(number, classes=4, seed=0):
    raw = np.random.default_rng(seed).random((number, classes)).astype(np.float32)
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("labels", [SOME, np.arange(40) % 4, np.zeros(5, np.int64)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_scores_are_those_of_scikit_learn(labels, seed):
    probabilities = random_probabilities(len(labels), seed=seed)
    predicted = probabilities.argmax(axis=1)
    scores = score(labels, probabilities)
    exact = np.float64(probabilities)
    loss = log_loss(labels, exact / exact.sum(axis=1, keepdims=True), labels=range(4))
    assert scores.loss == pytest.approx(loss, rel=1e-6)
    assert scores.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert scores.macro_f1 == pytest.approx(
        f1_score(labels, predicted, average="macro", zero_division=0)
    )


@pytest.mark.parametrize("labels", [SOME, np.zeros(5, np.int64)])
def test_class_absent_from_the_labels_causes_no_warning(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(labels, random_probabilities(len(labels), seed=1))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_loss_of_a_certain_error_is_finite():
    scores = score(np.array([0]), np.array([[0, 1]], dtype=np.float32))
    assert scores.loss == pytest.approx(-np.log(1e-12))
