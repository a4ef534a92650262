"""Pictures that are no cells: blank and noise frames, and whatever does not belong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.descriptors import Descriptors, describe
from analysis.strangeness import join_descriptors, strangeness_of
from trainables.manifest import separated
from trainables.picture import Pixels
from trainables.store import Progress

THRESHOLD = 0.5
"""Score from which a picture is junk."""

_MIN_SIDE = 8
_MIN_DISTINCT = 30
_BLANK_DEVIATION = 3 / 255
_NOISE_STEP = 1.5
_FAR = 3.7
"""Medians of strangeness from which a picture is more likely junk than not."""
_STEEPNESS = 4
_TINY = 1e-6


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
        return np.asarray(self.kinds != "")


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
        Score from which a picture is junk; lower finds more, and drops more cells. Blank and noise
        frames are junk at any.
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
    """Return the verdict on pictures that are described already; see `find_junk`.

    Fewer than 30 distinct pictures tell nothing of what is usual: only frames are junk then.
    """
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
        scores[plain] = (1 / (1 + (_FAR / np.maximum(strangeness, _TINY)) ** _STEEPNESS))[member]
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
        _, first, group = np.unique(separated(groups), return_index=True, return_inverse=True)
        member = member[first][group]
    _, first, member = np.unique(member, return_index=True, return_inverse=True)
    return first, member
