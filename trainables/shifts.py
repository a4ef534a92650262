"""Named corruptions of image batches, in five severities, to measure how a model holds up.

Two families that share nothing: `selection` steers the search, `heldout` is only ever used to
evaluate what the search chose. A shift is one private function of images, strengths and a
generator, and one line in `SHIFTS` with its five strengths. These are calibrated on PBC at 64
pixels against a small residual CNN trained without augmentation: severity 3 costs it 10 to 30
points of balanced accuracy, severity 5 costs 25 to 60.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from trainables import affine
from trainables.occlusion import cover_square

Family = Literal["selection", "heldout"]

NUM_SEVERITIES = 5

# Red, green and blue of dried stain: darker and more purple than any nucleus.
_STAIN = (0.24, 0.10, 0.34)
_STAIN_OPACITY = 0.9


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


def _random_signs(count: int, generator: Generator) -> Tensor:
    """Return -1 or 1 for each image, float32, [count]."""
    return 1.0 - 2.0 * torch.randint(2, (count,), generator=generator, device=generator.device)


def _brightness(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply by 1 + strength or 1 - strength, whichever is drawn."""
    factors = 1 + strength * _random_signs(len(images), generator)
    return images * factors.view(-1, 1, 1, 1)


def _contrast(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Spread or draw together pixels about the image's mean by 1 + strength, either way."""
    factors = (1 + strength * _random_signs(len(images), generator)).view(-1, 1, 1, 1)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, factors)


def _solarize(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Invert what is brighter than 1 - strength."""
    is_bright = images >= 1 - strength.view(-1, 1, 1, 1)
    return torch.where(is_bright, 1 - images, images)


def _zoom(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Enlarge or shrink by 1 + strength, whichever is drawn, repeating border pixels outside."""
    factors = (1 + strength) ** _random_signs(len(images), generator)
    return affine.warp(images, affine.scaling(factors, factors), padding="border")


def _defocus(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Smear every point to an even disc; strength is its radius as a fraction of the width."""
    radius = (strength * images.shape[3]).view(-1, 1, 1)
    reach = int(radius.max().ceil())
    offset = torch.arange(-reach, reach + 1, device=images.device)
    distance = torch.hypot(offset[:, None].float(), offset.float())
    # A pixel at the rim counts by about the part that the disc covers: radii need not be whole.
    discs = (radius + 0.5 - distance).clamp(0, 1)
    return _convolve(images, discs / discs.sum(dim=(1, 2), keepdim=True))


def _pixelate(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Replace blocks by their mean; strength is the number of blocks along a side."""
    rows = _block_means(images.shape[2], strength)
    columns = _block_means(images.shape[3], strength)
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def _hue(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Turn the hue of HSV either way; strength is in full turns."""
    turn = strength * _random_signs(len(images), generator)
    hue, saturation, value = _hsv(images)
    return _rgb(hue + turn.view(-1, 1, 1), saturation, value)


def _stain_deposit(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Lay dark purple blobs of irregular outline over the image; strength is the part covered."""
    field = _smooth_noise(images.shape, generator)
    ranked = field.flatten(1).sort(dim=1, descending=True).values
    last = (strength * ranked.shape[1]).long().clamp(max=ranked.shape[1] - 1)
    shore = ranked.gather(1, last[:, None])[:, :, None]
    # 0.05 of the noise's spread: an edge of about two pixels at 64 pixels.
    cover = _STAIN_OPACITY * torch.sigmoid((field - shore) / (0.05 * field.std()))[:, None]
    stain = torch.tensor(_STAIN, device=images.device).view(1, 3, 1, 1)
    return torch.lerp(images, stain, cover)


def _convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Return images, mirrored at the border, convolved with one kernel [B, K, K] each, K odd."""
    # In Fourier space the cost does not grow with the kernel, and every image can have its own.
    reach = kernels.shape[-1] // 2
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    size = padded.shape[2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels, s=size)[:, None]
    result: Tensor = torch.fft.irfft2(spectrum, s=size)
    return result[:, :, 2 * reach :, 2 * reach :]


def _block_means(side: int, blocks: Tensor) -> Tensor:
    """Return matrices [B, side, side] that replace each of [B] blocks of a vector by its mean."""
    pixel = torch.arange(side, device=blocks.device) + 0.5
    block = (pixel * blocks[:, None] / side).floor()
    same = (block[:, :, None] == block[:, None]).float()
    return same / same.sum(dim=2, keepdim=True)


def _hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue (turns, -1/6..5/6), saturation and value (0..1) of RGB images, each [B, H, W]."""
    red, green, blue = images.unbind(dim=1)
    value, low = images.amax(dim=1), images.amin(dim=1)
    span = value - low
    chroma = torch.where(span > 0, span, 1.0)
    sector = torch.where(
        value == red,
        (green - blue) / chroma,
        torch.where(value == green, 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    return sector / 6, span / torch.where(value > 0, value, 1.0), value


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return RGB images [B, 3, H, W] from hue (turns), saturation and value, each [B, H, W]."""
    # Each channel is a trapezium over the hue circle, see "HSV to RGB alternative" in
    # https://en.wikipedia.org/wiki/HSL_and_HSV.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=hue.device).view(1, 3, 1, 1)
    position = (offsets + 6 * hue[:, None]).remainder(6)
    lack = torch.minimum(position, 4 - position).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * lack)


def _smooth_noise(shape: torch.Size, generator: Generator) -> Tensor:
    """Return noise [B, H, W] with hills about a sixth of the side wide and rough outlines."""
    count, _, height, width = shape
    octaves = [
        F.interpolate(
            torch.randn((count, 1, cells, cells), generator=generator, device=generator.device),
            size=(height, width),
            mode="bicubic",
        )
        * (6 / cells)
        for cells in (6, 12, 24)
    ]
    return torch.stack(octaves).sum(dim=0).squeeze(1)


SHIFTS: dict[str, Shift] = {
    shift.name: shift
    for shift in (
        # Units: brightness factor less 1; defocus disc radius, part of the width; zoom factor less
        # 1; cutout part of the image covered.
        _shift("brightness", "selection", _brightness, 0.04, 0.08, 0.12, 0.16, 0.22),
        _shift("contrast", "selection", _contrast, 0.05, 0.1, 0.18, 0.24, 0.3),
        _shift("solarize", "selection", _solarize, 0.01, 0.05, 0.1, 0.15, 0.2),
        _shift("defocus", "selection", _defocus, 0.01, 0.014, 0.022, 0.04, 0.07),
        _shift("zoom", "selection", _zoom, 0.1, 0.2, 0.32, 0.45, 0.6),
        _shift("cutout", "selection", cover_square, 0.05, 0.1, 0.18, 0.25, 0.32),
        # Units: pixelate blocks along a side; hue full turns; stain_deposit part of image covered.
        _shift("pixelate", "heldout", _pixelate, 40, 26, 15, 10, 6),
        _shift("hue", "heldout", _hue, 0.015, 0.025, 0.035, 0.05, 0.07),
        _shift("stain_deposit", "heldout", _stain_deposit, 0.05, 0.1, 0.2, 0.3, 0.4),
    )
}
"""Every shift by name."""
