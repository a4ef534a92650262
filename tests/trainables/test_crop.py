"""Tests of random resized crops: against torchvision's draws and its resampling."""

import math

import pytest
import torch
from scipy import stats
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_operations import drawn_images, seeded
from trainables import affine
from trainables.crop import Boxes, crop_maps, draw_boxes


@pytest.mark.parametrize("left_out", [0.1, 0.5, 0.92])
@pytest.mark.parametrize("size", [(2000, 2000), (1200, 2000)])
def test_boxes_are_spread_as_torchvisions(left_out, size):
    # Two-sample Kolmogorov-Smirnov below 1e-4: 24 draws, so 1 seed in 400, and both are fixed.
    ours = draw_boxes(left_out, size, 1000, seeded())
    torch.manual_seed(0)
    image = torch.empty(1, 1, 1).expand(1, *size)
    picked = [
        RandomResizedCrop.get_params(image, [1 - left_out, 1], [3 / 4, 4 / 3]) for _ in range(1000)
    ]
    top, left, height, width = torch.tensor(picked).float().T
    theirs = Boxes(left, top, width, height)
    for measure in (area, aspect, across, down):
        assert stats.ks_2samp(measure(ours), measure(theirs)).pvalue > 1e-4


def area(boxes):
    # To a thousandth: torchvision's sides are whole pixels.
    return (boxes.width * boxes.height / 4e6).numpy().round(3)


def aspect(boxes):
    return (boxes.width / boxes.height).log().numpy().round(2)


def across(boxes):
    return (boxes.left / 2000).numpy().round(2)


def down(boxes):
    return (boxes.top / 2000).numpy().round(2)


@pytest.mark.parametrize("left_out", [0.0, 0.3, 1.0])
def test_boxes_lie_inside(left_out):
    boxes = draw_boxes(left_out, (40, 60), 1000, seeded())
    assert (boxes.left >= 0).all()
    assert (boxes.left + boxes.width <= 60 + 1e-4).all()
    assert (boxes.top >= 0).all()
    assert (boxes.top + boxes.height <= 40 + 1e-4).all()
    assert (boxes.width * boxes.height > 0).all()


def test_boxes_that_leave_out_nothing_are_whole_squares():
    boxes = draw_boxes(1e-9, (64, 64), 100, seeded())
    maps = crop_maps(boxes, (64, 64))
    torch.testing.assert_close(maps, affine.identity_matrices(100), atol=1e-3, rtol=0)


@pytest.mark.parametrize("box", [(0, 0, 96, 96), (10, 20, 60, 70), (5, 40, 48, 36)])
def test_crop_equals_torchvisions_resized_crop_inside(box):
    images = drawn_images() / 255
    left, top, width, height = box
    boxes = Boxes(*torch.tensor(box).float()[:, None].expand(-1, len(images)))
    cropped = affine.warp(images, crop_maps(boxes, (96, 96)))
    theirs = reference.resized_crop(images, top, left, height, width, [96, 96], antialias=False)
    # torchvision repeats the outermost pixels of the box, we see what is next to them.
    rim = math.ceil(96 / min(width, height) / 2)
    inside = (..., slice(rim, -rim), slice(rim, -rim))
    torch.testing.assert_close(cropped[inside], theirs[inside], atol=1e-4, rtol=0)
