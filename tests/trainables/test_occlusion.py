"""Tests of covering: cutout against the same square in numpy, drawn alike."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tests.trainables.test_color_corruptions import both_ends, pictures, seeded, strength_of
from trainables.shifts import apply_shift


@pictures
@both_ends
def test_cutout_equals_numpy_with_a_grey_square_at_the_same_place(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, side = pictures(), strength_of("cutout", severity) ** 0.5
    starts = torch.rand((2, len(images), 1), generator=seeded())[..., 0].numpy() * (1 - side)
    centres = (np.arange(images.shape[3]) + 0.5) / images.shape[3]
    expected = images.numpy().copy()
    for image, *start in zip(expected, *starts, strict=True):
        rows, columns = ((centres >= s) & (centres < s + side) for s in start)
        image[:, rows[:, None] & columns] = 0.5
    shifted = apply_shift(images, "cutout", severity, seeded())
    np.testing.assert_array_equal(shifted.numpy(), expected)


@both_ends
def test_cutout_covers_the_stated_area(severity: int) -> None:
    shifted = apply_shift(torch.zeros(16, 3, 100, 100), "cutout", severity, seeded())
    area = torch.full((16,), strength_of("cutout", severity))
    # A pixel belongs to the square if its centre does, so a side is right to one pixel.
    share = (shifted[:, 0] == 0.5).float().mean((1, 2))
    torch.testing.assert_close(share.sqrt(), area.sqrt(), atol=0.01, rtol=0)
