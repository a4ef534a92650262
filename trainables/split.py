"""Splitting a store into training, validation and test images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spaces import SplitSpec
from trainables.open_source import open_source
from trainables.source import NO_LABEL, DataError
from trainables.store import ImageStore

Indices = NDArray[np.int64]

_MAX_FOLDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Indices into a store, sorted, of three sets that share no image."""

    train: Indices
    validation: Indices
    test: Indices


def split_store(store: ImageStore, spec: SplitSpec) -> Split:
    """Split a store, stratified by class; a source's own parts are kept.

    Images of one unit (of one content, or of one group) fall into the same set; what the store does
    not keep is in none. Where the source has a training part but no validation part, the training
    part is split.

    Raises
    ------
    DataError
        Where there is nothing or only one class to train on, a label is missing, the validation
        part has a class of its own, or a class or the groups are too few.
    """
    has_parts = bool((store.parts != "").any())
    own = {
        part: np.flatnonzero(store.kept & (store.parts == part)) for part in ("validation", "test")
    }
    # Beside parts of its own, a source may hold images of no part: they are there to train on.
    pool = np.flatnonzero(store.kept & np.isin(store.parts, ["train", ""]))
    _check_parts(store, pool, own["validation"])
    rng = np.random.default_rng(spec.seed)
    test, validation = own["test"], own["validation"]
    if spec.test > 0 and not has_parts:
        test = _part(store, pool, spec.test, spec.group, rng)
        pool = np.setdiff1d(pool, test)
    if len(validation) == 0:
        rest = 1.0 if has_parts else 1.0 - spec.test
        validation = _part(store, pool, spec.validation / rest, spec.group, rng)
        pool = np.setdiff1d(pool, validation)
    missing = np.setdiff1d(store.labels[validation], store.labels[pool])
    if len(missing):
        raise DataError(
            f"{store.source}: class {store.class_names[missing[0]]} is left with no image to train"
            f" on, all of it is held out; take another seed{' or group' * (spec.group is not None)}"
        )
    return Split(train=pool, validation=validation, test=test)


def _check_parts(store: ImageStore, pool: Indices, validation: Indices) -> None:
    """Refuse what cannot be learned from, and a validation part that does not fit it."""
    is_thinned = not store.kept.all()
    if len(pool) == 0 and is_thinned:
        raise DataError(
            f"{store.source}: has no image to train on that data.keep keeps; edit its verdicts"
        )
    if len(pool) == 0:
        parts = ", ".join(np.unique(store.parts))
        raise DataError(
            f"{store.source}: has no images to train on, only the parts {parts}; add a part train"
        )
    used = np.concatenate([pool, validation])
    if (store.labels[used] == NO_LABEL).any():
        row = store.rows[used[np.argmax(store.labels[used] == NO_LABEL)]]
        raise DataError(f"{store.source}: row {row} has no label; training needs one for every row")
    present = np.unique(store.labels[pool])
    if len(present) < 2:  # noqa: PLR2004  # telling apart takes two
        raise DataError(
            f"{store.source}: has one class only ({store.class_names[present[0]]}) to train on, but"
            f" must have at least 2; {'edit data.keep' if is_thinned else 'add the others'}"
        )
    unknown = np.setdiff1d(store.labels[validation], present)
    if len(unknown):
        raise DataError(
            f"{store.source}: class {store.class_names[unknown[0]]} is in the validation part and"
            " not in those to train on; add images of it there, or take it out"
        )


def _part(
    store: ImageStore, pool: Indices, fraction: float, group: str | None, rng: np.random.Generator
) -> Indices:
    if group is None:
        return _stratified_part(store, pool, fraction, rng)
    return _grouped_part(store, pool, fraction, group, rng)


def _stratified_part(
    store: ImageStore, pool: Indices, fraction: float, rng: np.random.Generator
) -> Indices:
    """Draw `fraction` of the contents of every class, at least one and never all."""
    contents, first = np.unique(store.contents[pool], return_index=True)
    label_of_content = store.labels[pool[first]]
    chosen = []
    for label in np.unique(label_of_content):
        members = rng.permutation(contents[label_of_content == label])
        count = max(1, round(fraction * len(members)))
        if count >= len(members):
            raise DataError(
                f"{store.source}: class {store.class_names[label]} has {len(members)} different"
                f" image{'s' * (len(members) > 1)} to split, but each set needs one; add images or"
                " leave the class out"
            )
        chosen.append(members[:count])
    return pool[np.isin(store.contents[pool], np.concatenate(chosen))]


def _grouped_part(
    store: ImageStore, pool: Indices, fraction: float, group: str, rng: np.random.Generator
) -> Indices:
    # Imported here: loading scikit-learn takes a second, which only grouped data has to pay.
    from sklearn.model_selection import StratifiedGroupKFold

    units = _units(store, group)[pool]
    num_groups = len(np.unique(units))
    largest_class = int(np.bincount(store.labels[pool]).max())
    most_folds = min(_MAX_FOLDS, num_groups, largest_class)
    if most_folds < 2:  # noqa: PLR2004  # one to hold out, and one to train on
        raise DataError(
            f"{store.source}: column {group} makes {num_groups} group{'s' * (num_groups > 1)}, too"
            f" few to hold out {fraction:g} of the images; take another group"
        )
    taken, folds = _folds(fraction, most_folds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
    parts = [held_out for _, held_out in splitter.split(pool, store.labels[pool], units)]
    held_out = np.asarray(pool[np.sort(np.concatenate(parts[:taken]))], dtype=np.int64)
    share = len(held_out) / len(pool)
    if not fraction / 2 <= share <= 2 * fraction:
        raise DataError(
            f"{store.source}: column {group} makes {num_groups} groups, with which {len(held_out)}"
            f" of {len(pool)} images are held out for a fraction of {fraction:g}; try"
            f" {share or taken / folds:.2g}, or another group"
        )
    return held_out


def _folds(fraction: float, most: int) -> tuple[int, int]:
    """Return how many of how many folds make about `fraction`.

    The fewest that come within a tenth of it, since large folds hold the classes better.
    """
    options = [(min(max(1, round(fraction * n)), n - 1), n) for n in range(2, most + 1)]
    off = [abs(taken / n - fraction) for taken, n in options]
    is_close = [miss <= fraction / 10 for miss in off]
    return options[is_close.index(True) if any(is_close) else off.index(min(off))]


def _units(store: ImageStore, group: str) -> NDArray[np.int64]:
    """Return, for every image, the number of the set that equal contents and groups link it to."""
    groups = open_source(store.source, group=group).rows().groups
    assert groups is not None  # the source was opened with a group
    return linked(store.contents, groups[store.rows])


def linked(contents: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `[N]` numbers, equal where a chain of equal contents and equal groups leads across."""
    from scipy.sparse import coo_array  # imported here as above
    from scipy.sparse.csgraph import connected_components

    _, of_content = np.unique(contents, return_inverse=True)
    _, of_group = np.unique(groups, return_inverse=True)
    first_group = int(of_content.max()) + 1
    nodes = first_group + int(of_group.max()) + 1
    links = (np.ones(len(of_group)), (of_content, first_group + of_group))
    _, component = connected_components(coo_array(links, shape=(nodes, nodes)), directed=False)
    return np.asarray(component[of_content], dtype=np.int64)
