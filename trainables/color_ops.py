"""RandAugment's colour operations on batches, one strength per image.

Each function takes images (Tensor, float32, [B, 3, H, W], 0..1) and a strength (Tensor, float32,
[B]) and returns new images of the same shape and range. They equal torchvision's v2 functional
operations up to the rounding of uint8; what works in whole grey levels there (posterize, equalize)
does so here.
"""

import torch
from torch import Tensor

# torchvision's weights of red, green and blue (ITU-R 601, cut to four digits).
LUMA = (0.2989, 0.587, 0.114)


def adjust_brightness(images: Tensor, strength: Tensor) -> Tensor:
    """Multiply every pixel.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], at least -1; the factor is 1 + strength

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    return (images * (1 + per_image(strength))).clamp_(0, 1)


def adjust_saturation(images: Tensor, strength: Tensor) -> Tensor:
    """Move every pixel away from its own grey.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], at least -1, which gives grey; 0 keeps the image

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    return _away_from(_grey(images), images, strength)


def adjust_contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Move every pixel away from the mean grey of its image.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], at least -1, which gives a constant; 0 keeps the image

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    luma = images.new_tensor(LUMA).view(1, 3, 1, 1)
    grey = (images.mean(dim=(2, 3), keepdim=True) * luma).sum(dim=1, keepdim=True)
    return _away_from(grey, images, strength)


def adjust_sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Move every pixel away from a 3x3 smoothing of its surroundings; the outermost pixels stay.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], at least -1, which smooths; 0 keeps the image

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    strength = per_image(strength)
    sharp = images.clone()
    # Away from (the sum of nine, and four times the middle) / 13, without writing that down.
    inside = sharp[:, :, 1:-1, 1:-1].mul_(1 + strength * (9 / 13))
    inside.addcmul_(_sum_of_nine(images), strength / -13)
    return sharp.clamp_(0, 1)


def posterize(images: Tensor, strength: Tensor) -> Tensor:
    """Keep only the highest bits of every grey level.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], bits kept, 0..8, rounded to a whole number

    Returns
    -------
    Tensor, float32, [B, 3, H, W], multiples of 1/255 in 0..1
    """
    step = 2 ** (8 - per_image(strength).round())
    return (images * 255).round_().mul_(1 / step).floor_().mul_(step / 255)


def solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Invert every value that reaches a threshold.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], the threshold, 0..1; at 1 only full white is inverted

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    # |1 - x| where the threshold is reached, |0 - x| elsewhere: a tenth of torch.where's time.
    reached = torch.ge(images, per_image(strength), out=torch.empty_like(images))
    return reached.sub_(images).abs_()


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch every channel of every image to 0..1; constant channels stay.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], not used

    Returns
    -------
    Tensor, float32, [B, 3, H, W], 0..1
    """
    del strength
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    constant = low == high
    low, span = low.masked_fill(constant, 0), (high - low).masked_fill(constant, 1)
    return (images - low).div_(span)


def equalize(images: Tensor, strength: Tensor) -> Tensor:
    """Spread the 256 grey levels of every channel until all are equally frequent, as PIL does.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W], 0..1
    strength : Tensor, float32, [B], not used

    Returns
    -------
    Tensor, float32, [B, 3, H, W], multiples of 1/255 in 0..1
    """
    del strength
    # One table for the levels of all channels of all images, each channel at its own place; as
    # int32, which counts and looks up in half the time of int64.
    first = 256 * torch.arange(images.shape[0] * 3, device=images.device).view(-1, 3, 1, 1)
    places = (images * 255).round_().add_(first).int().flatten()
    histogram = places.bincount(minlength=256 * first.numel())
    table = _equalizing_table(histogram.view(-1, 256)).float().div_(255)
    return table.flatten().index_select(0, places).view(images.shape)


def _equalizing_table(histogram: Tensor) -> Tensor:
    """Return the new level of each old level, int64, [..., 256], from equally shaped counts."""
    total = histogram.cumsum(dim=-1)
    brightest = total.argmax(dim=-1, keepdim=True)
    step = (histogram.sum(dim=-1, keepdim=True) - histogram.gather(-1, brightest)) // 255
    below = total - histogram
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    # PIL leaves a channel with fewer than 255 pixels below its highest level as it is.
    return torch.where(step == 0, torch.arange(256, device=histogram.device), table)


def _away_from(reference: Tensor, images: Tensor, strength: Tensor) -> Tensor:
    """Return images + strength * (images - reference), kept in 0..1."""
    strength = per_image(strength)
    # A third of the time of torch.lerp, which is slow where it repeats a number.
    return (images * (1 + strength)).sub_(reference * strength).clamp_(0, 1)


def _grey(images: Tensor) -> Tensor:
    """Return the luma of every pixel, [B, 1, H, W]."""
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _sum_of_nine(images: Tensor) -> Tensor:
    """Return the sum of the 3x3 pixels around all but the rim, [B, 3, H - 2, W - 2]."""
    # Sums of shifted views: 0.1 ms for 5x3x96x96 on one core, where avg_pool2d takes 1.
    rows = (images[:, :, :-2] + images[:, :, 1:-1]).add_(images[:, :, 2:])
    return (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:])


def per_image(strength: Tensor) -> Tensor:
    """Return strengths [B] as [B, 1, 1, 1], to broadcast over images."""
    return strength.view(-1, 1, 1, 1)
