"""A quick look at a store, before anybody has audited its source."""

import numpy as np
from numpy.typing import NDArray

from trainables.store import ImageStore


def data_warning(store: ImageStore) -> str | None:
    """Return a line on what would spoil a sweep, as far as hashes tell; None where nothing would.

    Told of are rows that cannot be decoded, and byte-identical pictures under different labels or
    in different parts of the source.
    """
    in_conflict = _num_shared(store.contents, store.labels)
    leaking = _num_shared(store.contents, np.unique(store.parts, return_inverse=True)[1])
    findings = [
        ("rows that cannot be decoded", len(store.bad_rows)),
        ("images under different labels", in_conflict),
        ("images in several parts", leaking),
    ]
    found = [f"{what}: {count}" for what, count in findings if count]
    if not found:
        return None
    return (
        f"{store.source}: {', '.join(found)}; find more with `cytosweep audit {store.source}"
        " -o DIR`, and name its manifest in data.keep"
    )


def _num_shared(contents: NDArray[np.int64], values: NDArray[np.int64]) -> int:
    """Return how many contents come with more than one value."""
    pairs = np.unique(np.stack([contents, values], axis=1), axis=0)
    return int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())
