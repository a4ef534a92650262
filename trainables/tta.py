"""Test-time augmentation: the mean of what a model predicts for several views of an image."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from spaces import TestTimeAugmentation
from trainables import affine

BatchView = Callable[[Tensor], Tensor]
"""From images to the same images seen otherwise, float32, [B, 3, H, W], 0..1."""

_ZOOM = 1.1
_SHIFT = 1 / 16
"""Of the width."""


def tta_views(kind: TestTimeAugmentation) -> tuple[BatchView, ...]:
    """Return the views that a prediction averages, the image as it is first.

    `flips` has 2 views, `turns` the 8 flips and quarter turns, `full` those and the same 8 zoomed
    by 1.1, then shifted to the right by 1/16 of the width: four ways, as seen from the image.
    """
    turns = tuple(
        partial(_turned, quarters=quarters, mirrored=mirrored)
        for mirrored in (False, True)
        for quarters in range(4)
    )
    moved = tuple(partial(_moved, turn=turn) for turn in turns)
    views: dict[TestTimeAugmentation, tuple[BatchView, ...]] = {
        "none": turns[:1],
        "flips": turns[::4],
        "turns": turns,
        "full": turns + moved,
    }
    return views[kind]


def averaged(model: nn.Module, images: Tensor, kind: TestTimeAugmentation) -> Tensor:
    """Return the mean of the class probabilities over the views, one forward pass for each.

    Parameters
    ----------
    model : Module
        From images to logits [B, K].
    images : Tensor, float32, [B, 3, H, W], 0..1
    kind : 'none', 'flips', 'turns' or 'full'

    Returns
    -------
    Tensor, float32, [B, K], rows sum to 1
    """
    probabilities = [model(view(images)).float().softmax(dim=1) for view in tta_views(kind)]
    return torch.stack(probabilities).mean(dim=0)


def _turned(images: Tensor, *, quarters: int, mirrored: bool) -> Tensor:
    """Return images mirrored left-right, then turned counter-clockwise."""
    if mirrored:
        images = images.flip(3)
    if quarters:
        images = affine.in_format_of(images, images.rot90(quarters, (2, 3)))
    return images


def _moved(images: Tensor, *, turn: BatchView) -> Tensor:
    """Return images turned, then zoomed and shifted."""
    zoom = torch.full((len(images),), _ZOOM, device=images.device)
    shift = torch.full_like(zoom, _SHIFT * images.shape[3])
    maps = affine.scaling(zoom, zoom) @ affine.translation(shift, torch.zeros_like(shift))
    return affine.warp(turn(images), maps)
