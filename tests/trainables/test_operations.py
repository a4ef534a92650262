"""Tests of RandAugment's and TrivialAugment's operations: each against torchvision, on cells."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, UnidentifiedImageError
from torch import Generator, Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandAugment, TrivialAugmentWide
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_affine import smooth_images
from trainables.cells import clean_lab, draw_cells
from trainables.operations import (
    CODES,
    OPERATIONS,
    RANGES,
    Rounds,
    apply_colors,
    draw_operations,
    trivial_ranges,
)

CELLS = Path(__file__).parents[2].parent / "shared" / "data" / "pbc" / "train.parquet"
GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
BILINEAR = InterpolationMode.BILINEAR
TABLES = {
    "RandAugment": (RANGES, RandAugment),
    "TrivialAugment": (trivial_ranges(96, 96), TrivialAugmentWide),
}
# Ends and middle of both ranges of every operation, with both signs.
CASES = sorted(
    {
        (name, sign * ends[name].at(magnitude))
        for ends, _ in TABLES.values()
        for name in ends
        for magnitude in (0, 15, 30)
        for sign in ((1, -1) if ends[name].signed else (1,))
    }
)
# In grey levels of 255. torchvision cuts a uint8 result to whole levels (less than 1), and before
# that the grey of a pixel, or rounds the smoothed image (half a level), which the strength weighs.
LEVELS = {"Brightness": (1, 0), "Color": (1, 1), "Contrast": (1, 1), "Sharpness": (1, 0.5)}
LEVELS["AutoContrast"] = (1, 0)


@cache
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


@cache
def drawn_images() -> Tensor:
    """Return one drawn cell of each class, uint8, [8, 3, 96, 96]."""
    rng = np.random.default_rng(0)
    pixels = draw_cells(np.arange(8), size=96, rng=rng, domain=clean_lab())
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def seeded(seed: int = 0) -> Generator:
    """Return a generator on the CPU."""
    return Generator().manual_seed(seed)


def by_us(name: str, images: Tensor, strength: float) -> Tensor:
    """Return one operation of ours on grey levels 0..255, float32."""
    return OPERATIONS[name](images / 255, torch.full((len(images),), float(strength))) * 255


def by_torchvision(name: str, images: Tensor, strength: float) -> Tensor:
    """Return what torchvision makes of an operation; moved by parts of a pixel where we do."""
    if name.startswith("Translate"):
        pixels = 96 * strength
        move = [pixels, 0.0] if name == "TranslateX" else [0.0, pixels]
        return reference.affine(
            images, angle=0.0, translate=move, scale=1.0, shear=[0.0, 0.0], interpolation=BILINEAR
        )
    apply = RandAugment(interpolation=BILINEAR)._apply_image_or_video_transform
    return apply(images, name, strength, BILINEAR, {Tensor: None, "others": None})


@pytest.mark.parametrize("build", [real_images, drawn_images])
@pytest.mark.parametrize(("name", "strength"), [case for case in CASES if case[0] not in GEOMETRIC])
def test_color_operation_equals_torchvision_on_bytes(name, strength, build):
    images = build()
    whole, weighed = LEVELS.get(name, (0, 0))
    difference = by_us(name, images, strength) - by_torchvision(name, images, strength)
    assert difference.abs().max() <= whole + weighed * abs(strength) + 1e-3


@pytest.mark.parametrize("build", [real_images, drawn_images])
@pytest.mark.parametrize(("name", "strength"), [case for case in CASES if case[0] in GEOMETRIC])
def test_geometric_operation_equals_torchvision_inside(name, strength, build):
    images = build().float()
    inside = by_torchvision(name, torch.ones_like(images), strength) == 1
    difference = by_us(name, images, strength) - by_torchvision(name, images, strength)
    assert inside.float().mean() > 0.4
    assert difference[inside].abs().max() <= 0.05


@pytest.mark.parametrize("table", TABLES)
def test_ranges_equal_torchvisions_table(table):
    ours, theirs = TABLES[table]
    assert list(ours) == list(theirs._AUGMENTATION_SPACE)
    for name, (magnitudes, signed) in theirs._AUGMENTATION_SPACE.items():
        assert ours[name].signed == signed
        for magnitude in (0, 9, 30):
            if (expected := magnitudes(31, 96, 96)) is not None:
                unit = 96 if name.startswith("Translate") else 1
                strength = ours[name].at(magnitude) * unit
                strength = round(strength) if name == "Posterize" else strength
                assert strength == pytest.approx(float(expected[magnitude]), abs=1e-5)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_leaves_its_input_alone_and_treats_each_image_alone(name):
    images = smooth_images(4)
    ends = RANGES.get(name)
    strengths = torch.linspace(ends.weakest, ends.strongest, 4) if ends else torch.arange(4.0)
    result = OPERATIONS[name](images, strengths)
    alone = [OPERATIONS[name](images[i : i + 1], strengths[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(result, torch.cat(alone))
    assert torch.equal(images, smooth_images(4))
    assert 0 <= result.min() <= result.max() <= 1


@pytest.mark.parametrize("name", ["Equalize", "AutoContrast"])
def test_spreading_of_levels_leaves_constant_images(name):
    images = torch.full((2, 3, 20, 20), 51 / 255)
    torch.testing.assert_close(OPERATIONS[name](images, torch.zeros(2)), images)


def test_colors_of_two_rounds_equal_the_operations_in_order():
    images = smooth_images(4)
    names = [
        ["Contrast", "Equalize", "Rotate", "Channels"],
        ["Color", "Color", "Solarize", "Color"],
    ]
    codes = torch.tensor([[CODES[name] for name in row] for row in names])
    strengths = torch.tensor([[0.5, 0, 20, 3], [-0.5, 0.3, 0.6, 0.1]])
    expected = images.clone()
    for row, values in zip(names, strengths, strict=True):
        for i, name in enumerate(row):
            if name not in GEOMETRIC:
                expected[i] = OPERATIONS[name](expected[i : i + 1], values[i : i + 1])[0]
    colored = apply_colors(
        images, [Rounds(codes[:1], strengths[:1]), Rounds(codes[1:], strengths[1:])]
    )
    torch.testing.assert_close(colored, expected)


def test_strengths_out_of_reach_of_the_ranges_are_never_drawn():
    rounds = draw_operations(RANGES, 30 * torch.rand(2, 2000, generator=seeded()), seeded())
    for name, ends in RANGES.items():
        chosen = rounds.strengths[rounds.codes == CODES[name]]
        low, high = sorted((ends.weakest, ends.strongest))
        assert (-high if ends.signed else low) - 1e-6 <= chosen.min() <= chosen.max() <= high + 1e-6
        assert not ends.signed or 0.3 < (chosen > 0).float().mean() < 0.7
