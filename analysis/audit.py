"""The audit: what is wrong with a source, row by row, before a search learns from it."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.audit_page import ImageMap, audit_page
from analysis.duplicate_verdicts import duplicate_verdicts, leaking_groups
from analysis.duplicates import find_duplicates
from analysis.image_map import choose_mapped, map_images
from analysis.junk import find_junk
from analysis.label_errors import NUM_FOLDS, find_label_errors, out_of_sample_probabilities
from spaces import UserError, write_text
from trainables import open_source, open_store
from trainables.manifest import DROP, KEEP, REASONS, RELABEL, kept_rows, separated, write_manifest
from trainables.source import NO_LABEL
from trainables.store import ImageStore

IMAGE_SIZE = 96
"""Side in pixels at which pictures are compared."""

DROPPED = ("junk", "conflicting_duplicate", "duplicate", "near_duplicate")
"""Reasons for which rows are dropped unless asked otherwise; undecodable rows always are."""

THRESHOLD = 0.9
"""How sure a wrong label must be before the row is relabelled, 0..1."""

MIN_PER_CLASS = 2 * NUM_FOLDS
"""Pictures that a class must have before its labels can be judged."""

Progress = Callable[[str, int, int], None]
"""Told (step, done, in all)."""


@dataclass(kw_only=True)
class Audit:
    """What an audit found."""

    store: ImageStore
    """The pictures that decode."""
    frame: pd.DataFrame
    """The manifest, a row per row of the source."""
    notes: list[str] = field(default_factory=list)
    """What was not looked into, and why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time taken by each step."""
    image_map: ImageMap | None = None
    """Alike pictures near each other; None where it was not drawn."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note how long a step takes."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)

    def mark(self, verdicts: pd.DataFrame) -> None:
        """Write verdicts into the rows that have no reason yet."""
        open_rows = self.frame.loc[verdicts["row"], "reason"].isna().to_numpy()
        fresh = verdicts[open_rows].set_index("row")
        self.frame.loc[fresh.index, fresh.columns] = fresh

    def summary(self) -> dict[str, object]:
        """Return counts and times, as JSON values."""
        names = [*self.store.class_names, "no label"]
        by_reason = {
            reason: rows["label"].map(lambda label: names[label]).value_counts().to_dict()
            for reason, rows in self.frame.groupby("reason")
        }
        groups = self.frame["group"].to_numpy()[self.store.rows]
        return {
            "source": self.store.source,
            "rows": len(self.frame),
            "verdicts": self.frame["verdict"].value_counts().to_dict(),
            "reasons": {reason: by_reason.get(reason, {}) for reason in REASONS},
            "leaking_groups": len(leaking_groups(groups, self.store.parts)),
            "notes": self.notes,
            "seconds": self.seconds,
        }


def audit(
    source: str,
    *,
    drop: Collection[str] = DROPPED,
    threshold: float = THRESHOLD,
    seed: int = 0,
    fast: bool = False,
    progress: Progress | None = None,
) -> Audit:
    """Find undecodable rows, junk, duplicates and wrong labels of a source.

    Parameters
    ----------
    source : str
        Any source of labelled pictures.
    drop : collection of str
        Reasons for which rows are dropped; rows with others are kept, as suspects.
    threshold : float
        How sure a wrong label must be before the row is relabelled, 0..1.
    seed : int
        Of the models that judge labels, and of the map.
    fast : bool
        Whether labels are left alone and no map is drawn.
    progress : callable, optional
        Told of what is done.

    Raises
    ------
    UserError
        Where a reason is unknown, the threshold is no probability, or there are no pictures.
    """
    _check(drop, threshold)
    opened, began = open_source(source), time.perf_counter()
    store = open_store(opened, size=IMAGE_SIZE, progress=_told(progress, "decoding"))
    found = Audit(store=store, frame=kept_rows(opened.rows()))
    found.seconds["decoding"] = round(time.perf_counter() - began, 2)
    found.mark(_drops([bad.row for bad in store.bad_rows], "undecodable", 1.0))
    with found.step("duplicates"):
        duplicates = find_duplicates(store)
    with found.step("junk"):
        junk = find_junk(store.images, store.labels, groups=duplicates.groups, seed=seed)
    found.mark(_drops(store.rows[junk.junk], "junk", junk.scores[junk.junk]))
    found.mark(duplicate_verdicts(duplicates, store, settled=junk.junk))
    if fast:
        found.notes.append("labels: not judged, as --fast asks")
    else:
        with found.step("labels"):
            _judge_labels(found, threshold, seed, progress)
    is_spared = ~found.frame["reason"].isin([*drop, "undecodable"])
    found.frame.loc[is_spared & (found.frame["verdict"] == DROP), "verdict"] = KEEP
    if "label" in drop:
        found.frame.loc[found.frame["reason"] == "label", "verdict"] = DROP
    if not fast:
        with found.step("map"):
            found.image_map = _map(found, seed)
    return found


