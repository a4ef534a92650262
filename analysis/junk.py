"""Pictures that are no cells: blank and noise frames, and whatever does not belong.

What belongs is learned from the pictures themselves, junk among them. Every class begins with the
half of its pictures that lie nearest to its median; pictures close to these are taken in, round by
round, and what is never reached is junk. So a dense cluster far from all others stays outside
however dense it is, and a rare but coherent class, or one that is stained otherwise, is kept. This
is the forward search of Atkinson, Riani and Cerioli, "Exploring Multivariate Data with the Forward
Search" (Springer, 2004), with the distance to the k-th neighbour in place of Mahalanobis's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from analysis.descriptors import Descriptors, Progress, describe
from trainables.picture import Pixels

Features = NDArray[np.float32]

THRESHOLD = 0.5
"""Score from which a picture is junk."""

_MIN_SIDE = 8
_MIN_DISTINCT = 30
_BLANK_DEVIATION = 3 / 255
_NOISE_STEP = 1.5
_FAR = 3.5
_REACH = 4.2
"""Further than `_FAR`, so that a few odd cells take in the others of a rare stain."""
_STEEPNESS = 4
_NUM_COMPONENTS = 24
_NEIGHBOUR = 4
_MAX_REFERENCE = 4000
_MAX_ROUNDS = 10
_MAX_DEVIATIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class JunkVerdict:
    """What was found in each picture; all arrays have one entry per picture."""

    scores: NDArray[np.float64]
    """`[N]`, 0..1, how sure it is that the picture is junk."""
    kinds: NDArray[np.str_]
    """`[N]`, `blank`, `noise` or `stranger` where the picture is junk, else empty."""

    @property
    def junk(self) -> NDArray[np.bool_]:
        """`[N]`, whether the picture is junk."""
        return self.kinds != ""


def find_junk(
    images: Pixels,
    labels: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    threshold: float = THRESHOLD,
    seed: int = 0,
    progress: Progress | None = None,
) -> JunkVerdict:
    """Return which pictures are junk, and how sure that is.

    Parameters
    ----------
    images : uint8, [N, S, S, 3]
        RGB; of fewer than 8 pixels a side nothing can be said, and all are kept.
    labels : int64, [N]
        Classes, -1 where there is none; wrong ones do no harm.
    groups : int64, [N], optional
        Duplicate groups, -1 for a picture without: a group counts as one picture.
    threshold : float, 0..1
        Score from which a picture is junk; lower finds more, and drops more cells.
    seed : int, 0 or more
        Chooses the 4,000 pictures with which all are compared where there are more.
    progress : callable, optional
        Told (pictures described, pictures in all).
    """
    if len(images) == 0 or images.shape[1] < _MIN_SIDE:
        return _verdict(np.zeros(len(images)), _no_kinds(len(images)), threshold)
    return judge(describe(images, progress), labels, groups=groups, threshold=threshold, seed=seed)


def judge(
    descriptors: Descriptors,
    labels: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    threshold: float = THRESHOLD,
    seed: int = 0,
) -> JunkVerdict:
    """Return the verdict on pictures that are described already; see `find_junk`."""
    kinds = frame_kinds(descriptors)
    scores = np.where(kinds != "", 1.0, 0.0)
    plain = np.flatnonzero(kinds == "")
    first, member = distinct_rows(
        {name: values[plain] for name, values in descriptors.items()},
        None if groups is None else groups[plain],
    )
    if len(first) >= _MIN_DISTINCT:
        rows = plain[first]
        features = join_descriptors({name: values[rows] for name, values in descriptors.items()})
        strangeness = strangeness_of(features, labels[rows], seed)
        # 0.5 where a picture is as far as one may be, 0.01 for the median picture.
        scores[plain] = (1 / (1 + (_FAR / strangeness) ** _STEEPNESS))[member]
    return _verdict(scores, kinds, threshold)


def _no_kinds(count: int) -> NDArray[np.str_]:
    return np.full(count, "", "U8")


def _verdict(scores: NDArray[np.float64], kinds: NDArray[np.str_], threshold: float) -> JunkVerdict:
    strange = (kinds == "") & (scores >= threshold) & (scores > 0)
    return JunkVerdict(scores=scores, kinds=np.where(strange, "stranger", kinds))


def frame_kinds(descriptors: Descriptors) -> NDArray[np.str_]:
    """Return `blank`, `noise` or an empty string for each picture, by direct rule, `[N]`.

    Blank is what deviates by fewer than 3 grey levels of 255 in every channel once it is averaged
    to 32 x 32, one colour or none. Noise is what loses a third of its contrast each time that
    four pixels are averaged; white noise loses half, while pictures of things gain.
    """
    deviation = descriptors["moments"][:, 3:6].max(axis=1)
    finest, coarser = descriptors["texture"][:, [0, 3]].T
    kinds = _no_kinds(len(deviation))
    kinds[finest - coarser > np.log(_NOISE_STEP)] = "noise"
    kinds[deviation < _BLANK_DEVIATION] = "blank"
    return kinds


def distinct_rows(
    descriptors: Descriptors, groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each distinct picture, and the number of each row's picture.

    Rows of one group are one picture, and so are those whose thumbnail and moments are equal to
    two decimals: a picture that is repeated must not lend itself weight.
    """
    looks = np.concatenate([descriptors["thumbnail"], descriptors["moments"]], axis=1)
    member = np.unique(looks.round(2), axis=0, return_inverse=True)[1].reshape(-1)
    if groups is not None:
        alone = np.arange(len(groups)) + groups.max(initial=0) + 1
        _, first, group = np.unique(
            np.where(groups >= 0, groups, alone), return_index=True, return_inverse=True
        )
        member = member[first][group]
    _, first, member = np.unique(member, return_index=True, return_inverse=True)
    return first, member


