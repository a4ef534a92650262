"""Tests of what lies on the slide: against the same compositing in float64, drawn alike."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from tests.trainables.test_color_corruptions import both_ends, pictures, seeded, strength_of
from trainables.shifts import apply_shift
from trainables.slide_artifacts import _smooth_noise


@pictures
@both_ends
def test_stain_deposit_equals_numpy_on_the_same_noise(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, area = pictures(), strength_of("stain_deposit", severity)
    field = _smooth_noise(images.shape, seeded()).double().numpy()
    highest = -np.sort(-field.reshape(len(field), -1), axis=1)
    shore = highest[:, int(np.float32(area) * highest.shape[1]), None, None]
    spread = field.std(axis=(1, 2), ddof=1, keepdims=True)
    cover = 0.9 / (1 + np.exp(-(field - shore) / (0.05 * spread)))[:, None]
    stain = np.array([0.24, 0.10, 0.34])[:, None, None]
    expected = images.double().numpy() * (1 - cover) + stain * cover
    shifted = apply_shift(images, "stain_deposit", severity, seeded())
    np.testing.assert_allclose(shifted.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_stain_deposit_covers_its_share_with_dark_purple(severity: int) -> None:
    white = torch.ones(16, 3, 64, 64)
    shifted = apply_shift(white, "stain_deposit", severity, seeded())
    covered = shifted[:, 1] < 0.5
    share = covered.float().mean(dim=(1, 2))
    torch.testing.assert_close(
        share, torch.full((16,), strength_of("stain_deposit", severity)), atol=0.01, rtol=0
    )
    red, green, blue = shifted.permute(1, 0, 2, 3)[:, covered].mean(dim=1).tolist()
    assert green < red < blue < 0.6


def test_stain_deposit_blobs_are_irregular_and_differ_between_images() -> None:
    shifted = apply_shift(torch.ones(8, 3, 64, 64), "stain_deposit", 3, seeded())
    grid = shifted[:, 1] < 0.5
    assert len(grid.flatten(1).unique(dim=0)) == 8
    # The outline of one round blob with the same area, in sides; along pixels it is 4 / pi longer.
    round_blob = 4 / math.pi * 2 * math.sqrt(math.pi * strength_of("stain_deposit", 3))
    edges = (grid[:, 1:] ^ grid[:, :-1]).sum((1, 2)) + (grid[:, :, 1:] ^ grid[:, :, :-1]).sum(
        (1, 2)
    )
    assert (edges / 64).float().mean() > 2 * round_blob


@pictures
@both_ends
def test_bubble_equals_numpy_at_the_same_place(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, area = pictures(), strength_of("bubble", severity)
    places = torch.rand((2, len(images), 1, 1), generator=seeded())[:, :, 0, 0].double().numpy().T
    expected = [
        bubbled(image, area, place)
        for image, place in zip(images.double().numpy(), places, strict=True)
    ]
    shifted = apply_shift(images, "bubble", severity, seeded())
    np.testing.assert_allclose(shifted.numpy(), np.array(expected), atol=2e-4)


def bubbled(image: np.ndarray, area: float, place: np.ndarray) -> np.ndarray:
    """Return an image, [3, S, S], seen through one bubble; `place` is x and y, 0..1."""
    side = image.shape[1]
    radius = side * np.sqrt(area / np.pi)
    x, y = radius + place * (side - 2 * radius) - 0.5
    rows, columns = np.mgrid[:side, :side].astype(float)
    away = np.hypot(columns - x, rows - y) / radius
    bend = 1 + 0.5 * np.clip(1 - away**2, 0, None) * (away < 1)
    points = [y + (rows - y) * bend, x + (columns - x) * bend]
    seen = np.array([ndimage.map_coordinates(p, points, order=1, mode="nearest") for p in image])
    glare = 0.25 + 0.65 * np.exp(-(((1 - away) / 0.15) ** 2))
    inside = np.clip(radius - radius * away + 0.5, 0, 1)
    return image * (1 - inside) + inside * (seen * (1 - glare) + glare)


@both_ends
def test_bubble_is_a_bright_round_rim_of_the_stated_area(severity: int) -> None:
    shifted = apply_shift(torch.zeros(16, 3, 96, 96), "bubble", severity, seeded())[:, 0]
    share = (shifted > 0.1).float().mean(dim=(1, 2))
    torch.testing.assert_close(
        share, torch.full((16,), strength_of("bubble", severity)), atol=0.02, rtol=0
    )
    assert (shifted.amax((1, 2)) > 0.75).all()
    assert len(shifted.flatten(1).unique(dim=0)) == 16
