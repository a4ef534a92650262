"""A descriptor that small shifts, brightness, mirroring and quarter turns hardly change."""

import numpy as np
from numpy.typing import NDArray

from trainables.picture import Pixels

Floats = NDArray[np.float32]

_FREQUENCIES = 5
_CHUNK = 256
_LEAST = 1e-12


def spectra(images: Pixels) -> Floats:
    """Return the strengths of the lowest spatial frequencies of every picture.

    A shift changes phases alone, mirroring and turning exchange frequencies of one length, and
    brightness scales all strengths alike; the mean over each such set, as a share of all of them,
    stays. A window keeps what enters at the edge of a shifted picture small.

    Parameters
    ----------
    images : array, uint8, [N, S, S, 3], memory-mapped or not

    Returns
    -------
    array, float32, [N, 60], in 0..1
        The fourth root of the shares, so that weak frequencies count beside strong ones. Without
        contrast they mean nothing.
    """
    waves = _windowed_waves(images.shape[1])
    shares = [
        _shares(images[start : start + _CHUNK], waves) for start in range(0, len(images), _CHUNK)
    ]
    return np.concatenate(shares) ** np.float32(0.25)


def _windowed_waves(size: int) -> Floats:
    """Return cosines of frequency 0..F, then sines of 1..F, under a Hann window: `[2F+1, S]`."""
    angles = 2 * np.pi * np.outer(np.arange(_FREQUENCIES + 1), np.arange(size)) / size
    waves = np.concatenate([np.cos(angles), np.sin(angles[1:])])
    return (waves * np.hanning(size + 2)[1:-1]).astype(np.float32)


def _shares(images: Pixels, waves: Floats) -> Floats:
    """Return the share of each set of frequencies in each channel, `[n, 3 * 20]`."""
    pixels = images.astype(np.float32).transpose(0, 3, 1, 2)
    found = waves @ pixels @ waves.T  # [n, 3, 2F+1, 2F+1], two small products for a whole transform
    whole = waves.sum(axis=1)
    means = found[..., :1, :1] / whole[0] ** 2
    found -= means * np.outer(whole, whole)
    num = _FREQUENCIES + 1
    squares = found**2
    # |F(u, v)|^2 + |F(u, -v)|^2 is twice the sum of these four squares: the mixed terms cancel.
    power = squares[..., :num, :num]
    power[..., 1:, :] += squares[..., num:, :num]
    power[..., :, 1:] += squares[..., :num, num:]
    power[..., 1:, 1:] += squares[..., num:, num:]
    power = power + power.swapaxes(-1, -2)
    above = np.triu_indices(num)
    strengths = power[..., above[0], above[1]][..., 1:].reshape(len(images), -1)
    total = strengths.sum(axis=1, keepdims=True)
    return np.asarray(strengths / np.maximum(total, _LEAST), dtype=np.float32)
