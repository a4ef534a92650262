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
    return (images * (1 + _per_image(strength))).clamp_(0, 1)


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
    return _away_from(_grey(images).mean(dim=(1, 2, 3), keepdim=True), images, strength)


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
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = _smoothed_inside(images)
    return _away_from(smooth, images, strength)


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
    step = 2 ** (8 - _per_image(strength).round())
    return (images * 255).round_().div_(step).floor_().mul_(step).div_(255)


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
    # |1 - x| where the threshold is reached, |0 - x| elsewhere: faster than torch.where by 3.
    return (images >= _per_image(strength)).to(images.dtype).sub_(images).abs_()


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
    return ((images - low) / span).clamp_(0, 1)


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
    levels = (images * 255).round_().long().flatten(2)
    histogram = levels.new_zeros(*levels.shape[:2], 256)
    histogram.scatter_add_(2, levels, torch.ones_like(levels))
    table = _equalizing_table(histogram)
    return table.gather(2, levels).view(images.shape).float().div_(255)


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
    return torch.lerp(reference, images, 1 + _per_image(strength)).clamp_(0, 1)


def _grey(images: Tensor) -> Tensor:
    """Return the luma of every pixel, [B, 1, H, W]."""
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _smoothed_inside(images: Tensor) -> Tensor:
    """Return the 3x3 mean, weight 5 in the middle, of all but the rim, [B, 3, H - 2, W - 2]."""
    # Sums of shifted views: 0.13 ms for 5x3x96x96 on one core, where a depthwise conv2d takes 8.
    rows = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return total.add_(images[:, :, 1:-1, 1:-1], alpha=4).div_(13)


def _per_image(strength: Tensor) -> Tensor:
    """Return strengths [B] as [B, 1, 1, 1], to broadcast over images."""
    return strength.view(-1, 1, 1, 1)