def save_audit(found: Audit, folder: Path) -> None:
    """Write `manifest.parquet`, `summary.json` and `audit.html` into a folder.

    Raises
    ------
    UserError
        Where the folder holds a manifest already: somebody may have edited it.
    """
    check_audit_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    store = found.store
    pictures = dict(zip(store.rows.tolist(), store.images, strict=True))
    page = audit_page(store.source, found.frame, store.class_names, pictures, found.image_map)
    write_text(folder / "audit.html", page)
    write_text(folder / "summary.json", json.dumps(found.summary(), indent=2) + "\n")
    write_manifest(folder / "manifest.parquet", found.frame, store.fingerprint)


def check_audit_folder(folder: Path) -> None:
    """Raise a `UserError` where an audit must not be written into a folder."""
    if (folder / "manifest.parquet").exists() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder}: holds an audit already, or is a file; give another folder")


def _check(drop: Collection[str], threshold: float) -> None:
    for reason in drop:
        if reason not in REASONS:
            raise UserError(f"--drop: {reason!r} is no reason; give some of {', '.join(REASONS)}")
    if not 0 <= threshold <= 1:
        raise UserError(f"--threshold: is {threshold}, but must be in 0..1; try {THRESHOLD}")


def _drops(
    rows: Sequence[int] | NDArray[np.int64], reason: str, score: float | NDArray[np.float64]
) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "verdict": DROP, "reason": reason, "score": score})


def _judge_labels(found: Audit, threshold: float, seed: int, progress: Progress | None) -> None:
    """Mark labels that a model which did not learn from them finds wrong."""
    store, frame = found.store, found.frame
    is_kept = (frame["verdict"] == KEEP).to_numpy()[store.rows]
    indices = np.flatnonzero(is_kept & (store.labels != NO_LABEL))
    labels, counts = np.unique(store.labels[indices], return_counts=True)
    if len(labels) < max(2, len(store.class_names)) or counts.min() < MIN_PER_CLASS:
        found.notes.append(
            f"labels: not judged, as that takes 2 classes, each of {MIN_PER_CLASS} pictures or more"
        )
        return
    groups = frame["group"].to_numpy()[store.rows[indices]]
    probabilities = out_of_sample_probabilities(
        store,
        indices,
        separated(groups),
        seed=seed,
        progress=_told(progress, "labels"),
    )
    errors = find_label_errors(store.labels[indices], probabilities)
    is_sure = errors.score >= threshold
    suspects = pd.DataFrame(
        {
            "row": store.rows[indices],
            "verdict": np.where(is_sure, RELABEL, KEEP),
            "reason": "label",
            "score": errors.score,
            "suggested_label": errors.suggested,
        }
    )
    found.mark(suspects[errors.is_suspect])


def _map(found: Audit, seed: int) -> ImageMap | None:
    store = found.store
    is_marked: NDArray[np.bool_] = found.frame["reason"].notna().to_numpy()[store.rows]
    chosen = choose_mapped(is_marked, seed)
    points = map_images(store.images[chosen], seed)
    return None if points is None else ImageMap(rows=store.rows[chosen], points=points)


def _told(progress: Progress | None, step: str) -> Callable[[int, int], None] | None:
    """Return a function that tells of one step."""
    return progress and (lambda done, total: progress(step, done, total))
