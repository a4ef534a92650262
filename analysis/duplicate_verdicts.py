"""What becomes of the pictures that have duplicates."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.duplicates import Duplicates, Indices
from trainables.manifest import DROP, KEEP, NO_GROUP, RELABEL
from trainables.source import NO_LABEL
from trainables.store import ImageStore


def duplicate_verdicts(
    found: Duplicates, store: ImageStore, *, settled: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Return the verdicts on all pictures that have a duplicate.

    The lowest row of a group stays. Where labels disagree, it takes the label of more than half of
    the group; without such a label the whole group is dropped.

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
        row, verdict, reason, group, score and suggested_label of a manifest.
    """
    columns = ["row", "verdict", "reason", "group", "score", "suggested_label"]
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
) -> Iterator[tuple[str, str | None, int, float, int]]:
    """Yield verdict, reason, group, score and suggested label of the members of one group."""
    group, own = int(found.groups[members[0]]), int(store.labels[members[0]])
    known = store.labels[members][store.labels[members] != NO_LABEL]
    labels, counts = np.unique(known, return_counts=True)
    is_conflict = len(labels) > 1
    reason = "conflicting_duplicate" if is_conflict else None
    first, suggested = KEEP, -1
    if is_conflict and 2 * counts.max() <= len(known):
        first = DROP
    elif is_conflict and labels[counts.argmax()] != own:
        first, suggested = RELABEL, int(labels[counts.argmax()])
    yield first, reason, group, float(found.scores[members[0]]) if reason else 0.0, suggested
    seen = {int(found.same[members[0]])}
    for index in members[1:]:
        kind = "duplicate" if int(found.same[index]) in seen else "near_duplicate"
        seen.add(int(found.same[index]))
        yield DROP, reason or kind, group, float(found.scores[index]), -1


def _members(groups: Indices, settled: NDArray[np.bool_] | None) -> list[Indices]:
    """Return the indices of every group of two or more, in ascending order."""
    judged = np.flatnonzero((groups != NO_GROUP) & (True if settled is None else ~settled))
    judged = judged[groups[judged].argsort(kind="stable")]
    starts = np.flatnonzero(np.diff(groups[judged], prepend=NO_GROUP - 1))
    return [members for members in np.split(judged, starts[1:]) if len(members) > 1]
