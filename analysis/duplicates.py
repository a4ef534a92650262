"""Duplicates: groups of pictures that are one picture."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from analysis.alignment import (
    NUM_TURNS,
    Floats,
    Pairs,
    best_turns,
    grey_pictures,
    shifted_correlations,
)
from analysis.spectrum import spectra
from trainables.manifest import NO_GROUP
from trainables.picture import Pixels
from trainables.split import linked
from trainables.store import ImageStore, Progress

Indices = NDArray[np.int64]

_NUM_STAGES = 3
_NUM_NEIGHBOURS = 16
_NUM_COMPONENTS = 16
_COARSE, _MIDDLE, _FINE = 16, 48, 96
"""Sides in pixels at which pairs are compared, one after the other."""
_LEAST_COARSE, _LEAST_MIDDLE, _LEAST_FINE, _LEAST_TURNED = 0.87, 0.88, 0.95, 0.97
"""Correlations that a pair must reach there, the last one where a picture is turned.

Distinct blood cells reach 0.93, or 0.95 if turned; twins lie above 0.98, and as low as 0.94 only
where a quarter more brightness bleaches the background.
"""
_LEAST_CONTRAST = 3.0
"""Standard deviation of grey levels, 0..255, below which two pictures are alike for being blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Which pictures of a store are one picture; all arrays have an entry per picture of it."""

    groups: Indices
    """`[N]`, numbered in the order of their first pictures; -1 for a picture without duplicate."""
    same: Indices
    """`[N]`, equal numbers for equal bytes or, once decoded, equal pixels."""
    scores: NDArray[np.float64]
    """`[N]`, 1 where another picture is the same, else the highest correlation with one of the
    group; 0 without a group."""


def find_duplicates(
    store: ImageStore, *, turned: bool = False, progress: Progress | None = None
) -> Duplicates:
    """Find exact duplicates, and re-encoded, brightened, darkened or slightly shifted ones.

    Candidates are the nearest pictures by their spectra; of these, the ones stay whose grey levels
    correlate at the best shift, first at a coarse size, then at finer ones.

    Parameters
    ----------
    store : ImageStore
    turned : bool
        Whether a mirrored picture, or one after quarter turns, is a duplicate too.
    progress : callable, optional
        Told (stages done, stages in all).
    """
    tell = progress or (lambda _done, _total: None)
    same = linked(store.contents, _pixel_hashes(store.images))
    tell(1, _NUM_STAGES)
    _, firsts, counts = np.unique(same, return_index=True, return_counts=True)
    scores = np.zeros(len(same))
    coarse = grey_pictures(store.images, min(store.images.shape[1], _COARSE))
    candidates = _candidates(store.images, coarse, np.sort(firsts))
    tell(2, _NUM_STAGES)
    num_turns = NUM_TURNS if turned else 1
    pairs, correlations = _alike(store.images, coarse, candidates, num_turns)
    tell(_NUM_STAGES, _NUM_STAGES)
    for side in (0, 1):  # rounding leaves correlations a little above 1
        np.maximum.at(scores, pairs[:, side], np.minimum(correlations, 1.0))
    scores[counts[same] > 1] = 1.0
    links = np.concatenate([pairs, np.stack([firsts[same], np.arange(len(same))], axis=1)])
    return Duplicates(groups=_groups(links, len(same)), same=same, scores=scores)


def _pixel_hashes(images: Pixels) -> Indices:
    digests = [hashlib.blake2b(p.tobytes(), digest_size=16).digest() for p in images]
    return np.unique(np.array(digests), return_inverse=True)[1].astype(np.int64)


def _groups(links: Pairs, number: int) -> Indices:
    """Return the numbers of the sets of two or more that chains of links hold together, else -1."""
    graph = coo_array((np.ones(len(links)), links.T), shape=(number, number))
    _, component = connected_components(graph, directed=False)
    _, firsts, counts = np.unique(component, return_index=True, return_counts=True)
    groups = np.full(number, NO_GROUP, dtype=np.int64)
    for group, first in enumerate(np.sort(firsts[counts > 1])):
        groups[component == component[first]] = group
    return groups


def _candidates(images: Pixels, coarse: Floats, chosen: Indices) -> Pairs:
    """Return pairs of the chosen pictures that are near each other by their spectra."""
    if images.shape[1] < _COARSE:  # so few pixels are alike by chance
        return np.empty((0, 2), dtype=np.int64)
    chosen = chosen[coarse[chosen].std(axis=(1, 2)) >= _LEAST_CONTRAST]
    return np.asarray(chosen[_neighbours(spectra(images)[chosen])], dtype=np.int64)


def _alike(images: Pixels, coarse: Floats, pairs: Pairs, num_turns: int) -> tuple[Pairs, Floats]:
    """Return the pairs that are one picture, and how they correlate."""
    scores, turns = best_turns(coarse, pairs, num_turns)
    good = scores >= _LEAST_COARSE
    pairs, turns = pairs[good], turns[good]
    for size, least in ((_MIDDLE, _LEAST_MIDDLE), (_FINE, _LEAST_FINE)):
        scores = shifted_correlations(images, pairs, turns, min(images.shape[1], size))
        good = scores >= least
        pairs, turns, scores = pairs[good], turns[good], scores[good]
    good = (turns == 0) | (scores >= _LEAST_TURNED)
    return pairs[good], scores[good]


def _neighbours(descriptors: Floats) -> Pairs:
    """Return the pairs in which one picture is among the nearest few of the other."""
    number = len(descriptors)
    if number < 2:  # noqa: PLR2004  # a pair takes two
        return np.empty((0, 2), dtype=np.int64)
    centred = descriptors - descriptors.mean(axis=0)
    # Distances in the directions that vary most: a tree is quick where there are few of them.
    directions = np.linalg.eigh(centred.T @ centred)[1][:, -_NUM_COMPONENTS:]
    points = centred @ directions
    nearest = KDTree(points).query(points, k=min(_NUM_NEIGHBOURS + 1, number), workers=-1)[1]
    pairs = np.stack([np.repeat(np.arange(number), nearest.shape[1]), nearest.ravel()], axis=1)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    return np.asarray(pairs, dtype=np.int64)
