"""The audit: what is wrong with a source, row by row, before a search learns from it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.audit_page import audit_page
from analysis.duplicate_verdicts import duplicate_verdicts, leaking_groups
from analysis.duplicates import find_duplicates
from analysis.image_map import ImageMap, choose_mapped, map_images
from analysis.junk import find_junk
from analysis.label_errors import NUM_FOLDS, find_label_errors, out_of_sample_probabilities
from spaces import AuditSpec, UserError, why_not_makeable, write_text
from spaces.verdict import DROP, KEEP, REASONS, RELABEL
from trainables import open_source, open_store
from trainables.manifest import kept_rows, separated, write_manifest
from trainables.source import NO_LABEL
from trainables.store import ImageStore, Progress

IMAGE_SIZE = 96
"""Side in pixels at which pictures are compared."""

MIN_PER_CLASS = 2 * NUM_FOLDS
"""Pictures that a class must have before labels can be judged by it."""

StepProgress = Callable[[str, int, int], None]
"""Told (step, done, in all)."""


@dataclass(kw_only=True)
class Audit:
    """What an audit found."""

    store: ImageStore
    """The pictures that decode."""
    frame: pd.DataFrame
    """The manifest, a row per row of the source."""
    notes: list[str] = field(default_factory=list)
    """What was not looked into, and why, and what needs a person's eye."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time taken by each step."""
    image_map: ImageMap | None = None
    """Alike pictures near each other; None where it was not drawn."""

    @property
    def leaking_groups(self) -> int:
        """Groups of duplicates that lie in more than one part of the source."""
        groups = self.frame["group"].to_numpy()[self.store.rows]
        return len(leaking_groups(groups, self.store.parts))

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
        return {
            "source": self.store.source,
            "rows": len(self.frame),
            "verdicts": self.frame["verdict"].value_counts().to_dict(),
            "reasons": {reason: by_reason.get(reason, {}) for reason in REASONS},
            "leaking_groups": self.leaking_groups,
            "notes": self.notes,
            "seconds": self.seconds,
        }


def audit(
    source: str, spec: AuditSpec | None = None, *, progress: StepProgress | None = None
) -> Audit:
    """Find undecodable rows, junk, duplicates and wrong labels of a source.

    Wrong labels are found by models that train in processes of their own: a script that calls this
    must guard its main part with `if __name__ == "__main__"`.

    Parameters
    ----------
    source : str
        Any source of labelled pictures.
    spec : AuditSpec, optional
        What to look for, and what to do with it; as `cytosweep audit` does by itself where None.
    progress : callable, optional
        Told (step, done, in all).

    Raises
    ------
    UserError
        Where the source cannot be read, or has no picture that decodes.
    """
    spec = spec or AuditSpec()
    opened, began = open_source(source), time.perf_counter()
    store = open_store(opened, size=IMAGE_SIZE, progress=_told(progress, "decoding"))
    found = Audit(store=store, frame=kept_rows(opened.rows()))
    found.seconds["decoding"] = round(time.perf_counter() - began, 2)
    found.mark(_drops([bad.row for bad in store.bad_rows], "undecodable", 1.0))
    with found.step("duplicates"):
        told = _told(progress, "duplicates")
        duplicates = find_duplicates(store, turned=spec.turned, progress=told)
    found.frame.loc[store.rows, "group"] = duplicates.groups
    with found.step("junk"):
        scores = _junk_scores(store, duplicates.groups, spec.seed, _told(progress, "junk"))
    is_junk = scores > 0
    found.mark(_drops(store.rows[is_junk], "junk", scores[is_junk]))
    found.mark(duplicate_verdicts(duplicates, store, settled=is_junk))
    is_spared = ~found.frame["reason"].isin([*spec.drop, "undecodable"])
    found.frame.loc[is_spared, "verdict"] = KEEP
    _note_leaks(found)
    if spec.fast:
        found.notes.append("labels: not judged, as --fast asks")
    else:
        with found.step("labels"):
            _judge_labels(found, spec, progress)
    if "label" in spec.drop:
        found.frame.loc[found.frame["reason"] == "label", "verdict"] = DROP
    if not (found.frame["verdict"] != DROP).any():
        found.notes.append("nothing is kept: look at audit.html, and edit the manifest's verdicts")
    if not spec.fast:
        with found.step("map"):
            found.image_map = _map(found, spec.seed, _told(progress, "map"))
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
    page = audit_page(found.store, found.frame, notes=found.notes, image_map=found.image_map)
    write_text(folder / "audit.html", page)
    write_text(folder / "summary.json", json.dumps(found.summary(), indent=2) + "\n")
    write_manifest(folder / "manifest.parquet", found.frame, found.store.fingerprint)


