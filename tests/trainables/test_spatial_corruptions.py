"""Tests of the corruptions that move or mix pixels: both ends of each against a reference."""

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from tests.trainables.test_color_corruptions import (
    both_ends,
    distances,
    pictures,
    seeded,
    strength_of,
)
from trainables.shifts import apply_shift

Array = NDArray[np.float64]


def per_plane(images: Tensor, change: Callable[..., Array], *arguments: Array) -> Tensor:
    """Return images after `change` of each plane in float64, with its image's own arguments."""
    rows = zip(images.double().numpy(), *arguments, strict=True)
    changed = [[change(plane, *own) for plane in image] for image, *own in rows]
    return torch.from_numpy(np.array(changed))


@pictures
@both_ends
def test_rotation_equals_scipy_with_black_corners(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, degrees = pictures(), strength_of("rotation", severity)

    def turned(plane: Array, angle: float) -> Array:
        return ndimage.rotate(plane, angle, reshape=False, order=1, mode="grid-constant")

    ways = [per_plane(images, turned, np.full(len(images), way * degrees)) for way in (-1, 1)]
    errors = distances(apply_shift(images, "rotation", severity, seeded()), ways)
    assert errors.amin(dim=0).max() < 1e-4
    assert len(errors.argmin(dim=0).unique()) == 2


@pictures
@both_ends
def test_translation_equals_scipy_with_repeated_borders(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, part = pictures(), strength_of("translation", severity)
    angle = 2 * math.pi * torch.rand(len(images), generator=seeded()).double()
    steps = part * images.shape[3] * torch.stack([angle.sin(), angle.cos()], dim=1).numpy()
    expected = per_plane(
        images, lambda plane, step: ndimage.shift(plane, step, order=1, mode="nearest"), steps
    )
    shifted = apply_shift(images, "translation", severity, seeded()).double()
    torch.testing.assert_close(shifted, expected, atol=1e-4, rtol=0)


@pictures
@both_ends
def test_zoom_equals_scipy_one_way_or_the_other(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images, factor = pictures(), 1 + strength_of("zoom", severity)
    middle = (images.shape[3] - 1) / 2

    def scaled(plane: Array, scale: float) -> Array:
        start = middle - middle * scale
        return ndimage.affine_transform(plane, [scale, scale], start, order=1, mode="nearest")

    ways = [per_plane(images, scaled, np.full(len(images), x)) for x in (factor, 1 / factor)]
    errors = distances(apply_shift(images, "zoom", severity, seeded()), ways)
    assert errors.amin(dim=0).max() < 1e-4
    assert len(errors.argmin(dim=0).unique()) == 2


@pictures
@both_ends
def test_defocus_equals_scipy_with_a_disc(pictures: Callable[[], Tensor], severity: int) -> None:
    images = pictures()
    radius = strength_of("defocus", severity) * images.shape[3]
    disc = np.clip(radius + 0.5 - np.hypot(*steps_within(radius)), 0, 1)
    expected = ndimage.convolve(
        images.double().numpy(), (disc / disc.sum())[None, None], mode="mirror"
    )
    shifted = apply_shift(images, "defocus", severity, seeded())
    np.testing.assert_allclose(shifted.numpy(), expected, atol=5e-6)


@pictures
@both_ends
def test_motion_blur_equals_scipy_with_a_line(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    images = pictures()
    half = strength_of("motion_blur", severity) * images.shape[3] / 2
    angles = (math.pi * torch.rand(len(images), generator=seeded())).double().numpy()

    def smeared(plane: Array, angle: float) -> Array:
        line = line_kernel(half, angle)
        return ndimage.convolve(plane, line, mode="mirror")

    expected = per_plane(images, smeared, angles)
    shifted = apply_shift(images, "motion_blur", severity, seeded()).double()
    torch.testing.assert_close(shifted, expected, atol=2e-5, rtol=0)


def steps_within(reach: float) -> Array:
    """Return whole steps down and right, [2, K, K], up to `reach`."""
    limit = math.ceil(reach)
    return np.mgrid[-limit : limit + 1, -limit : limit + 1].astype(float)


def line_kernel(half: float, angle: float) -> Array:
    """Return weights that fall with the distance from the nearest point of a line, sum 1."""
    down, right = steps_within(half)
    along = np.clip(right * np.cos(angle) + down * np.sin(angle), -half, half)
    away = np.hypot(right - along * np.cos(angle), down - along * np.sin(angle))
    weights = np.clip(1 - away, 0, None)
    return weights / weights.sum()


@both_ends
def test_motion_blur_of_a_point_is_a_line_of_the_stated_length(severity: int) -> None:
    points, length = torch.zeros(8, 3, 65, 65), 65 * strength_of("motion_blur", severity)
    points[:, :, 32, 32] = 1
    smear = apply_shift(points, "motion_blur", severity, seeded())[:, 0]
    reach = torch.hypot(*torch.meshgrid(*2 * [torch.arange(65.0) - 32], indexing="ij"))
    variance = (smear * reach**2).sum((1, 2))
    # That of an even line, which fades out by half a pixel at its ends, and 1/6 across.
    assert (variance - (length + 1) ** 2 / 12 - 1 / 6).abs().max() < 0.05 * (length + 1)


@pictures
@both_ends
def test_pixelate_equals_pillow_box_down_and_nearest_up(
    pictures: Callable[[], Tensor], severity: int
) -> None:
    blocks = int(strength_of("pixelate", severity))
    images = pictures()[:4, :, : 64 // blocks * blocks, : 32 // blocks * blocks or blocks]
    shifted = apply_shift(images, "pixelate", severity, seeded())
    for channel, plane in zip(shifted.flatten(0, 1), images.flatten(0, 1), strict=True):
        picture = Image.fromarray(plane.numpy())
        small = picture.resize((blocks, blocks), Image.Resampling.BOX)
        expected = small.resize(picture.size, Image.Resampling.NEAREST)
        np.testing.assert_allclose(channel.numpy(), np.asarray(expected), atol=1e-6)


@pictures
@both_ends
def test_jpeg_equals_pillow(pictures: Callable[[], Tensor], severity: int) -> None:
    images, quality = pictures(), int(strength_of("jpeg", severity))
    shifted = apply_shift(images, "jpeg", severity, seeded())
    difference = (shifted - torch.stack([by_pillow(image, quality) for image in images])).abs()
    # Two builds of libjpeg: a level of 255 where they round differently.
    assert difference.max() <= 1.01 / 255


def by_pillow(image: Tensor, quality: int) -> Tensor:
    """Return an image, float32, [3, H, W], 0..1, after Pillow wrote and read it as JPEG."""
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1) / 255
