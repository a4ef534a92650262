"""How strange each picture is among the others, most of which belong together.

What belongs is learned from the pictures themselves, junk among them. Every class begins with the
half of its pictures that lie nearest to its median; pictures close to these are taken in, round by
round, and what is never reached stays strange. So a dense cluster far from all others is strange
however dense it is, and a rare but coherent class, or one that is stained otherwise, is not. This
is the forward search of Atkinson, Riani and Cerioli, "Exploring Multivariate Data with the Forward
Search" (Springer, 2004), with the distance to the k-th neighbour in place of Mahalanobis's.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from analysis.descriptors import Descriptors

Features = NDArray[np.float32]
Distances = NDArray[np.float64]

_REACH = 4.2
"""Medians within which a picture is taken in: further than what is called junk, so that a few odd
cells take in the others of a rare stain."""
_NUM_COMPONENTS = 24
_NEIGHBOUR = 4
_MAX_REFERENCE = 4000
_MAX_ROUNDS = 10
_MAX_DEVIATIONS = 12


def join_descriptors(descriptors: Descriptors) -> Features:
    """Return all descriptors side by side, `[N, D]`: each centred and scaled, groups of equal say.

    Medians and quartiles give centre and scale, so that junk gives neither while it is less than a
    quarter of the distinct pictures.
    """
    joined = []
    for values in descriptors.values():
        low, centre, high = np.percentile(values, [25, 50, 75], axis=0)
        scale = (high - low) / 1.35
        # A colour that no cell has does not vary, but a picture that has it must not count alone.
        scale = np.maximum(scale, 0.2 * np.median(scale) + 1e-4)
        away = np.clip((values - centre) / scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
        joined.append((away / np.sqrt(values.shape[1])).astype(np.float32))
    return np.concatenate(joined, axis=1)


def strangeness_of(features: Features, labels: NDArray[np.int64], seed: int) -> Distances:
    """Return how far each picture is from those that belong, `[N]`, in medians of these.

    Parameters
    ----------
    features : float32, [N, D]
        From `join_descriptors`, of distinct pictures.
    labels : int64, [N]
    seed : int, 0 or more
        Chooses the 4,000 pictures with which all are compared where there are more.
    """
    # One order for all rounds: pictures chosen anew each time would never settle.
    order = np.random.default_rng(seed).permutation(len(features))
    belongs = _hearts_of_classes(features, labels)
    for _ in range(_MAX_ROUNDS):
        away = _distance_to(features, belongs, order)
        away /= max(float(np.median(away[belongs])), 1e-6)
        reached = away < _REACH
        if (reached == belongs).all() or reached.sum() <= _NEIGHBOUR:
            break
        belongs = reached
    return away


def _hearts_of_classes(features: Features, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pictures are of the half of their class that is nearest to its median."""
    heart = np.zeros(len(features), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        away = np.square(features[rows] - np.median(features[rows], axis=0)).sum(axis=1)
        heart[rows[np.argsort(away)[: (len(rows) + 1) // 2]]] = True
    return heart


def _distance_to(
    features: Features, belongs: NDArray[np.bool_], order: NDArray[np.int64]
) -> Distances:
    """Return the distance of each picture to its fourth neighbour of those that belong, `[N]`.

    Pictures are compared by their main components and by the length of what these leave out.
    """
    chosen = np.flatnonzero(belongs)
    pca = PCA(min(_NUM_COMPONENTS, len(chosen) - 1), random_state=0).fit(features[chosen])
    main = pca.transform(features)
    rest = np.linalg.norm(features - pca.inverse_transform(main), axis=1)
    places = np.column_stack([main, rest])
    chosen = order[belongs[order]][:_MAX_REFERENCE]
    count = min(_NEIGHBOUR + 1, len(chosen))
    neighbours = NearestNeighbors(n_neighbors=count).fit(places[chosen])
    away = neighbours.kneighbors(places)[0].astype(np.float64)
    # A picture is its own nearest neighbour where it is one of those compared with.
    own = np.isin(np.arange(len(features)), chosen)
    distances: Distances = np.where(own, away[:, count - 1], away[:, max(count - 2, 0)])
    return distances