def check_audit_folder(folder: Path) -> None:
    """Raise a `UserError` where an audit must not, or cannot, be written into a folder."""
    if (folder / "manifest.parquet").exists():
        raise UserError(f"{folder}: holds an audit already; give another folder")
    if reason := why_not_makeable(folder):
        raise UserError(f"{folder}: cannot be made, {reason}; give another folder")


def _drops(
    rows: Sequence[int] | NDArray[np.int64], reason: str, score: float | NDArray[np.float64]
) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "verdict": DROP, "reason": reason, "score": score})


def _junk_scores(
    store: ImageStore, groups: NDArray[np.int64], seed: int, progress: Progress | None
) -> NDArray[np.float64]:
    """Return how sure it is that each picture is junk, `[N]`; 0 for all others.

    Pictures for tests are none: they may well look different, which is what they are there for.
    """
    chosen = np.flatnonzero(store.is_searched)
    images = store.images if len(chosen) == len(store.images) else store.images[chosen]
    junk = find_junk(
        images, store.labels[chosen], groups=groups[chosen], seed=seed, progress=progress
    )
    scores = np.zeros(len(store.images))
    scores[chosen[junk.junk]] = junk.scores[junk.junk]
    return scores


def _note_leaks(found: Audit) -> None:
    """Say how many groups lie in several parts of the source."""
    if count := found.leaking_groups:
        parts = ", ".join(np.unique(found.store.parts))
        found.notes.append(
            f"leaks: {count} groups of duplicates lie in more than one part of the"
            f" source ({parts}); only the lowest row of each is kept, unless --drop says otherwise"
        )


def _judge_labels(found: Audit, spec: AuditSpec, progress: StepProgress | None) -> None:
    """Mark labels that a model which did not learn from them finds wrong.

    Pictures for tests are neither learned from nor judged: a search must not know them.
    """
    store, frame = found.store, found.frame
    is_kept = (frame["verdict"] == KEEP).to_numpy()[store.rows]
    indices = np.flatnonzero(is_kept & store.is_searched & (store.labels != NO_LABEL))
    counts = np.bincount(store.labels[indices], minlength=len(store.class_names))
    classes = np.flatnonzero(counts >= MIN_PER_CLASS)
    small = [store.class_names[label] for label in np.flatnonzero(counts < MIN_PER_CLASS)]
    rule = f"as fewer than {MIN_PER_CLASS} pictures are left of {', '.join(small)}"
    if len(classes) < 2:  # noqa: PLR2004  # mistaking takes two
        found.notes.append(f"labels: not judged, {rule if small else 'as there is one class'}")
        return
    if small:
        found.notes.append(f"labels: some not judged, {rule}")
    indices = indices[np.isin(store.labels[indices], classes)]
    probabilities = out_of_sample_probabilities(
        store,
        indices,
        separated(frame["group"].to_numpy()[store.rows[indices]]),
        seed=spec.seed,
        progress=_told(progress, "labels"),
    )[:, classes]
    errors = find_label_errors(np.searchsorted(classes, store.labels[indices]), probabilities)
    is_sure = errors.score >= spec.threshold
    suspects = pd.DataFrame(
        {
            "row": store.rows[indices],
            "verdict": np.where(is_sure, RELABEL, KEEP),
            "reason": "label",
            "score": errors.score,
            "suggested_label": classes[errors.suggested],
        }
    )
    found.mark(suspects[errors.is_suspect])


def _map(found: Audit, seed: int, progress: Progress | None) -> ImageMap | None:
    store, tell = found.store, progress or (lambda _done, _total: None)
    is_marked: NDArray[np.bool_] = found.frame["reason"].notna().to_numpy()[store.rows]
    chosen = choose_mapped(is_marked, seed)
    tell(0, 1)
    points = map_images(store.images[chosen], seed)
    tell(1, 1)
    return None if points is None else ImageMap(rows=store.rows[chosen], points=points)


def _told(progress: StepProgress | None, step: str) -> Progress | None:
    """Return a function that tells of one step."""
    return progress and (lambda done, total: progress(step, done, total))
