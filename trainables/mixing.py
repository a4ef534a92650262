"""MixUp and CutMix: every image of a batch blended with another one, and their targets with it."""

from typing import NamedTuple

import torch
from torch import Tensor


class Mixed(NamedTuple):
    """A batch after mixing."""

    images: Tensor
    """float32, [B, 3, H, W]"""
    targets: Tensor
    """float32, [B, K], rows sum to 1"""


def mix(
    images: Tensor, targets: Tensor, *, mixup: float, cutmix: float, generator: torch.Generator
) -> Mixed:
    """Mix images in random pairs: by MixUp, by CutMix or, with both, by one of the two.

    One share is drawn for the whole batch, as in torchvision. Partners are drawn as well: those of
    a batch that is sorted would be of the same class.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W]; not modified
    targets : Tensor, float32, [B, K], rows sum to 1; not modified
    mixup, cutmix : float
        Alpha of Beta(alpha, alpha), from which the share is drawn; 0 for none.
    generator : torch.Generator, on the device of `images`
    """
    if not (mixup or cutmix):
        return Mixed(images, targets)
    partners = torch.randperm(len(images), generator=generator, device=images.device)
    size = (images.shape[2], images.shape[3])
    return blend(images, targets, partners, _draw_kept(mixup, cutmix, size, generator))


def blend(images: Tensor, targets: Tensor, partners: Tensor, kept: Tensor) -> Mixed:
    """Return each image where `kept` is 1, its partner where it is 0, and the targets likewise.

    Parameters
    ----------
    images : Tensor, float32, [B, 3, H, W]
    targets : Tensor, float32, [B, K]
    partners : Tensor, int64, [B], indices into the batch
    kept : Tensor, float, [H, W], 0..1
    """
    kept = kept.to(images.dtype)
    return Mixed(
        torch.lerp(images[partners], images, kept),
        torch.lerp(targets[partners], targets, kept.mean()),
    )


def draw_share(alpha: float, generator: torch.Generator) -> Tensor:
    """Return a draw of Beta(alpha, alpha), the share that an image keeps.

    MixUp is of Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018).

    Parameters
    ----------
    alpha : float, above 0
    generator : torch.Generator

    Returns
    -------
    Tensor, float64, [], 0..1, on the device of the generator
    """
    # The ratio of two Gamma(alpha) draws, each as Gamma(alpha + 1) times u^(1 / alpha), in logs: a
    # Gamma of a small alpha is 0 in floating point, and two of them would have no ratio.
    shape = torch.full((2,), alpha + 1, dtype=torch.float64, device=generator.device)
    log_gamma = torch._standard_gamma(shape, generator=generator).log()
    log_gamma += (
        torch.rand(2, generator=generator, dtype=shape.dtype, device=shape.device).log() / alpha
    )
    return torch.sigmoid(log_gamma[0] - log_gamma[1])


def outside_box(share: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Return what CutMix keeps: all but a box of the image's shape, cut off at the borders.

    CutMix is of Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
    Localizable Features" (2019).

    Parameters
    ----------
    share : Tensor, float64, [], 0..1, part of the image outside an uncut box
    x, y : Tensor, int64, [], pixels, the centre of the box
    size : pair of int, pixels, height and width

    Returns
    -------
    Tensor, float32, [H, W], 1 outside the box and 0 inside
    """
    down = _within(y, share, size[0])
    across = _within(x, share, size[1])
    return 1 - (down[:, None] & across).float()


def _within(centre: Tensor, share: Tensor, pixels: int) -> Tensor:
    """Return which of the places along one axis the box covers, bool, [pixels]."""
    half = (0.5 * (1 - share).sqrt() * pixels).floor()
    places = torch.arange(pixels, device=share.device)
    return (places >= centre - half) & (places < centre + half)


def _draw_kept(
    mixup: float, cutmix: float, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    if not cutmix:
        return draw_share(mixup, generator).expand(size)
    share = draw_share(cutmix, generator)
    y, x = (torch.randint(n, (), generator=generator, device=share.device) for n in size)
    box = outside_box(share, x, y, size)
    if not mixup:
        return box
    # Both are drawn where one is used: to branch, the host would have to wait for the device.
    by_mixup = torch.rand((), generator=generator, device=share.device) < 1 / 2
    return torch.where(by_mixup, draw_share(mixup, generator).float(), box)
