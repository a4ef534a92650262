"""The operations of RandAugment and TrivialAugment: ranges, draws, colours by group, maps.

Names, order and ranges are torchvision's. Every image draws its own operations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

import torch
from torch import Tensor

from trainables import affine, camera, color_ops

MAX_MAGNITUDE = 30


@dataclass(frozen=True, slots=True)
class StrengthRange:
    """What the ends of the magnitude scale mean to one operation."""

    weakest: float
    """Strength at magnitude 0, in the operation's own unit."""
    strongest: float
    """Strength at magnitude 30; linear in between."""
    signed: bool = False
    """Whether each image draws a random sign."""

    def at(self, magnitude: float) -> float:
        """Return the strength, without sign, at a magnitude of 0..30."""
        return self.weakest + (self.strongest - self.weakest) * magnitude / MAX_MAGNITUDE


class Rounds(NamedTuple):
    """Operations to apply one round after the other, one per image and round."""

    codes: Tensor
    """Which, as numbers of CODES; int64, [rounds, B]."""
    strengths: Tensor
    """How strongly, each in its operation's unit; float32, [rounds, B]."""


RANGES: dict[str, StrengthRange] = {
    "Identity": StrengthRange(0, 0),
    "ShearX": StrengthRange(0, 0.3, signed=True),  # pixels left per pixel down
    "ShearY": StrengthRange(0, 0.3, signed=True),  # pixels up per pixel right
    "TranslateX": StrengthRange(0, 150 / 331, signed=True),  # fraction of the width
    "TranslateY": StrengthRange(0, 150 / 331, signed=True),  # fraction of the height
    "Rotate": StrengthRange(0, 30, signed=True),  # degrees, counter-clockwise
    "Brightness": StrengthRange(0, 0.9, signed=True),  # factor, less 1
    "Color": StrengthRange(0, 0.9, signed=True),  # factor, less 1
    "Contrast": StrengthRange(0, 0.9, signed=True),  # factor, less 1
    "Sharpness": StrengthRange(0, 0.9, signed=True),  # factor, less 1
    "Posterize": StrengthRange(8, 4),  # bits
    "Solarize": StrengthRange(1, 0),  # threshold
    "AutoContrast": StrengthRange(0, 0),
    "Equalize": StrengthRange(0, 0),
}
"""Every operation of torchvision's RandAugment, in its order, with its range."""

_COLOR: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": color_ops.adjust_brightness,
    "Color": color_ops.adjust_saturation,
    "Contrast": color_ops.adjust_contrast,
    "Sharpness": color_ops.adjust_sharpness,
    "Posterize": color_ops.posterize,
    "Solarize": color_ops.solarize,
    "AutoContrast": color_ops.autocontrast,
    "Equalize": color_ops.equalize,
    "Channels": camera.reorder_channels,  # number of the order, 0..5
}

CODES = {name: code for code, name in enumerate(RANGES | _COLOR)}
"""The number of each operation: RANGES in order, then what RandAugment does not have."""


def trivial_ranges(height: int, width: int) -> dict[str, StrengthRange]:
    """Return the ranges of torchvision's TrivialAugmentWide, for images of so many pixels."""
    factor = StrengthRange(0, 0.99, signed=True)
    wide = dict.fromkeys(("ShearX", "ShearY", "Brightness", "Color", "Contrast"), factor)
    return (
        RANGES
        | wide
        | {
            "TranslateX": StrengthRange(0, 32 / width, signed=True),
            "TranslateY": StrengthRange(0, 32 / height, signed=True),
            "Rotate": StrengthRange(0, 135, signed=True),
            "Sharpness": factor,
            "Posterize": StrengthRange(8, 2),
        }
    )


def draw_operations(
    ranges: Mapping[str, StrengthRange], magnitudes: Tensor, generator: torch.Generator
) -> Rounds:
    """Draw one operation for each magnitude.

    Parameters
    ----------
    ranges : mapping with the keys of RANGES, in their order
    magnitudes : Tensor, float32, [rounds, B], 0..30
    generator : torch.Generator, on the device of `magnitudes`
    """
    device, shape = magnitudes.device, magnitudes.shape
    codes = torch.randint(len(ranges), shape, generator=generator, device=device)
    signs = 1.0 - 2.0 * torch.randint(2, shape, generator=generator, device=device)
    rows = [(r.at(0), r.at(1) - r.at(0), r.signed) for r in ranges.values()]
    weakest, step, signed = torch.tensor(rows, dtype=torch.float32, device=device)[codes].unbind(-1)
    return Rounds(codes, (weakest + step * magnitudes) * torch.where(signed > 0, signs, 1.0))


def geometric_maps(rounds: Rounds, height: int, width: int) -> Tensor:
    """Return the geometric part of all rounds as one map per image.

    Parameters
    ----------
    rounds : Rounds, at least one
    height, width : int, pixels

    Returns
    -------
    Tensor, float32, [B, 3, 3]
        Identity where no operation is geometric.
    """
    codes, strengths = rounds

    def strength_of(name: str) -> Tensor:
        return torch.where(codes == CODES[name], strengths, 0.0).flatten()

    x, y = -strength_of("ShearX"), -strength_of("ShearY")
    # torchvision shears about the upper left corner: about the centre, and half a side further.
    right = strength_of("TranslateX") * width + x * (height / 2)
    down = strength_of("TranslateY") * height + y * (width / 2)
    moved = affine.translation(right, down) @ affine.shear(x, y)
    maps = moved @ affine.rotation(strength_of("Rotate"))
    fused: Tensor = reduce(torch.matmul, maps.view(*codes.shape, 3, 3))
    return fused


def apply_colors(images: Tensor, rounds: Sequence[Rounds]) -> Tensor:
    """Apply the colour operations of all rounds, each to all the images at once that drew it.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1; not modified
    rounds : sequence of Rounds, at least one

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, contiguous
    """
    codes, strengths = (torch.cat(drawn) for drawn in zip(*rounds, strict=True))
    # Contiguous because autocontrast, for one, takes ten times as long on channels_last pixels.
    colored = images.clone(memory_format=torch.contiguous_format)
    order = codes.argsort(dim=1)
    # One transfer tells the host all group sizes; masks would stop a GPU 9 times per round.
    sizes = torch.nn.functional.one_hot(codes, len(CODES)).sum(dim=1).tolist()
    for rows, strength, size in zip(order, strengths, sizes, strict=True):
        for name, group in zip(CODES, rows.split(size), strict=True):
            if name in _COLOR and len(group):
                # 5x3x96x96, one core: index_select takes 0.01 ms, colored[group] 0.05.
                chosen = colored.index_select(0, group)
                colored.index_copy_(0, group, _COLOR[name](chosen, strength[group]))
    return colored


def _warp_by(code: int, images: Tensor, strength: Tensor) -> Tensor:
    """Return images after one geometric operation (or Identity) with strengths [B]."""
    codes = torch.full_like(strength, code, dtype=torch.int64)
    maps = geometric_maps(Rounds(codes[None], strength[None]), *images.shape[2:])
    return affine.warp(images, maps)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    name: _COLOR.get(name, partial(_warp_by, code)) for name, code in CODES.items()
}
"""Each operation by itself: images [B, 3, H, W], strengths [B] in the operation's unit: new
images."""
