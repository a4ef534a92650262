import numpy as np
import pytest
import torch
from torch import nn

from tests.trainables.builders import pictures, trial_data
from trainables.metrics import balanced_accuracy, score
from trainables.prediction import predict, predictions_frame, validate

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """A model without weights: classes by brightness; notes the mode it was asked in."""

    def forward(self, images):
        self.asked_in = (self.training, torch.is_grad_enabled())
        mean = images.mean(dim=(1, 2, 3))
        return -100 * (mean[:, None] - torch.tensor([0.25, 0.4, 0.55])) ** 2


def test_predictions_are_probabilities_in_the_order_of_the_images():
    images, model = pictures(5, size=8), Brightness().train()
    together = predict(model, [images], CPU)
    apart = predict(model, [images[:2], images[2:]], CPU)
    assert (together.shape, together.dtype) == ((5, 3), np.float32)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(together, apart)
    assert model.asked_in == (False, False)  # neither training nor noting gradients


def test_prediction_is_averaged_over_the_views_asked_for():
    images, model = pictures(4, size=8), Brightness()
    model.forward = lambda images: 5 * images[:, :, 0, 0]
    found = predict(model, [images[:3], images[3:]], CPU, tta="flips")
    corners = [torch.tensor(images[:, 0, x] / 255) for x in (0, -1)]
    expected = sum((5 * corner).softmax(dim=1) for corner in corners) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_batch_that_does_not_fit_is_predicted_in_parts():
    model, sizes = Brightness(), []

    def limited(images, forward=model.forward):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(images))
        return forward(images)

    expected = predict(model, [pictures(5)], CPU)
    model.forward = limited
    np.testing.assert_array_equal(predict(model, [pictures(5)], CPU), expected)
    assert sizes == [2, 1, 1, 1]


def test_validation_scores_the_clean_view_and_the_mean_of_the_shifts():
    data = trial_data()
    views = (data.clean, *data.shifts, data.clean)
    found = validate(Brightness(), views, CPU)
    expected = [
        balanced_accuracy(v.labels, p.argmax(axis=1))
        for v, p in zip(views, found.probabilities, strict=True)
    ]
    assert found.clean == score(data.clean.labels, found.probabilities[0])
    assert found.shift_accuracy == pytest.approx((expected[1] + expected[2]) / 2)
    assert found.robust_accuracy == pytest.approx((expected[0] + found.shift_accuracy) / 2)
    assert 0 < expected[1] < expected[0]  # darker pictures look like darker classes


def test_validation_on_the_clean_view_only_says_nothing_of_shifts():
    found = validate(Brightness(), [trial_data().clean], CPU)
    assert (found.shift_accuracy, found.robust_accuracy) == (None, None)
    assert len(found.probabilities) == 1


def test_frame_has_a_row_per_image_and_view():
    data = trial_data()
    views = (data.clean, *data.shifts)
    frame = predictions_frame(views, validate(Brightness(), views, CPU).probabilities)
    assert list(frame) == ["row", "label", "view", "prob_0", "prob_1", "prob_2"]
    assert list(frame["row"]) == [*range(24, 30)] * 2
    assert list(frame["label"]) == [0, 1, 2] * 4
    assert list(frame["view"]) == ["clean"] * 6 + [f"darker-{s}" for s in (1, 2, 3, 4, 5, 1)]
    assert set(frame.filter(like="prob_").dtypes) == {np.dtype(np.float16)}
    np.testing.assert_allclose(frame.filter(like="prob_").sum(axis=1), 1, atol=2e-3)
