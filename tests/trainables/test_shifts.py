"""Tests of the named corruptions: each against a reference, and all against one contract."""

import colorsys
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Generator, Tensor

from tests.trainables.test_affine import smooth_images
from tests.trainables.test_augment import real_images
from trainables.augment import OPERATIONS
from trainables.shifts import SHIFTS, apply_shift, shift_names


def seeded(seed: int = 0) -> Generator:
    """Return a generator on the CPU."""
    return Generator().manual_seed(seed)


def strength_of(name: str, severity: int) -> float:
    """Return the strength of a severity in 1..5."""
    return SHIFTS[name].strengths[severity - 1]


def test_families_are_disjoint_and_together_all() -> None:
    selection, heldout = shift_names("selection"), shift_names("heldout")
    assert not set(selection) & set(heldout)
    assert set(selection + heldout) == set(SHIFTS) == set(shift_names())
    assert {"pixelate", "hue", "stain_deposit"} <= set(heldout)
    assert {"brightness", "defocus", "zoom", "cutout"} <= set(selection)
    augmentations = {name.lower() for name in OPERATIONS}
    assert not augmentations & {name.replace("_", "") for name in heldout}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("severity", [1, 5])
def test_shift_keeps_range_shape_format_and_input(name: str, severity: int) -> None:
    images = smooth_images(8, 40, 40)
    last = images.contiguous(memory_format=torch.channels_last)
    shifted = apply_shift(images, name, severity, seeded())
    from_last = apply_shift(last, name, severity, seeded())
    assert torch.equal(images, smooth_images(8, 40, 40))
    assert shifted.shape == images.shape
    assert shifted.dtype == torch.float32
    assert 0 <= shifted.min() <= shifted.max() <= 1
    assert from_last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(from_last, shifted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_that_was_pickled_gives_the_same_images_for_the_same_seed(name: str) -> None:
    images, severity = smooth_images(8), torch.full((8,), 3)
    once = pickle.loads(pickle.dumps(SHIFTS[name])).apply(images, severity, seeded(1))
    assert torch.equal(once, apply_shift(images, name, 3, seeded(1)))


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_with_severities_per_image_equals_one_severity_at_a_time(name: str) -> None:
    images, severities = smooth_images(10, 40, 40), torch.arange(10) % 5 + 1
    mixed = apply_shift(images, name, severities, seeded())
    for severity in range(1, 6):
        chosen = severities == severity
        alike = apply_shift(images, name, severity, seeded())
        torch.testing.assert_close(mixed[chosen], alike[chosen], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_of_one_image_does_not_depend_on_the_others(name: str) -> None:
    images = smooth_images(8, 40, 40)
    others = images.clone()
    others[:5], others[6:] = 0.5, 0.25
    kept = apply_shift(images, name, 4, seeded())[5]
    changed = apply_shift(others, name, 4, seeded())[5]
    torch.testing.assert_close(changed, kept, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_has_five_strengths_and_moves_real_images_further_with_each(name: str) -> None:
    steps = np.diff(SHIFTS[name].strengths)
    assert len(steps) == 4
    assert (steps > 0).all() or (steps < 0).all()
    images = real_images(16) / 255
    moved = [(apply_shift(images, name, s, seeded()) - images).abs().mean() for s in (1, 3, 5)]
    # Not step by step: a cell turned out of the frame differs no more when it is turned further.
    assert 0 < moved[0] < moved[1] < moved[2]


def test_brightness_multiplies_each_image_by_one_of_two_factors() -> None:
    images, strength = smooth_images(32), strength_of("brightness", 5)
    shifted = apply_shift(images, "brightness", 5, seeded())
    darker = (shifted - images * (1 - strength)).abs().amax((1, 2, 3)) < 1e-5
    lighter = (shifted - (images * (1 + strength)).clamp(max=1)).abs().amax((1, 2, 3)) < 1e-5
    # All 32 signs alike: odds 5e-10, and the seed is fixed.
    assert darker.any()
    assert lighter.any()
    assert (darker | lighter).all()


def test_zoom_enlarges_or_shrinks_as_pillow_does_inside_the_frame() -> None:
    images, factor = smooth_images(16, 48, 48), 1 + strength_of("zoom", 4)
    shifted = apply_shift(images, "zoom", 4, seeded())
    for image, result in zip(images, shifted, strict=True):
        errors = [zoom_error(image, result, one) for one in (factor, 1 / factor)]
        assert min(errors) < 1e-3


def zoom_error(image: Tensor, result: Tensor, factor: float) -> float:
    """Return the largest difference from Pillow's zoom about the centre, where both are filled."""
    start = 24 - 24 / factor
    matrix = (1 / factor, 0, start, 0, 1 / factor, start)
    reach = int(24 * min(1, factor)) - 2
    inside = slice(24 - reach, 24 + reach)
    how = (Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    zoomed = [Image.fromarray(channel.numpy()).transform((48, 48), *how) for channel in image]
    return float(np.abs(np.stack(zoomed) - result.numpy())[:, inside, inside].max())


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_cutout_greys_out_one_square_of_the_stated_area(severity: int) -> None:
    images = smooth_images(16, 60, 60) * 0.4
    shifted = apply_shift(images, "cutout", severity, seeded())
    side = 60 * strength_of("cutout", severity) ** 0.5
    for image, result in zip(images, shifted, strict=True):
        rows, columns = np.nonzero((result == 0.5).all(dim=0).numpy())
        # A pixel belongs to the square if its centre does, so a side is right to one pixel.
        assert abs(np.ptp(rows) + 1 - side) <= 1
        assert abs(np.ptp(columns) + 1 - side) <= 1
        kept = torch.ones(60, 60, dtype=torch.bool)
        kept[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
        assert torch.equal(result[:, kept], image[:, kept])


def test_defocus_equals_scipy_with_a_disc() -> None:
    images, radius = smooth_images(2, 48, 48), strength_of("defocus", 5) * 48
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    kernel = (disc / disc.sum())[None, None]
    expected = ndimage.convolve(images.double().numpy(), kernel, mode="mirror")
    shifted = apply_shift(images, "defocus", 5, seeded())
    np.testing.assert_allclose(shifted.numpy(), expected, atol=2e-6)


def test_pixelate_equals_pillow_box_down_and_nearest_up() -> None:
    blocks = int(strength_of("pixelate", 5))
    images = smooth_images(2, 8 * blocks, 5 * blocks)
    shifted = apply_shift(images, "pixelate", 5, seeded())
    for channel, pixels in zip(shifted.flatten(0, 1), images.flatten(0, 1), strict=True):
        picture = Image.fromarray(pixels.numpy())
        small = picture.resize((blocks, blocks), Image.Resampling.BOX)
        expected = small.resize(picture.size, Image.Resampling.NEAREST)
        np.testing.assert_allclose(channel.numpy(), np.asarray(expected), atol=1e-6)


def test_hue_equals_colorsys_in_float64() -> None:
    images, turn = smooth_images(6, 6, 6), strength_of("hue", 5)
    images[0, :, 0, 0] = torch.tensor([0.4, 0.4, 0.4])
    images[0, :, 0, 1] = torch.tensor([0.0, 0.0, 0.0])
    shifted = apply_shift(images, "hue", 5, seeded()).double()
    for image, result in zip(images.double(), shifted, strict=True):
        errors = [(turned_by_colorsys(image, sign * turn) - result).abs().max() for sign in (-1, 1)]
        assert min(errors) < 1e-5


def turned_by_colorsys(image: Tensor, turn: float) -> Tensor:
    """Return an image [3, H, W] with its hue turned pixel by pixel."""
    pixels = []
    for pixel in image.flatten(1).T.tolist():
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        pixels.append(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
    return torch.tensor(pixels, dtype=torch.float64).T.reshape(image.shape)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_stain_deposit_covers_its_share_with_dark_purple(severity: int) -> None:
    white = torch.ones(16, 3, 64, 64)
    shifted = apply_shift(white, "stain_deposit", severity, seeded())
    covered = shifted[:, 1] < 0.5
    share, expected = covered.float().mean(dim=(1, 2)), strength_of("stain_deposit", severity)
    torch.testing.assert_close(share, torch.full((16,), expected), atol=0.03, rtol=0)
    red, green, blue = shifted.permute(1, 0, 2, 3)[:, covered].mean(dim=1).tolist()
    assert green < red < blue < 0.6


def test_stain_deposit_blobs_are_irregular_and_differ_between_images() -> None:
    shifted = apply_shift(torch.ones(8, 3, 64, 64), "stain_deposit", 3, seeded())
    masks = (shifted[:, 1] < 0.5).flatten(1)
    assert len(masks.unique(dim=0)) == 8
    # One round blob with a fifth of the area has an outline of 2 * sqrt(pi * 0.2) = 1.6 sides.
    grid = masks.view(8, 64, 64)
    down, right = grid[:, 1:] ^ grid[:, :-1], grid[:, :, 1:] ^ grid[:, :, :-1]
    outline = down.sum((1, 2)) + right.sum((1, 2))
    assert (outline / 64).float().mean() > 3


@pytest.mark.parametrize(
    ("severity", "error", "message"),
    [
        (0, ValueError, r"severity is 0, but must be in 1..5; try 1"),
        (6, ValueError, r"severity is 6, but must be in 1..5; try 5"),
        (torch.tensor([1, 2, 3, 9]), ValueError, r"must be in 1..5; try \[1, 2, 3, 5\]"),
        (torch.tensor([1, 2]), ValueError, r"severity has shape \(2,\), but must be .* \(4,\)"),
        (torch.tensor([1.0, 2, 3, 4]), TypeError, r"severity is .* must be whole numbers; try"),
        (True, TypeError, r"severity is True, but must be whole numbers; try"),
    ],
)
def test_apply_shift_with_a_wrong_severity_names_value_rule_and_remedy(
    severity: int | Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        apply_shift(smooth_images(4), "hue", severity, seeded())


def test_unknown_shift_or_family_is_refused_with_the_nearest_or_all() -> None:
    with pytest.raises(ValueError, match=r"'pixelated', but must be one of .*; try 'pixelate'"):
        apply_shift(smooth_images(), "pixelated", 3, seeded())
    with pytest.raises(ValueError, match=r"family is 'test', but must be one of selection, held"):
        shift_names("test")  # type: ignore[arg-type] # the point of the test
