"""Tests of RandAugment on batches: every operation against torchvision, and the whole policy."""

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, UnidentifiedImageError
from torch import Generator, Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandAugment
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_affine import smooth_images
from trainables.augment import OPERATIONS, RANGES, AugmentPolicy, augment, rand_augment

CELLS = Path(__file__).parents[2].parent / "shared" / "data" / "pbc" / "train.parquet"

ENDS = [
    (name, strength)
    for name, ends in RANGES.items()
    for strength in sorted({ends.weakest, ends.strongest, -ends.strongest * ends.signed})
]

# In grey levels of 255, 0 for the others. torchvision cuts a uint8 result to whole levels (less
# than 1), and before that the grey of a pixel (0.9 at strength 0.9), or rounds the smoothed image
# (0.45).
TOLERANCES = {
    "Brightness": 1.0,
    "Color": 1.9,
    "Contrast": 1.9,
    "Sharpness": 1.45,
    "AutoContrast": 1.0,
}


def real_images(count: int = 8) -> Tensor:
    """Return blood cells, uint8, [count, 3, 96, 96], or skip the test where there are none."""
    if not CELLS.exists():
        pytest.skip(f"needs real images, and there is no {CELLS}")
    rows = next(pq.ParquetFile(CELLS).iter_batches(batch_size=2 * count, columns=["image"]))
    pictures = [decoded(row["image"]["bytes"]) for row in rows.to_pylist()]
    return torch.stack([picture for picture in pictures if picture is not None][:count])


def decoded(data: bytes) -> Tensor | None:
    """Return an image as uint8, [3, H, W], or None if it cannot be read."""
    try:
        pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    except (UnidentifiedImageError, OSError):
        return None
    return torch.from_numpy(pixels).permute(2, 0, 1)


def drawn_images(count: int = 8) -> Tensor:
    """Return smooth random images, uint8, [count, 3, 40, 48], with all grey levels in them."""
    return (smooth_images(count, 40, 48) * 255).round().to(torch.uint8)


def seeded(seed: int = 0) -> Generator:
    """Return a generator on the CPU."""
    return Generator().manual_seed(seed)


def sheared(images: Tensor, x: float, y: float) -> Tensor:
    """Return what torchvision's RandAugment makes of a shear, bilinear."""
    return reference.affine(
        images,
        angle=0.0,
        translate=[0, 0],
        scale=1.0,
        shear=[math.degrees(math.atan(x)), math.degrees(math.atan(y))],
        interpolation=InterpolationMode.BILINEAR,
        center=[0, 0],
    )


def translated(images: Tensor, x: float, y: float) -> Tensor:
    """Return torchvision's translation by pixels, bilinear."""
    bilinear = InterpolationMode.BILINEAR
    return reference.affine(
        images, angle=0.0, translate=[x, y], scale=1.0, shear=[0.0, 0.0], interpolation=bilinear
    )


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Return torchvision's rotation, bilinear."""
    return reference.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR)


BY_TORCHVISION: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Identity": lambda images, _: images,
    "ShearX": lambda images, strength: sheared(images, strength, 0),
    "ShearY": lambda images, strength: sheared(images, 0, strength),
    "TranslateX": lambda images, strength: translated(images, strength * images.shape[3], 0),
    "TranslateY": lambda images, strength: translated(images, 0, strength * images.shape[2]),
    "Rotate": rotated,
    "Brightness": lambda images, strength: reference.adjust_brightness(images, 1 + strength),
    "Color": lambda images, strength: reference.adjust_saturation(images, 1 + strength),
    "Contrast": lambda images, strength: reference.adjust_contrast(images, 1 + strength),
    "Sharpness": lambda images, strength: reference.adjust_sharpness(images, 1 + strength),
    "Posterize": lambda images, strength: reference.posterize(images, int(strength)),
    "Solarize": lambda images, strength: reference.solarize(images, 255 * strength),
    "AutoContrast": lambda images, _: reference.autocontrast(images),
    "Equalize": lambda images, _: reference.equalize(images),
}

