"""A drawn data set of blood cells with the faults of a real collection, each of them known."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainables.cells import CELL_CLASSES, clean_lab, draw_cells, shifted_lab

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

CLASS_SHARES = (0.08, 0.17, 0.1, 0.16, 0.08, 0.1, 0.18, 0.13)
"""Share of each class, about that of the PBC set."""
NUM_CELLS = 2470
"""Training cells drawn, those later mislabelled or broken among them."""
NUM_TEST = 800
NUM_SHIFTED = 800
NUM_WRONG_LABELS = 52
NUM_UNDECODABLE = 8
NUM_DUPLICATES = 52
NUM_CONFLICTS = 12
"""Duplicates whose label contradicts the original's."""
NUM_NEAR_DUPLICATES = 26
NUM_JUNK_EACH = 13
"""Junk pictures of each of the four kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCells:
    """Pictures, labels, and what is known to be wrong with each."""

    images: Images
    """`[N, S, S, 3]`, red, green, blue; zeros where the fault is `undecodable`."""
    labels: Labels
    """`[N]`, index into `CELL_CLASSES`, as a user would find it: wrong where a fault says so."""
    parts: NDArray[np.str_]
    """`[N]`, `train`, `test` or `shifted`; the last two have no faults."""
    faults: NDArray[np.str_]
    """`[N]`, empty, `duplicate`, `near_duplicate`, `junk`, `label` or `undecodable`."""

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths."""
        lengths = {len(self.images), len(self.labels), len(self.parts), len(self.faults)}
        if len(lengths) > 1:
            raise ValueError(f"the arrays have {sorted(lengths)} rows, but must have equally many.")


def synthetic_cells(*, size: int = 64, seed: int = 0) -> SyntheticCells:
    """Draw the whole data set; equal arguments draw equal cells.

    Parameters
    ----------
    size : int, pixels, 16 or more
    seed : int, 0 or more
    """
    # A stream each, so that a change of the training part leaves both test parts as they are.
    train, test, shifted = (np.random.default_rng([seed, stream]) for stream in range(3))
    blocks = [
        _draw_train(size, train),
        _draw_part("test", NUM_TEST, size, test),
        _draw_part("shifted", NUM_SHIFTED, size, shifted),
    ]
    return _join(blocks)


def _draw_part(part: str, count: int, size: int, rng: np.random.Generator) -> SyntheticCells:
    """Draw cells without a fault, in the laboratory that the part is named for."""
    labels = _draw_labels(count, rng)
    domain = shifted_lab() if part == "shifted" else clean_lab()
    images = draw_cells(labels, size=size, rng=rng, domain=domain)
    return _block(images, labels, part, "")


def _draw_train(size: int, rng: np.random.Generator) -> SyntheticCells:
    """Draw the training part, plant its faults, each in other cells, and shuffle."""
    clean = _draw_part("train", NUM_CELLS, size, rng)
    counts = (NUM_WRONG_LABELS, NUM_UNDECODABLE, NUM_DUPLICATES, NUM_NEAR_DUPLICATES)
    wrong, broken, twins, cousins, _ = np.split(rng.permutation(NUM_CELLS), np.cumsum(counts))
    twin_labels = clean.labels[twins]
    twin_labels[:NUM_CONFLICTS] = _other_labels(twin_labels[:NUM_CONFLICTS], rng)
    junk = _draw_junk(size, rng)
    near = _disturb(clean.images[cousins], rng)
    extra = [
        _block(clean.images[twins], twin_labels, "train", "duplicate"),
        _block(near, clean.labels[cousins], "train", "near_duplicate"),
        _block(junk, _draw_labels(len(junk), rng), "train", "junk"),
    ]
    clean.labels[wrong] = _other_labels(clean.labels[wrong], rng)
    clean.faults[wrong] = "label"
    clean.images[broken] = 0
    clean.faults[broken] = "undecodable"
    return _shuffle(_join([clean, *extra]), rng)


def _draw_labels(count: int, rng: np.random.Generator) -> Labels:
    """Draw labels by the share of each class, int64 [count]."""
    return rng.choice(len(CELL_CLASSES), count, p=CLASS_SHARES)


def _other_labels(labels: Labels, rng: np.random.Generator) -> Labels:
    """Draw for each label one that differs, int64 [N]."""
    steps = rng.integers(1, len(CELL_CLASSES), len(labels))
    return (labels + steps) % len(CELL_CLASSES)


def _disturb(images: Images, rng: np.random.Generator) -> Images:
    """Take each picture again a moment later: a pixel aside, another exposure, other noise."""
    aside = images.copy()
    aside[:, :, 1:] = images[:, :, :-1]
    exposure = rng.uniform(0.94, 1.06, (len(images), 1, 1, 1))
    return to_uint8(aside * exposure + rng.normal(0, 2, images.shape))


def _draw_junk(size: int, rng: np.random.Generator) -> Images:
    """Draw what is no cell: noise, blank frames, empty background, one odd picture many times."""
    shape = (NUM_JUNK_EACH, size, size, 3)
    noise = rng.integers(0, 256, shape).astype(np.uint8)
    blank = np.broadcast_to(rng.integers(0, 256, (NUM_JUNK_EACH, 1, 1, 1)), shape).astype(np.uint8)
    chart = np.broadcast_to(_draw_chart(size), shape)
    return np.concatenate([noise, blank, _draw_background(size, rng), chart])


def _draw_background(size: int, rng: np.random.Generator) -> Images:
    """Draw red cells alone: the top of a wide picture, out of the reach of its platelet."""
    platelets = np.full(NUM_JUNK_EACH, CELL_CLASSES.index("platelet"))
    wide = replace(clean_lab(), zoom=(0.5, 0.6), drift=0.05)
    return draw_cells(platelets, size=3 * size, rng=rng, domain=wide)[:, :size, size : 2 * size]


def _draw_chart(size: int) -> Images:
    """Draw the odd picture, coloured rings as on a lens maker's chart, uint8 [S, S, 3]."""
    axis = np.linspace(-1, 1, size)
    away = np.hypot(axis, axis[:, None])[:, :, None]
    return to_uint8(127.5 + 127.5 * np.sin(away * np.array([5, 7, 9])))


def to_uint8(levels: NDArray[np.float64]) -> Images:
    """Round grey levels of 255 and clip them."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _block(images: Images, labels: Labels, part: str, fault: str) -> SyntheticCells:
    """Wrap pictures of one part that share a fault; the arrays can hold any other fault's name."""
    count = len(labels)
    return SyntheticCells(
        images=images,
        labels=labels,
        parts=np.full(count, part, "U7"),
        faults=np.full(count, fault, "U14"),
    )


def _join(blocks: list[SyntheticCells]) -> SyntheticCells:
    """Put blocks one after the other."""
    return SyntheticCells(
        images=np.concatenate([block.images for block in blocks]),
        labels=np.concatenate([block.labels for block in blocks]),
        parts=np.concatenate([block.parts for block in blocks]),
        faults=np.concatenate([block.faults for block in blocks]),
    )


def _shuffle(cells: SyntheticCells, rng: np.random.Generator) -> SyntheticCells:
    """Put the rows in an order that says nothing."""
    order = rng.permutation(len(cells.labels))
    return SyntheticCells(
        images=cells.images[order],
        labels=cells.labels[order],
        parts=cells.parts[order],
        faults=cells.faults[order],
    )
