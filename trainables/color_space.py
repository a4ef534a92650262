"""Hue, saturation and value of image batches, and the way back to red, green and blue."""

import torch
from torch import Tensor


def hsv_from_rgb(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value of every pixel.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1

    Returns
    -------
    hue, saturation, value : Tensor, float32, [B, H, W]
        Hue in turns, -1/6..5/6, 0 for red and for greys; saturation and value in 0..1.
    """
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


def rgb_from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return the images that have this hue, saturation and value.

    Parameters
    ----------
    hue : Tensor, float32, [B, H, W], turns; any number, whole turns change nothing
    saturation, value : Tensor, float32, [B, H, W], 0..1

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    # Each channel is a trapezium over the hue circle, see "HSV to RGB alternative" in
    # https://en.wikipedia.org/wiki/HSL_and_HSV.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=hue.device).view(1, 3, 1, 1)
    position = (offsets + 6 * hue[:, None]).remainder(6)
    lack = torch.minimum(position, 4 - position).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * lack)
