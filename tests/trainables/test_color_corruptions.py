"""Tests of the corruptions of colour: each at both ends of its severities against a reference."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_operations import real_images
from trainables.cells import CELL_CLASSES, clean_lab, draw_cells
from trainables.color_corruptions import posterize
from trainables.shifts import SHIFTS, apply_shift

ORDERS = [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)]


def seeded(seed: int = 0) -> Generator:
    """Return a generator on the CPU."""
    return Generator().manual_seed(seed)


def drawn_cells(count: int = 16) -> Tensor:
    """Return drawn blood cells, float32, [count, 3, 64, 64], whole 255ths in 0..1."""
    labels = np.arange(count) % len(CELL_CLASSES)
    cells = draw_cells(labels, size=64, rng=np.random.default_rng(0), domain=clean_lab())
    return torch.from_numpy(cells).permute(0, 3, 1, 2).contiguous().float().div(255)


def real_cells(count: int = 16) -> Tensor:
    """Return real blood cells, float32, [count, 3, 96, 96], whole 255ths in 0..1, or skip."""
    return real_images(count).float().div(255)


pictures = pytest.mark.parametrize("pictures", [drawn_cells, real_cells])
both_ends = pytest.mark.parametrize("severity", [1, 5])


def strength_of(name: str, severity: int) -> float:
    """Return the strength of a severity in 1..5."""
    return SHIFTS[name].strengths[severity - 1]


def distances(results: Tensor, candidates: list[Tensor]) -> Tensor:
    """Return the largest difference of each of [B] images from each of [K] candidates, [K, B]."""
    return torch.stack([(results - other).abs().amax((1, 2, 3)) for other in candidates])


@pictures
@both_ends
@pytest.mark.parametrize(
    ("name", "by_torchvision", "neutral"),
    [
        ("brightness", reference.adjust_brightness, 1),
        ("contrast", reference.adjust_contrast, 1),
        ("saturation", reference.adjust_saturation, 1),
        ("hue", reference.adjust_hue, 0),
    ],
)
def test_signed_shift_equals_torchvision_one_way_or_the_other(
    pictures: Callable[[], Tensor],
    severity: int,
    name: str,
    by_torchvision: Callable[[Tensor, float], Tensor],
    neutral: float,
) -> None:
    images, strength = pictures(), strength_of(name, severity)
    ways = [by_torchvision(images, neutral + sign * strength) for sign in (-1, 1)]
    errors = distances(apply_shift(images, name, severity, seeded()), ways)
    assert errors.amin(dim=0).max() < 1e-5
    # All 16 signs alike: odds 3e-5, and the seed is fixed.
    assert len(errors.argmin(dim=0).unique()) == 2


@pictures
@both_ends
def test_solarize_is_a_part_of_torchvision_s(pictures: Callable[[], Tensor], severity: int) -> None:
    images, part = pictures(), strength_of("solarize", severity)
    expected = (1 - part) * images + part * reference.solarize(images, 0.5)
    shifted = apply_shift(images, "solarize", severity, seeded())
    torch.testing.assert_close(shifted, expected, atol=1e-6, rtol=0)


@pictures
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_posterize_to_whole_bits_equals_torchvision_on_bytes(
    pictures: Callable[[], Tensor], bits: int
) -> None:
    images = pictures()
    expected = reference.posterize((images * 255).round().byte(), bits)
    result = posterize(images, torch.full((len(images),), 2.0**bits), seeded())
    assert torch.equal((result * 255).round().byte(), expected)


@pictures
@both_ends
def test_posterize_rounds_down_to_evenly_spaced_values(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images = pictures()
    step = 256 / strength_of("posterize", severity)
    expected = np.floor((images.double().numpy() * 255).round() / step) * step / 255
    shifted = apply_shift(images, "posterize", severity, seeded())
    np.testing.assert_allclose(shifted.numpy(), expected, atol=1e-6)


@pictures
@both_ends
def test_channel_order_blends_with_one_of_the_five_other_orders(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, part = pictures().double(), strength_of("channel_order", severity)
    blends = [(1 - part) * images + part * images[:, list(order)] for order in ORDERS]
    errors = distances(apply_shift(images.float(), "channel_order", severity, seeded()), blends)
    assert errors.amin(dim=0).max() < 1e-6
    # 16 draws that miss one of five orders: odds 0.14, and the seed is fixed.
    assert len(errors.argmin(dim=0).unique()) >= 4


@both_ends
def test_noise_is_gaussian_independent_and_of_the_stated_deviation(severity: int) -> None:
    grey, deviation = torch.full((16, 3, 64, 64), 0.5), strength_of("noise", severity)
    noise = (apply_shift(grey, "noise", severity, seeded()).double().numpy() - 0.5) / deviation
    inside = noise[np.abs(noise) * deviation < 0.49]
    # 196,608 draws: each of these fails a fair generator with odds below 1e-5; the seed is fixed.
    assert stats.kstest(inside, stats.truncnorm(-0.49 / deviation, 0.49 / deviation).cdf)[1] > 1e-5
    for one, other in ((noise[:, 0], noise[:, 1]), (noise[..., :-1], noise[..., 1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4.5 / one.size**0.5


@pictures
def test_noise_lies_on_the_image(pictures: Callable[[], Tensor]) -> None:
    images, deviation = pictures(), strength_of("noise", 1)
    difference = apply_shift(images, "noise", 1, seeded()) - images
    unclipped = (images > 5 * deviation) & (images < 1 - 5 * deviation)
    assert abs(difference[unclipped].mean()) < 0.01 * deviation
    assert abs(difference[unclipped].std() / deviation - 1) < 0.01