def join_descriptors(descriptors: Descriptors) -> Features:
    """Return all descriptors side by side, `[N, D]`: each centred and scaled, groups of equal say.

    Medians and the middle 80 % of the pictures give centre and scale, so that junk gives neither.
    """
    joined = []
    for values in descriptors.values():
        low, centre, high = np.percentile(values, [10, 50, 90], axis=0)
        scale = (high - low) / 2.56
        # A colour that no cell has does not vary, but a picture that has it must not count alone.
        scale = np.maximum(scale, 0.2 * np.median(scale) + 1e-4)
        away = np.clip((values - centre) / scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
        joined.append((away / np.sqrt(values.shape[1])).astype(np.float32))
    return np.concatenate(joined, axis=1)


def strangeness_of(features: Features, labels: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return how far each picture is from those that belong, `[N]`; their median is 1."""
    rng = np.random.default_rng(seed)
    belongs = _hearts_of_classes(features, labels)
    for _ in range(_MAX_ROUNDS):
        away = _distance_to(features, belongs, rng)
        away /= max(float(np.median(away[belongs])), 1e-6)
        reached = away < _REACH
        if (reached == belongs).all():
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
    features: Features, belongs: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the distance of each picture to its fourth neighbour of those that belong, `[N]`.

    Pictures are compared by their main components and by the length of what these leave out.
    """
    chosen = np.flatnonzero(belongs)
    pca = PCA(min(_NUM_COMPONENTS, len(chosen) - 1), random_state=0).fit(features[chosen])
    main = pca.transform(features)
    rest = np.linalg.norm(features - pca.inverse_transform(main), axis=1)
    places = np.column_stack([main, rest])
    if len(chosen) > _MAX_REFERENCE:
        chosen = np.sort(rng.choice(chosen, _MAX_REFERENCE, replace=False))
    neighbours = NearestNeighbors(n_neighbors=_NEIGHBOUR + 1).fit(places[chosen])
    away = neighbours.kneighbors(places)[0].astype(np.float64)
    # A picture is its own nearest neighbour where it is one of those compared with.
    own = np.isin(np.arange(len(features)), chosen)
    return np.where(own, away[:, _NEIGHBOUR], away[:, _NEIGHBOUR - 1])
