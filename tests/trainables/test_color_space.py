"""Tests of hue, saturation and value: against colorsys, pixel by pixel."""

import colorsys

import pytest
import torch
from torch import Tensor

from trainables.color_space import hsv_from_rgb, rgb_from_hsv

EDGES = [[0, 0, 0], [1, 1, 1], [0.4, 0.4, 0.4], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]]


def pixels() -> Tensor:
    """Return random colours and those where a formula could divide by nothing, [1, 3, 1, N]."""
    drawn = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.tensor(EDGES), drawn]).T[None, :, None]


def test_hsv_of_pixels_equals_colorsys() -> None:
    images = pixels()
    hue, saturation, value = (plane.flatten() for plane in hsv_from_rgb(images))
    expected = torch.tensor([colorsys.rgb_to_hsv(*p) for p in images[0, :, 0].T.tolist()])
    torch.testing.assert_close(
        torch.stack([hue % 1, saturation, value], dim=1), expected, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("turn", [-1.3, 0.0, 0.4, 2.0])
def test_rgb_of_a_turned_hue_equals_colorsys(turn: float) -> None:
    images = pixels()
    hue, saturation, value = hsv_from_rgb(images)
    planes = torch.stack([hue, saturation, value]).flatten(1).T.tolist()
    expected = torch.tensor([colorsys.hsv_to_rgb((h + turn) % 1, s, v) for h, s, v in planes])
    result = rgb_from_hsv(hue + turn, saturation, value)[0, :, 0].T
    torch.testing.assert_close(result, expected, atol=2e-6, rtol=0)
