"""Tests of blur, noise and the order of channels: against torchvision, scipy and statistics."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_affine import smooth_images
from tests.trainables.test_operations import drawn_images, real_images, seeded
from trainables.camera import CHANNEL_ORDERS, add_noise, blur, reorder_channels


@pytest.mark.parametrize("build", [real_images, drawn_images])
@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 4.8, 9.6])
def test_blur_equals_scipy_up_to_the_edge_and_torchvision_inside(sigma, build):
    images = build() / 255
    ours = blur(images, torch.full((len(images),), sigma)).numpy()
    expected = ndimage.gaussian_filter(
        images.double().numpy(), sigma, mode="reflect", truncate=8, axes=(2, 3)
    )
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    reach = int(4.5 * sigma) + 1
    if sigma:
        theirs = reference.gaussian_blur(images, 2 * reach + 1, sigma).numpy()
        inside = np.s_[..., reach:-reach, reach:-reach]
        np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-4)


def test_blur_of_oblong_images_takes_a_sigma_for_each():
    images, sigma = smooth_images(3, 24, 40), torch.tensor([0.0, 1.0, 3.0])
    for image, s, ours in zip(images.double().numpy(), sigma, blur(images, sigma), strict=True):
        expected = ndimage.gaussian_filter(image, float(s), truncate=8, axes=(1, 2))
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.1])
def test_noise_is_normal_with_the_deviation_asked_for(deviation):
    # Kolmogorov-Smirnov below 1e-4: one seed in 10,000, and the seed is fixed.
    images = torch.full((2, 3, 60, 60), 0.5)
    noise = add_noise(images, torch.tensor([deviation, 0.0]), seeded()) - images
    assert torch.equal(noise[1], torch.zeros(3, 60, 60))
    if deviation:
        assert stats.kstest(noise[0].flatten().numpy() / deviation, "norm").pvalue > 1e-4


def test_noise_stays_in_range():
    noisy = add_noise(smooth_images(), torch.ones(4), seeded())
    assert 0 == noisy.min() < noisy.max() == 1


def test_channels_take_each_of_six_orders():
    images = smooth_images(6)
    reordered = reorder_channels(images, torch.arange(6.0))
    for image, order, ours in zip(images, CHANNEL_ORDERS, reordered, strict=True):
        assert torch.equal(ours, reference.permute_channels(image, list(order)))
