"""Named corruptions of image batches, in five severities, to measure how a model holds up.

Two families that share nothing: `selection` steers the search, `heldout` is only ever used to
evaluate what the search chose. A shift is one function of images, strengths and a generator, and
one line in `SHIFTS` with its five strengths. These are calibrated on PBC at 64 pixels against a
small residual CNN trained without augmentation: severity 3 costs it 10 to 30 points of balanced
accuracy, severity 5 costs 25 to 60. `benchmarks/shifts.py` measures this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from trainables import affine
from trainables.camera import add_noise
from trainables.color_corruptions import (
    change_brightness,
    change_contrast,
    change_saturation,
    mix_channels,
    posterize,
    solarize,
    turn_hue,
)
from trainables.occlusion import cover_square
from trainables.slide_artifacts import lay_bubble, lay_stain
from trainables.spatial_corruptions import (
    blur_by_motion,
    compress_jpeg,
    defocus,
    move,
    pixelate,
    rotate,
    zoom,
)

Family = Literal["selection", "heldout"]

NUM_SEVERITIES = 5


@dataclass(frozen=True, slots=True)
class Shift:
    """One corruption with its five severities."""

    name: str
    """Name in tables, plots and on the command line."""
    family: Family
    """`selection` if the search may see it, `heldout` if only the evaluation may."""
    strengths: tuple[float, ...]
    """Strength of severity 1 to 5, in the unit given beside the entry in `SHIFTS`."""
    apply: Callable[[Tensor, Tensor, Generator], Tensor]
    """Images (float32, [B, 3, H, W], 0..1), severities (int64, [B], 1..5), generator: images."""


def shift_names(family: Family | None = None) -> tuple[str, ...]:
    """Return the names of the shifts of one family, or of both.

    Parameters
    ----------
    family : 'selection', 'heldout' or None for all

    Returns
    -------
    tuple of str, in the order of `SHIFTS`
    """
    if family is not None and family not in get_args(Family):
        raise ValueError(
            f"family is {family!r}, but must be one of {', '.join(get_args(Family))}; "
            "try 'selection', or None for all shifts."
        )
    return tuple(name for name, shift in SHIFTS.items() if family in (None, shift.family))


def apply_shift(images: Tensor, name: str, severity: int | Tensor, generator: Generator) -> Tensor:
    """Corrupt every image.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1, contiguous or channels_last; not modified
    name : str, a key of `SHIFTS`
    severity : int, 1..5, or Tensor, integer, [B], 1..5, on the device of `images`
    generator : torch.Generator, on the device of `images`
        What is drawn does not depend on the severity, so that the same seed gives the same
        corruption in five strengths.

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, in the memory format of `images`
    """
    affine.check_images(images)
    if name not in SHIFTS:
        nearest = get_close_matches(name, SHIFTS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"name is {name!r}, but must be one of {', '.join(SHIFTS)}; try {nearest!r}."
        )
    severities = _per_image_severities(severity, images)
    return affine.in_format_of(images, SHIFTS[name].apply(images, severities, generator))


def _per_image_severities(severity: int | Tensor, images: Tensor) -> Tensor:
    """Return severities as int64 [B] on the device of images, or refuse them."""
    values = torch.as_tensor(severity, device=images.device)
    if values.dtype == torch.bool or values.is_floating_point() or values.is_complex():
        raise TypeError(f"severity is {severity!r}, but must be whole numbers; try severity=3.")
    if values.ndim > 0 and values.shape != images.shape[:1]:
        raise ValueError(
            f"severity has shape {tuple(values.shape)}, but must be one number or one per image, "
            f"({len(images)},); try severity=3."
        )
    if ((values < 1) | (values > NUM_SEVERITIES)).any():
        raise ValueError(
            f"severity is {severity}, but must be in 1..{NUM_SEVERITIES}; try "
            f"{values.clamp(1, NUM_SEVERITIES).tolist()}."
        )
    return values.long().expand(len(images))


_Corruption = Callable[[Tensor, Tensor, Generator], Tensor]


def _at_severity(
    corrupt: _Corruption,
    strengths: tuple[float, ...],
    images: Tensor,
    severity: Tensor,
    generator: Generator,
) -> Tensor:
    """Return images corrupted with the strengths, [B], that belong to severities 1..5, [B]."""
    table = torch.tensor(strengths, dtype=torch.float32, device=images.device)
    return corrupt(images, table[severity - 1], generator).clamp_(0, 1)


def _shift(name: str, family: Family, corrupt: _Corruption, *strengths: float) -> Shift:
    """Return the shift that looks up its strength and corrupts with it."""
    assert len(strengths) == NUM_SEVERITIES, name
    # A partial of module-level functions pickles, a closure would not.
    return Shift(name, family, strengths, partial(_at_severity, corrupt, strengths))


SHIFTS: dict[str, Shift] = {
    shift.name: shift
    for shift in (
        # Radius of the disc, part of the width.
        _shift("defocus", "selection", defocus, 0.011, 0.014, 0.025, 0.045, 0.08),
        # Brightness, contrast, saturation: factor less 1, or 1 less the factor.
        _shift("brightness", "selection", change_brightness, 0.08, 0.12, 0.16, 0.2, 0.26),
        _shift("contrast", "selection", change_contrast, 0.1, 0.14, 0.18, 0.235, 0.31),
        _shift("saturation", "selection", change_saturation, 0.2, 0.3, 0.4, 0.53, 0.68),
        # Standard deviation, images being 0..1.
        _shift("noise", "selection", add_noise, 0.034, 0.046, 0.061, 0.078, 0.093),
        # Degrees.
        _shift("rotation", "selection", rotate, 4, 8, 13, 22, 36),
        # Part of the side.
        _shift("translation", "selection", move, 0.11, 0.26, 0.33, 0.38, 0.43),
        # Factor less 1.
        _shift("zoom", "selection", zoom, 0.1, 0.17, 0.27, 0.4, 0.53),
        # Part of the image in the other order.
        _shift("channel_order", "selection", mix_channels, 0.14, 0.18, 0.23, 0.29, 0.37),
        # Values left in each channel.
        _shift("posterize", "selection", posterize, 11, 8, 7, 6, 5),
        # Part of the inverted image.
        _shift("solarize", "selection", solarize, 0.1, 0.15, 0.22, 0.29, 0.36),
        # Part of the image covered.
        _shift("cutout", "selection", cover_square, 0.07, 0.13, 0.19, 0.25, 0.34),
        # Blocks along a side.
        _shift("pixelate", "heldout", pixelate, 32, 20, 11, 8, 5),
        # Quality, 1..100.
        _shift("jpeg", "heldout", compress_jpeg, 75, 40, 9, 6, 4),
        # Length of the line, part of the width.
        _shift("motion_blur", "heldout", blur_by_motion, 0.01, 0.017, 0.05, 0.13, 0.24),
        # Stain deposit, bubble: part of the image covered.
        _shift("stain_deposit", "heldout", lay_stain, 0.03, 0.04, 0.06, 0.1, 0.155),
        _shift("bubble", "heldout", lay_bubble, 0.05, 0.08, 0.13, 0.19, 0.255),
        # Full turns.
        _shift("hue", "heldout", turn_hue, 0.02, 0.03, 0.04, 0.05, 0.066),
    )
}
"""Every shift by name."""
