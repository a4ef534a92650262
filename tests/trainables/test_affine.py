"""Tests of the affine maps: against scipy, Pillow and torchvision."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from trainables import affine


def smooth_images(count: int = 4, height: int = 24, width: int = 30, seed: int = 0) -> Tensor:
    """Return smooth random images, float32, [count, 3, height, width], 0..1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 6, generator=generator)
    size = (height, width)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=True)


def random_matrices(count: int = 4, seed: int = 0) -> Tensor:
    """Return one combination of every kind of map for each image."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    return (
        affine.translation(draw(-9, 9), draw(-9, 9))
        @ affine.rotation(draw(-80, 80))
        @ affine.shear(draw(-0.4, 0.4), draw(-0.4, 0.4))
        @ affine.scaling(draw(0.6, 1.7), draw(0.6, 1.7))
    )


def sampled_by_scipy(images: Tensor, matrices: Tensor, mode: str) -> np.ndarray:
    """Return what scipy reads at the places that the maps point to, in float64."""
    _, _, height, width = images.shape
    rows, columns = np.mgrid[:height, :width].astype(float)
    points = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2, np.ones_like(rows)])
    result = np.empty(images.shape)
    for i, matrix in enumerate(matrices.double().numpy()):
        x, y, _ = np.tensordot(matrix, points, axes=1)
        places = [y + (height - 1) / 2, x + (width - 1) / 2]
        for c in range(3):
            pixels = images[i, c].double().numpy()
            result[i, c] = ndimage.map_coordinates(pixels, places, order=1, mode=mode)
    return result


@pytest.mark.parametrize(
    ("padding", "mode"),
    [("reflection", "reflect"), ("border", "nearest"), ("zeros", "grid-constant")],
)
def test_warp_of_any_map_equals_scipy(padding: affine.Padding, mode: str) -> None:
    images, matrices = smooth_images(), random_matrices()
    warped = affine.warp(images, matrices, padding=padding)
    np.testing.assert_allclose(warped.numpy(), sampled_by_scipy(images, matrices, mode), atol=2e-5)


def test_warp_by_product_equals_the_maps_in_order() -> None:
    images = smooth_images()
    right = affine.translation(torch.full((4,), 3.0), torch.zeros(4))
    mirrored = affine.flips(torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool))
    one_by_one = affine.warp(affine.warp(images, right), mirrored)
    torch.testing.assert_close(affine.warp(images, right @ mirrored), one_by_one)


def test_flips_equal_torch_flip_image_by_image() -> None:
    images = smooth_images()
    horizontal = torch.tensor([False, True, False, True])
    vertical = torch.tensor([False, False, True, True])
    flipped = affine.warp(images, affine.flips(horizontal, vertical))
    expected = [images[0], images[1].flip(2), images[2].flip(1), images[3].flip(1, 2)]
    torch.testing.assert_close(flipped, torch.stack(expected), atol=2e-5, rtol=0)


def test_translation_moves_content_right_and_down() -> None:
    images = smooth_images()
    moved = affine.warp(images, affine.translation(torch.full((4,), 5.0), torch.full((4,), 2.0)))
    torch.testing.assert_close(moved[:, :, 2:, 5:], images[:, :, :-2, :-5], atol=2e-5, rtol=0)


@pytest.mark.parametrize("degrees", [-90, 90, 180])
def test_rotation_by_right_angles_equals_pillow(degrees: int) -> None:
    images = smooth_images(count=1, height=24, width=24)
    turned = affine.warp(images, affine.rotation(torch.tensor([float(degrees)])))
    for channel, pixels in zip(turned[0], images[0], strict=True):
        expected = np.asarray(Image.fromarray(pixels.numpy()).rotate(degrees))
        np.testing.assert_allclose(channel.numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.3])
def test_scaling_equals_torchvision_inside(scale: float) -> None:
    images = smooth_images()
    ours = affine.warp(images, affine.scaling(torch.full((4,), scale), torch.full((4,), scale)))
    expected = scaled_by_torchvision(images, scale)
    inside = scaled_by_torchvision(torch.ones_like(images), scale) == 1
    torch.testing.assert_close(ours[inside], expected[inside], atol=2e-5, rtol=0)


def scaled_by_torchvision(images: Tensor, scale: float) -> Tensor:
    """Return torchvision's bilinear affine resampling with a scale alone."""
    nothing = {"angle": 0.0, "translate": [0.0, 0.0], "shear": [0.0, 0.0]}
    how = InterpolationMode.BILINEAR
    return reference.affine(images, **nothing, scale=scale, interpolation=how)


def test_warp_needs_two_rows_treats_every_image_alone_and_leaves_its_inputs_alone() -> None:
    images, matrices = smooth_images(), random_matrices()
    before = images.clone(), matrices.clone()
    warped = affine.warp(images, matrices)
    assert torch.equal(affine.warp(images, matrices[:, :2]), warped)
    torch.testing.assert_close(warped[2:3], affine.warp(images[2:3], matrices[2:3]))
    assert torch.equal(images, before[0])
    assert torch.equal(matrices, before[1])
    assert 0 <= warped.min() <= warped.max() <= 1


def test_warp_keeps_channels_last_and_the_result() -> None:
    images, matrices = smooth_images(), random_matrices()
    last = affine.warp(images.contiguous(memory_format=torch.channels_last), matrices)
    assert last.is_contiguous(memory_format=torch.channels_last)
    contiguous = affine.warp(images, matrices)
    assert contiguous.is_contiguous()
    torch.testing.assert_close(last, contiguous)


def test_check_images_refuses_bytes_and_channels_in_the_wrong_place() -> None:
    with pytest.raises(TypeError, match=r"images has dtype torch.uint8, but must be .*try images"):
        affine.check_images(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"images has shape \(1, 4, 4, 3\), but must be \[B, 3"):
        affine.check_images(torch.zeros(1, 4, 4, 3))
