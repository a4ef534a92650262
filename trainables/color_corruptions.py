"""Corruptions of the colours of image batches: nothing moves.

Each function takes images (Tensor, float32, [B, 3, H, W], 0..1, not modified), a strength for each
(Tensor, float32, [B], in a unit of its own) and a generator on their device, and returns new
images, float32, [B, 3, H, W], which may leave 0..1. What is drawn does not depend on the strength.
"""

import torch
from torch import Generator, Tensor

from trainables import camera, color_ops
from trainables.color_space import hsv_from_rgb, rgb_from_hsv

_SOLAR_THRESHOLD = 0.5
_ORDERS = (1, 2, 5, 3, 4)
"""Numbers of all of the camera's channel orders but the usual one."""


def change_brightness(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply by 1 + strength or 1 - strength, whichever is drawn."""
    return color_ops.adjust_brightness(images, strength * random_signs(len(images), generator))


def change_contrast(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply the distance from the image's mean grey by 1 + strength or 1 - strength."""
    return color_ops.adjust_contrast(images, strength * random_signs(len(images), generator))


def change_saturation(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply the distance from each pixel's own grey by 1 + strength or 1 - strength."""
    return color_ops.adjust_saturation(images, strength * random_signs(len(images), generator))


def mix_channels(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Blend with the image whose channels are in another order; strength is the other's part."""
    drawn = torch.randint(
        len(_ORDERS), (len(images),), generator=generator, device=generator.device
    )
    order = torch.tensor(_ORDERS, device=images.device)[drawn]
    reordered = camera.reorder_channels(images, order)
    return torch.lerp(images, reordered, color_ops.per_image(strength))


def posterize(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Round down to one of `strength` evenly spaced values, a whole number; 2 ** n keeps n bits.

    Bits alone are too coarse to grade: from one to the next the step doubles.
    """
    count = color_ops.per_image(strength)
    levels = (images * 255).round_()
    # Multiplied first, what is rounded down is exact in float32: no level falls off its step.
    return levels.mul_(count).div_(256).floor_().mul_(256 / 255).div_(count)


def solarize(images: Tensor, strength: Tensor, _generator: Generator) -> Tensor:
    """Blend with the image whose values of at least one half are inverted; strength is its part.

    The threshold does not vary: the background of a smear is next to white, often exactly white in
    one channel, and a model that has not seen it inverted fails at whatever threshold does so.
    """
    inverted = color_ops.solarize(images, torch.full_like(strength, _SOLAR_THRESHOLD))
    return torch.lerp(images, inverted, color_ops.per_image(strength))


def turn_hue(images: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Turn the hue of HSV either way; strength is in full turns."""
    turn = strength * random_signs(len(images), generator)
    hue, saturation, value = hsv_from_rgb(images)
    return rgb_from_hsv(hue + turn.view(-1, 1, 1), saturation, value)


def random_signs(count: int, generator: Generator) -> Tensor:
    """Return -1 or 1 for each image.

    Parameters
    ----------
    count : int, images
    generator : torch.Generator

    Returns
    -------
    Tensor, float32, [count], on the device of the generator
    """
    return 1.0 - 2.0 * torch.randint(2, (count,), generator=generator, device=generator.device)
