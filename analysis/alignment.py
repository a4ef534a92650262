"""How alike two pictures are once brightness, a small shift, mirroring and turns are undone."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from trainables.picture import Pixels

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]
"""`[n, 2]`, two indices each."""

NUM_TURNS = 8
"""Quarter turns of a square, and those of its mirror image."""

_MAX_SHIFT = 2
_CHUNK = 128
_LEAST = 1e-6


def grey_pictures(images: Pixels, size: int) -> Floats:
    """Return `[N, size, size]` grey levels, each the mean over a block of `[N, S, S, 3]` pixels."""
    side = images.shape[1]
    blocks = np.equal.outer(np.arange(size), np.arange(side) * size // side).astype(np.float32)
    blocks /= blocks.sum(axis=1, keepdims=True)
    across = np.repeat(blocks.T / 3, 3, axis=0)  # [3 S, size], channels and columns at once
    grey = np.empty((len(images), size, size), dtype=np.float32)
    for start in range(0, len(images), _CHUNK):
        pixels = images[start : start + _CHUNK].astype(np.float32)
        grey[start : start + _CHUNK] = blocks @ (pixels.reshape(len(pixels), side, -1) @ across)
    return grey


def turned(pictures: Floats, turn: int) -> Floats:
    """Return `[n, S, S]` pictures after one of the `NUM_TURNS` turns; 0 leaves them."""
    is_mirrored, quarters = divmod(turn, 4)
    return np.rot90(pictures[..., ::-1] if is_mirrored else pictures, quarters, (-2, -1))


def best_turns(grey: Floats, pairs: Pairs, num_turns: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return for each pair the highest correlation over turns of the second picture, and the turn.

    Parameters
    ----------
    grey : array, float32, [N, s, s]
        Pictures so coarse that a small shift does not matter.
    pairs : array, int64, [n, 2], indices of pictures
    num_turns : int
        `NUM_TURNS`, or 1 where pictures are taken as they are.
    """
    flat = _standardised(grey)
    scores = np.empty((num_turns, len(pairs)), dtype=np.float32)
    for turn in range(num_turns):
        other = turned(flat.reshape(grey.shape), turn).reshape(flat.shape)
        for start in range(0, len(pairs), _CHUNK * _CHUNK):
            first, second = pairs[start : start + _CHUNK * _CHUNK].T
            scores[turn, start : start + len(first)] = _dots(flat[first], other[second])
    return scores.max(axis=0), scores.argmax(axis=0)


def shifted_correlations(
    images: Pixels, pairs: Pairs, turns: NDArray[np.int64], size: int
) -> Floats:
    """Return `[n]` correlations of grey levels, the highest over shifts of at most two pixels.

    The second picture of a pair is turned first. Correlation is the same at any brightness.

    Parameters
    ----------
    images : array, uint8, [N, S, S, 3]
    pairs : array, int64, [n, 2], indices of pictures
    turns : array, int64, [n], 0..7
    size : int
        Side at which they are compared, at most S: half of it takes a tenth of the time.
    """
    shift = min(-(-_MAX_SHIFT * size // images.shape[1]), (size - 1) // 4)
    best = np.full(len(pairs), -1, dtype=np.float32)
    for turn in np.unique(turns):
        of_turn = np.flatnonzero(turns == turn)
        for start in range(0, len(of_turn), _CHUNK):
            chosen = of_turn[start : start + _CHUNK]
            first, second = (grey_pictures(images[pairs[chosen, k]], size) for k in (0, 1))
            best[chosen] = _best_correlation(first, turned(second, turn), shift)
    return best


def _best_correlation(first: Floats, second: Floats, shift: int) -> Floats:
    inner = first.shape[-1] - 2 * shift
    middle = _standardised(first[:, shift : shift + inner, shift : shift + inner])
    best = np.full(len(first), -1, dtype=np.float32)
    for down, across in product(range(2 * shift + 1), repeat=2):
        window = second[:, down : down + inner, across : across + inner]
        np.maximum(best, _dots(middle, _standardised(window)), out=best)
    return best


def _standardised(pictures: Floats) -> Floats:
    """Return `[n, s * s]` levels of mean 0 and length 1; zeros where there is no contrast."""
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), _LEAST))


def _dots(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", first, second))
