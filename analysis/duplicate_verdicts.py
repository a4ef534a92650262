"""What becomes of the pictures that have duplicates."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.duplicates import Duplicates, Indices
from spaces.verdict import DROP, KEEP, RELABEL
from trainables.manifest import NO_GROUP
from trainables.source import NO_LABEL
from trainables.store import ImageStore


def duplicate_verdicts(
    found: Duplicates, store: ImageStore, *, settled: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Return the verdicts on all pictures that have a duplicate.

    The lowest row of a group stays, under the label of more than half of those that have one; where
    labels disagree and none has that many, the whole group is dropped.

    Parameters
    ----------
    found : Duplicates
    store : ImageStore
        Where they were found.
    settled : array, bool, [N], optional
        Pictures that have their verdict already; groups are judged as if they were not there.

    Returns
    -------
    DataFrame
        row, verdict, reason, score and suggested_label of a manifest.
    """
    columns = ["row", "verdict", "reason", "score", "suggested_label"]
    rows = [
        (int(store.rows[index]), *verdict)
        for members in _members(found.groups, settled)
        for index, verdict in zip(members, _judged(found, store, members), strict=True)
    ]
    return pd.DataFrame(rows, columns=columns).astype({"reason": "string"})


def leaking_groups(groups: Indices, parts: NDArray[np.str_]) -> Indices:
    """Return the groups that lie in more than one part of a source."""
    inside = groups != NO_GROUP
    pairs = np.unique(
        np.stack([groups[inside], np.unique(parts, return_inverse=True)[1][inside]]), axis=1
    )
    numbers, counts = np.unique(pairs[0], return_counts=True)
    return np.asarray(numbers[counts > 1], dtype=np.int64)


def _judged(
    found: Duplicates, store: ImageStore, members: Indices
) -> Iterator[tuple[str, str | None, float, int]]:
    """Yield verdict, reason, score and suggested label of the members of one group."""
    labels = store.labels[members]
    is_conflict = len(set(labels.tolist()) - {NO_LABEL}) > 1
    reason = "conflicting_duplicate" if is_conflict else None
    agreed = _majority(store, members)
    own = int(labels[0])
    if agreed is None:
        yield (DROP if is_conflict else KEEP), reason, float(found.scores[members[0]]), -1
    elif agreed != own:
        yield RELABEL, reason or "duplicate", float(found.scores[members[0]]), agreed
    else:
        yield KEEP, reason, float(found.scores[members[0]]) if reason else 0.0, -1
    seen = {int(found.same[members[0]])}
    for index in members[1:]:
        kind = "duplicate" if int(found.same[index]) in seen else "near_duplicate"
        seen.add(int(found.same[index]))
        yield DROP, reason or kind, float(found.scores[index]), -1


def _majority(store: ImageStore, members: Indices) -> int | None:
    """Return the label of more than half of those that have one; None where there is none.

    No label of a picture for tests counts beside those of pictures that a search may look at.
    """
    searched = members[store.is_searched[members]]
    known = store.labels[searched if len(searched) else members]
    labels, counts = np.unique(known[known != NO_LABEL], return_counts=True)
    if len(labels) and 2 * counts.max() > counts.sum():
        return int(labels[counts.argmax()])
    return None


def _members(groups: Indices, settled: NDArray[np.bool_] | None) -> list[Indices]:
    """Return the indices of every group of two or more, in ascending order."""
    judged = np.flatnonzero((groups != NO_GROUP) & (True if settled is None else ~settled))
    judged = judged[groups[judged].argsort(kind="stable")]
    starts = np.flatnonzero(np.diff(groups[judged], prepend=NO_GROUP - 1))
    return [members for members in np.split(judged, starts[1:]) if len(members) > 1]
