"""RandAugment and flips for whole batches, on whatever device the images are.

The operations and their ranges are torchvision's `RandAugment` (31 magnitude bins, random sign);
every image draws its own. Colour operations are applied in the order drawn. The geometric ones of
all rounds and the flips are multiplied into one matrix per image and resampled once, after the
colours: nothing is blurred twice, and statistics of an image (contrast, histogram) never see its
mirrored border.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

import torch
from torch import Tensor

from trainables import affine, color_ops
from trainables.occlusion import cover_square

MAX_MAGNITUDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentPolicy:
    """How strongly training images are varied."""

    ops: int
    """RandAugment operations per image, 0 or more; 0 switches them off."""
    magnitude: float
    """Strength of every operation, 0..30: torchvision's 31 bins, and anything between them."""
    flips: bool
    """Whether images are mirrored left-right and top-bottom, each with probability one half."""
    zoom: float = 0.0
    """Images are enlarged or shrunk by a factor of up to 1 + zoom, 0..1, evenly on a log scale."""
    erase: float = 0.0
    """A grey square covers up to this part of each image, 0..1, evenly."""

    def __post_init__(self) -> None:
        """Refuse wrong types and values out of range, with TypeError or ValueError."""
        # bool is an int to Python, and True operations are surely a mistake.
        if isinstance(self.ops, bool) or not isinstance(self.ops, int):
            raise TypeError(f"ops is {self.ops!r}, but must be a whole number; try ops=2.")
        if isinstance(self.magnitude, bool) or not isinstance(self.magnitude, int | float):
            raise TypeError(
                f"magnitude is {self.magnitude!r}, but must be a number; try magnitude=9."
            )
        if not isinstance(self.flips, bool):
            raise TypeError(f"flips is {self.flips!r}, but must be a bool; try flips=True.")
        for name in ("zoom", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be in 0..1; try 0.3.")
        if self.ops < 0:
            raise ValueError(
                f"ops is {self.ops}, but must be at least 0; try ops=0 to switch them off."
            )
        if not 0 <= self.magnitude <= MAX_MAGNITUDE:
            raise ValueError(
                f"magnitude is {self.magnitude}, but must be in 0..{MAX_MAGNITUDE}; "
                f"try magnitude={MAX_MAGNITUDE if self.magnitude > MAX_MAGNITUDE else 0}."
            )


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

_CODES = {name: code for code, name in enumerate(RANGES)}

_COLOR: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": color_ops.adjust_brightness,
    "Color": color_ops.adjust_saturation,
    "Contrast": color_ops.adjust_contrast,
    "Sharpness": color_ops.adjust_sharpness,
    "Posterize": color_ops.posterize,
    "Solarize": color_ops.solarize,
    "AutoContrast": color_ops.autocontrast,
    "Equalize": color_ops.equalize,
}


def augment(images: Tensor, policy: AugmentPolicy, generator: torch.Generator) -> Tensor:
    """Vary every image in its own way, as the policy says.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1, contiguous or channels_last; not modified
    policy : AugmentPolicy
    generator : torch.Generator, on the device of `images`; the only source of randomness

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, in the memory format of `images`
        `images` itself where the policy asks for nothing.
    """
    affine.check_images(images)
    count, _, height, width = images.shape
    codes, strengths = _draw_operations(count, policy, generator)
    steps = [
        _geometric_matrices(*drawn, height, width) for drawn in zip(codes, strengths, strict=True)
    ]
    if policy.flips:
        steps.insert(0, _draw_flips(count, generator))
    if policy.zoom:
        steps.append(_draw_zooms(count, policy.zoom, generator))
    varied = images
    if steps:
        matrices = reduce(torch.matmul, steps)
        varied = affine.warp(_apply_colors(images, codes, strengths), matrices)
    if policy.erase:
        area = policy.erase * torch.rand(count, generator=generator, device=generator.device)
        varied = cover_square(varied, area, generator)
    return affine.in_format_of(images, varied)


