"""Augmentation of whole batches, on whatever device the images are.

Every image draws its own variation. Colour operations come first, in the order drawn. Everything
geometric is multiplied into one map per image and resampled once, after the colours: nothing is
blurred twice, and statistics of an image (contrast, histogram) never see its mirrored border. Blur,
noise and the grey square come last.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Generator, Tensor

from spaces import TrialSpec
from trainables import affine
from trainables.camera import CHANNEL_ORDERS, add_noise, blur
from trainables.crop import crop_maps, draw_boxes
from trainables.occlusion import cover_square
from trainables.operations import (
    CODES,
    MAX_MAGNITUDE,
    RANGES,
    Rounds,
    apply_colors,
    draw_operations,
    geometric_maps,
    trivial_ranges,
)

_SCALED = (
    "magnitude", "crop", "zoom", "rotate", "erase", "blur", "noise", "channels", "solarize",
    "posterize",
)  # fmt: skip
_FEWEST_BITS, _MOST_BITS = 2, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentPolicy:
    """How strongly training images are varied; the default is not at all.

    The fields are TrialSpec's, which says what they mean, times `augment_strength`.
    """

    ops: int = 0
    magnitude: float = 0.0
    trivial: float = 0.0
    """Highest strength of TrivialAugment's operation, as a part of its range, 0..1; 0 for none."""
    crop: float = 0.0
    zoom: float = 0.0
    rotate: float = 0.0
    erase: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    channels: float = 0.0
    solarize: float = 0.0
    posterize: float = 0.0
    flips: bool = False


def augment_policy(spec: TrialSpec) -> AugmentPolicy:
    """Return how a trial varies its training images; strength 0 leaves nothing but flips."""
    strength = spec.augment_strength
    scaled = {}
    for name in _SCALED:
        field = f"augment_{name}"
        scaled[name] = min(strength * getattr(spec, field), _upper_bound(field))
    return AugmentPolicy(
        # Operations without a strength (equalize) would change images even at magnitude 0.
        ops=spec.augment_ops if strength else 0,
        trivial=min(strength, 1.0) if spec.augment_trivial else 0.0,
        flips=spec.flips,
        **scaled,
    )


def augment(
    images: Tensor, policy: AugmentPolicy, generator: Generator, repeated: Tensor | None = None
) -> Tensor:
    """Vary every image in its own way, as the policy says.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1, contiguous or channels_last; not modified
    policy : AugmentPolicy
    generator : torch.Generator, on the device of `images`; the only source of randomness
    repeated : Tensor, bool, [B], optional
        Images that an epoch shows more than once: these are also turned by any angle and mirrored
        either way at random, whatever the policy.

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1, in the memory format of `images`
        `images` itself where nothing is asked for.
    """
    affine.check_images(images)
    count, _, height, width = images.shape
    maps = _draw_frames(policy, images, generator, repeated)
    operations = _draw_operations(policy, images, generator)
    maps += [geometric_maps(rounds, height, width) for rounds in operations]
    colors = operations + _draw_chances(policy, count, generator)
    varied = apply_colors(images, colors) if colors else images
    if maps:
        varied = affine.warp(varied, reduce(torch.matmul, maps))
    return affine.in_format_of(images, _degrade(varied, policy, generator))


def _draw_frames(
    policy: AugmentPolicy, images: Tensor, generator: Generator, repeated: Tensor | None
) -> list[Tensor]:
    """Return the maps [B, 3, 3] that say which part of an image is seen, and from where."""
    count, _, height, width = images.shape
    maps = []
    if policy.crop:
        boxes = draw_boxes(policy.crop, (height, width), count, generator)
        maps.append(crop_maps(boxes, (height, width)))
    if policy.flips:
        maps.append(affine.flips(*_coins(count, generator)))
    if repeated is not None:
        maps.append(affine.flips(*(_coins(count, generator) & repeated)))
        maps.append(affine.rotation(_either_way(count, 180, generator) * repeated))
    if policy.rotate:
        maps.append(affine.rotation(_either_way(count, policy.rotate, generator)))
    if policy.zoom:
        factors = (1 + policy.zoom) ** _either_way(count, 1, generator)
        maps.append(affine.scaling(factors, factors))
    return maps


def _draw_operations(policy: AugmentPolicy, images: Tensor, generator: Generator) -> list[Rounds]:
    """Return RandAugment's rounds, then TrivialAugment's."""
    count, _, height, width = images.shape
    drawn = []
    if policy.ops:
        fixed = torch.full((policy.ops, count), policy.magnitude, device=generator.device)
        drawn.append(draw_operations(RANGES, fixed, generator))
    if policy.trivial:
        random = MAX_MAGNITUDE * policy.trivial * _uniform(count, generator)[None]
        drawn.append(draw_operations(trivial_ranges(height, width), random, generator))
    return drawn


def _draw_chances(policy: AugmentPolicy, count: int, generator: Generator) -> list[Rounds]:
    """Return a round for each operation that has a probability of its own."""

    def by_chance(name: str, probability: float, strengths: Tensor) -> Rounds:
        chosen = _uniform(count, generator) < probability
        return Rounds(torch.where(chosen, CODES[name], CODES["Identity"])[None], strengths[None])

    def whole(low: int, high: int) -> Tensor:
        shape = (count,)
        return torch.randint(low, high, shape, generator=generator, device=generator.device).float()

    rounds = []
    if policy.solarize:
        rounds.append(by_chance("Solarize", policy.solarize, _uniform(count, generator)))
    if policy.posterize:
        bits = whole(_FEWEST_BITS, _MOST_BITS + 1)
        rounds.append(by_chance("Posterize", policy.posterize, bits))
    if policy.channels:
        rounds.append(by_chance("Channels", policy.channels, whole(1, len(CHANNEL_ORDERS))))
    return rounds


def _degrade(images: Tensor, policy: AugmentPolicy, generator: Generator) -> Tensor:
    """Return blurred, noisy and partly covered images, contiguous, or `images` itself."""
    count, _, _, width = images.shape
    if policy.blur or policy.noise or policy.erase:
        images = images.contiguous()  # the same numbers to the same pixels; and erasing is faster
    if policy.blur:
        images = blur(images, policy.blur * width * _uniform(count, generator))
    if policy.noise:
        images = add_noise(images, policy.noise * _uniform(count, generator), generator)
    if policy.erase:
        images = cover_square(images, policy.erase * _uniform(count, generator), generator)
    return images


def _uniform(count: int, generator: Generator) -> Tensor:
    """Return [count] numbers in 0..1."""
    return torch.rand(count, generator=generator, device=generator.device)


def _either_way(count: int, most: float, generator: Generator) -> Tensor:
    """Return [count] numbers in -most..most."""
    return most * (2 * _uniform(count, generator) - 1)


def _coins(count: int, generator: Generator) -> Tensor:
    """Return [2, count] bools, true with probability one half."""
    return torch.randint(2, (2, count), generator=generator, device=generator.device).bool()


def _upper_bound(field: str) -> float:
    """Return the upper bound of a number in TrialSpec."""
    rules = TrialSpec.model_fields[field].metadata
    return float(next(getattr(r, kind) for r in rules for kind in ("le", "lt") if hasattr(r, kind)))