GEOMETRIC = ("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def by_us(name: str, images: Tensor, strength: float) -> Tensor:
    """Return one operation of ours on uint8 images, in grey levels, float32, 0..255."""
    return OPERATIONS[name](images / 255, torch.full((len(images),), float(strength))) * 255


@pytest.mark.parametrize("build", [real_images, drawn_images])
@pytest.mark.parametrize(("name", "strength"), [end for end in ENDS if end[0] not in GEOMETRIC])
def test_color_operation_equals_torchvision_on_bytes(
    name: str, strength: float, build: Callable[[], Tensor]
) -> None:
    images = build()
    difference = by_us(name, images, strength) - BY_TORCHVISION[name](images, strength)
    assert difference.abs().max() <= TOLERANCES.get(name, 0.0) + 1e-3


@pytest.mark.parametrize("build", [real_images, drawn_images])
@pytest.mark.parametrize(("name", "strength"), [end for end in ENDS if end[0] in GEOMETRIC])
def test_geometric_operation_equals_torchvision_inside(
    name: str, strength: float, build: Callable[[], Tensor]
) -> None:
    images = build().float()
    inside = BY_TORCHVISION[name](torch.ones_like(images), strength) == 1
    difference = by_us(name, images, strength) - BY_TORCHVISION[name](images, strength)
    assert inside.float().mean() > 0.4
    assert difference[inside].abs().max() <= 0.05


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_leaves_its_input_alone_and_stays_in_range(name: str) -> None:
    images = smooth_images(6)
    before = images.clone()
    ends = torch.tensor([RANGES[name].weakest, RANGES[name].strongest])
    result = OPERATIONS[name](images, ends.repeat(3))
    assert torch.equal(images, before)
    assert result.shape == images.shape
    assert 0 <= result.min()
    assert result.max() <= 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_with_strengths_per_image_equals_one_by_one(name: str) -> None:
    images = smooth_images(4)
    strengths = torch.linspace(RANGES[name].weakest, RANGES[name].strongest, 4)
    alone = [OPERATIONS[name](images[i : i + 1], strengths[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(OPERATIONS[name](images, strengths), torch.cat(alone))


def test_equalize_and_autocontrast_leave_constant_images() -> None:
    images = torch.full((2, 3, 20, 20), 51 / 255)
    for name in ("Equalize", "AutoContrast"):
        torch.testing.assert_close(OPERATIONS[name](images, torch.zeros(2)), images)


@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_ranges_equal_torchvisions_table(magnitude: int) -> None:
    table = RandAugment._AUGMENTATION_SPACE
    assert list(RANGES) == list(table)
    for name, (magnitudes, signed) in table.items():
        assert RANGES[name].signed == signed
        if (expected := magnitudes(31, 1, 1)) is not None:
            ours = RANGES[name].at(magnitude)
            ours = round(ours) if name == "Posterize" else ours
            assert ours == pytest.approx(float(expected[magnitude]), abs=1e-6)


def test_augment_with_the_same_seed_gives_the_same_images() -> None:
    images, policy = smooth_images(16), AugmentPolicy(ops=2, magnitude=9, flips=True)
    assert torch.equal(augment(images, policy, seeded(3)), augment(images, policy, seeded(3)))
    assert not torch.equal(augment(images, policy, seeded(3)), augment(images, policy, seeded(4)))


def test_augment_without_operations_and_flips_is_identity() -> None:
    images = smooth_images()
    policy = AugmentPolicy(ops=0, magnitude=30, flips=False)
    assert torch.equal(augment(images, policy, seeded()), images)


def test_augment_with_flips_alone_mirrors_each_image_in_one_of_four_ways() -> None:
    # 64 images miss one of the four ways with odds of 4 * (3/4)^64 = 4e-8, and the seed is fixed.
    images = smooth_images(1).expand(64, -1, -1, -1)
    policy = AugmentPolicy(ops=0, magnitude=0, flips=True)
    flipped = augment(images, policy, seeded())
    ways = [images[0].flip(axes) for axes in ((), (1,), (2,), (1, 2))]
    close = torch.stack([(flipped - way).abs().amax((1, 2, 3)) < 1e-4 for way in ways])
    assert close.sum(dim=0).eq(1).all()
    assert close.any(dim=1).all()


def test_augment_draws_for_every_image_on_its_own() -> None:
    # Few draw the same two operations, signs and flips; the seed is fixed.
    images = smooth_images(1).expand(64, -1, -1, -1)
    varied = augment(images, AugmentPolicy(ops=2, magnitude=9, flips=True), seeded())
    assert len(varied.flatten(1).unique(dim=0)) > 32


def test_augment_of_one_image_does_not_depend_on_the_others() -> None:
    images, policy = smooth_images(16), AugmentPolicy(ops=3, magnitude=20, flips=True)
    others = images.clone()
    others[:5], others[6:] = 0.5, 0.25
    kept = augment(images, policy, seeded())[5]
    torch.testing.assert_close(augment(others, policy, seeded())[5], kept)


def test_augment_by_one_operation_equals_that_operation() -> None:
    images = smooth_images(64)
    varied = rand_augment(images, ops=1, magnitude=30, generator=seeded())
    candidates = torch.stack(
        [
            OPERATIONS[name](images, torch.full((64,), sign * ends.strongest))
            for name, ends in RANGES.items()
            for sign in ((1, -1) if ends.signed else (1,))
        ]
    )
    nearest = (candidates - varied).abs().amax(dim=(2, 3, 4)).amin(dim=0)
    assert nearest.max() < 1e-4


def test_augment_resamples_once_however_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    sample = torch.nn.functional.grid_sample

    def counted(*arguments: Tensor, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
        calls.append(len(arguments[0]))
        return sample(*arguments, mode=mode, padding_mode=padding_mode, align_corners=align_corners)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", counted)
    augment(smooth_images(8), AugmentPolicy(ops=5, magnitude=9, flips=True), seeded())
    assert calls == [8]


@pytest.mark.parametrize("magnitude", [0, 14.5, 30])
def test_augment_keeps_format_range_and_input(magnitude: float) -> None:
    images = smooth_images(32)
    last = images.contiguous(memory_format=torch.channels_last)
    policy = AugmentPolicy(ops=3, magnitude=magnitude, flips=True)
    from_last, from_first = augment(last, policy, seeded()), augment(images, policy, seeded())
    assert from_last.is_contiguous(memory_format=torch.channels_last)
    assert from_first.is_contiguous()
    torch.testing.assert_close(from_last, from_first, atol=1e-5, rtol=0)
    assert torch.equal(images, smooth_images(32))
    assert 0 <= from_first.min()
    assert from_first.max() <= 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ops": -1}, ValueError, r"ops is -1, but must be at least 0; try"),
        ({"ops": 1.5}, TypeError, r"ops is 1.5, but must be a whole number; try"),
        ({"ops": True}, TypeError, r"ops is True, but must be a whole number; try"),
        ({"magnitude": 31}, ValueError, r"magnitude is 31, but must be in 0..30; try magnitude=30"),
        ({"magnitude": -0.5}, ValueError, r"magnitude is -0.5, but .* try magnitude=0"),
        ({"magnitude": math.nan}, ValueError, r"magnitude is nan, but must be in 0..30; try"),
        ({"magnitude": "9"}, TypeError, r"magnitude is '9', but must be a number; try"),
        ({"flips": 1}, TypeError, r"flips is 1, but must be a bool; try"),
    ],
)
def test_policy_with_a_wrong_field_names_field_value_rule_and_remedy(
    change: dict[str, object], error: type[Exception], message: str
) -> None:
    fields: dict[str, object] = {"ops": 2, "magnitude": 9.0, "flips": True}
    with pytest.raises(error, match=message):
        AugmentPolicy(**(fields | change))  # type: ignore[arg-type] # the point of the test