def rand_augment(
    images: Tensor, *, ops: int, magnitude: float, generator: torch.Generator
) -> Tensor:
    """Apply RandAugment without flips.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1, contiguous or channels_last; not modified
    ops : int, operations per image, 0 or more
    magnitude : float, 0..30
    generator : torch.Generator, on the device of `images`

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, in the memory format of `images`
    """
    return augment(images, AugmentPolicy(ops=ops, magnitude=magnitude, flips=False), generator)


def _draw_operations(
    count: int, policy: AugmentPolicy, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return code (int64) and signed strength (float32) of every operation, both [ops, count]."""
    device, shape = generator.device, (policy.ops, count)
    codes = torch.randint(len(RANGES), shape, generator=generator, device=device)
    signs = 1.0 - 2.0 * torch.randint(2, shape, generator=generator, device=device)
    table = [(r.at(policy.magnitude), r.signed) for r in RANGES.values()]
    strength, signed = torch.tensor(table, dtype=torch.float32, device=device).unbind(dim=1)
    return codes, strength[codes] * torch.where(signed[codes] > 0, signs, 1.0)


def _draw_flips(count: int, generator: torch.Generator) -> Tensor:
    """Return maps [count, 3, 3] that mirror each image either way with probability one half."""
    mirrored = torch.randint(2, (2, count), generator=generator, device=generator.device).bool()
    return affine.flips(mirrored[0], mirrored[1])


def _draw_zooms(count: int, zoom: float, generator: torch.Generator) -> Tensor:
    """Return maps [count, 3, 3] that scale each image by between 1 / (1 + zoom) and 1 + zoom."""
    exponents = 2 * torch.rand(count, generator=generator, device=generator.device) - 1
    factors = (1 + zoom) ** exponents
    return affine.scaling(factors, factors)


def _geometric_matrices(codes: Tensor, strengths: Tensor, height: int, width: int) -> Tensor:
    """Return the maps [B, 3, 3] of one operation per image; identity where it is not geometric."""

    def strength_of(name: str) -> Tensor:
        return torch.where(codes == _CODES[name], strengths, 0.0)

    x, y = -strength_of("ShearX"), -strength_of("ShearY")
    # torchvision shears about the upper left corner: about the centre, and half a side further.
    right = strength_of("TranslateX") * width + x * (height / 2)
    down = strength_of("TranslateY") * height + y * (width / 2)
    moved = affine.translation(right, down) @ affine.shear(x, y)
    return moved @ affine.rotation(strength_of("Rotate"))


def _apply_colors(images: Tensor, codes: Tensor, strengths: Tensor) -> Tensor:
    """Return a contiguous copy of images after the colour operations of codes, [ops, B]."""
    # Contiguous because autocontrast, for one, takes ten times as long on channels_last pixels.
    colored = images.clone(memory_format=torch.contiguous_format)
    order = codes.argsort(dim=1)
    # One transfer tells the host all group sizes; masks would stop a GPU 8 times per round.
    sizes = torch.nn.functional.one_hot(codes, len(RANGES)).sum(dim=1).tolist()
    for rows, strength, size in zip(order, strengths, sizes, strict=True):
        for name, group in zip(RANGES, rows.split(size), strict=True):
            if name in _COLOR and len(group):
                colored[group] = _COLOR[name](colored[group], strength[group])
    return colored


def _warp_by(code: int, images: Tensor, strength: Tensor) -> Tensor:
    """Return images after one geometric operation (or Identity) with strengths [B]."""
    codes = torch.full_like(strength, code, dtype=torch.int64)
    return affine.warp(images, _geometric_matrices(codes, strength, *images.shape[2:]))


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    name: _COLOR.get(name, partial(_warp_by, code)) for name, code in _CODES.items()
}
"""Each operation by itself: images [B, 3, H, W], strengths [B] in units of RANGES: new images."""
