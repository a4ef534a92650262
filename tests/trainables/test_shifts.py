"""Tests of the named shifts: every one against the same contract."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainables.test_affine import smooth_images
from tests.trainables.test_color_corruptions import drawn_cells, pictures, seeded
from trainables.operations import OPERATIONS
from trainables.shifts import SHIFTS, apply_shift, shift_names

SELECTION = (
    *("defocus", "brightness", "contrast", "saturation", "noise", "rotation", "translation"),
    *("zoom", "channel_order", "posterize", "solarize", "cutout"),
)
HELDOUT = ("pixelate", "jpeg", "motion_blur", "stain_deposit", "bubble", "hue")


def test_families_are_disjoint_and_complete() -> None:
    assert shift_names("selection") == SELECTION
    assert shift_names("heldout") == HELDOUT
    assert shift_names() == tuple(SHIFTS) == SELECTION + HELDOUT
    assert not set(SELECTION) & set(HELDOUT)


def test_no_augmentation_is_named_like_a_heldout_shift() -> None:
    names = {name.lower() for name in OPERATIONS}
    assert not names & {name.replace("_", "") for name in shift_names("heldout")}


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_strengths_are_five_and_monotone(name: str) -> None:
    steps = np.diff(SHIFTS[name].strengths)
    assert len(steps) == 4
    assert (steps > 0).all() or (steps < 0).all()


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
def test_shift_with_the_same_seed_gives_the_same_images(name: str) -> None:
    images = smooth_images(8)
    first = apply_shift(images, name, 3, seeded(1))
    assert torch.equal(first, apply_shift(images, name, 3, seeded(1)))


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
def test_shift_draws_the_same_whatever_the_severity(name: str) -> None:
    states = []
    for severity in range(1, 6):
        generator = seeded(1)
        apply_shift(smooth_images(8), name, severity, generator)
        states.append(generator.get_state())
    assert all(torch.equal(state, states[0]) for state in states)


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_of_a_single_image_changes_it_and_keeps_its_format(name: str) -> None:
    image = drawn_cells(1).contiguous(memory_format=torch.channels_last)
    shifted = apply_shift(image, name, 5, seeded())
    assert shifted.shape == image.shape
    assert shifted.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(shifted, image)


@pictures
@pytest.mark.parametrize("name", SHIFTS)
def test_shift_of_cells_moves_them_further_with_every_severity(
    pictures: Callable[[], Tensor], name: str
) -> None:
    images = pictures()
    moved = [(apply_shift(images, name, s, seeded()) - images).abs().mean() for s in range(1, 6)]
    assert 0 < moved[0] < moved[1] < moved[2] < moved[3] < moved[4]


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_pickles(name: str) -> None:
    copy = pickle.loads(pickle.dumps(SHIFTS[name]))
    severity = torch.full((4,), 2)
    images = smooth_images()
    assert torch.equal(
        copy.apply(images, severity, seeded()), SHIFTS[name].apply(images, severity, seeded())
    )


def test_apply_shift_of_an_unknown_name_offers_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match=r"'pixelated', but must be one of .*; try 'pixelate'"):
        apply_shift(smooth_images(), "pixelated", 3, seeded())


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


def test_shift_names_of_an_unknown_family_lists_the_families() -> None:
    with pytest.raises(
        ValueError, match=r"family is 'test', but must be one of selection, heldout"
    ):
        shift_names("test")  # type: ignore[arg-type] # the point of the test
