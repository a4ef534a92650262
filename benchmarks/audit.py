"""What the audit finds of faults that are planted into clean pictures.

usage: python -m benchmarks.audit [--source test.parquet] [--size 96] [--seeds 0 1 2] [--fast]
       [--detectors]

Without `--source`, cells are drawn. The whole audit sees every faulty set, mirrored and turned
copies being duplicates for it. Kinds of junk that the finder was developed with and kinds that were
held out are planted in sets of their own. Recall is the share of planted rows that were found;
precision is the share of what was found that ought to have been.
"""

import argparse
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from analysis import audit
from analysis.descriptors import describe
from analysis.junk import distinct_rows
from analysis.strangeness import join_descriptors
from benchmarks.audit_detectors import DETECTORS, by_class, compare
from benchmarks.audit_faults import Labels, Planted, plant
from benchmarks.audit_junk import DEVELOPED, HELD_OUT, Images
from spaces import AuditSpec
from trainables import open_source, open_store
from trainables.synthetic_cells import synthetic_cells

SETS = {"developed": DEVELOPED, "held out": HELD_OUT}


def audited(planted: Planted, *, seed: int, fast: bool) -> tuple[pd.DataFrame, float]:
    """Return the audit's manifest of a faulty set, beside what is known of it, and the seconds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "planted.parquet"
        planted.save(path)
        found = audit(str(path), AuditSpec(seed=seed, fast=fast, turned=True))
    known = {"fault": planted.faults, "truth": planted.truths, "original": planted.originals}
    frame = found.frame.assign(**known)
    twins = frame.groupby(["group", "original"])["row"].transform("size")
    has_group = frame["group"] >= 0
    original_group = frame["group"].to_numpy()[planted.originals]
    frame = frame.assign(
        with_original=has_group & (frame["group"] == original_group),
        with_twin=has_group & (twins > 1),
    )
    return frame, sum(found.seconds.values())


def clean_cells(source: str | None, size: int) -> tuple[Images, Labels]:
    """Return pictures believed clean and their labels: all of `source`, or drawn ones."""
    if source:
        store = open_store(open_source(source), size=size)
        return np.asarray(store.images), store.labels
    cells = synthetic_cells(size=size, seed=100)
    rows = np.flatnonzero((cells.parts == "train") & (cells.faults == ""))
    return cells.images[rows], cells.labels[rows]


def found_rows(frame: pd.DataFrame) -> Iterator[str]:
    """Yield the table's rows: the recall of each kind, then recall and precision of each step."""
    reason, verdict, fault = frame["reason"].fillna(""), frame["verdict"], frame["fault"]
    is_label, is_junk = reason == "label", reason == "junk"
    is_wrong = (frame["truth"] >= 0) & (frame["label"] != frame["truth"])
    corrected = frame["suggested_label"] == frame["truth"]
    copied = fault.str.startswith(("exact:", "near:"))
    steps = {
        "undecodable": (fault.str.startswith("undecodable:"), reason == "undecodable", None),
        "junk": (fault.str.startswith("junk:"), is_junk, None),
        "duplicates": (copied, frame["with_original"], frame["with_twin"]),
        "labels, suspected": (fault.str.startswith("label:"), is_label, is_wrong),
        "labels, replaced": (
            fault.str.startswith("label:"),
            is_label & (verdict == "relabel"),
            is_wrong & corrected,
        ),
    }
    for name, (wanted, found, right) in steps.items():
        for kind in sorted(set(fault[wanted])):
            rows = fault == kind
            if kind != "label: wrong":  # the only one of its step
                yield f"| {kind} | {rows.sum()} | {100 * found[rows].mean():.1f} | |"
        claimed = (frame["group"] >= 0) & ~is_junk if name == "duplicates" else found
        precision = 100 * (wanted if right is None else right)[claimed].mean()
        recall = 100 * found[wanted].mean()
        yield f"| **{name}, all** | {wanted.sum()} | {recall:.1f} | {precision:.1f} |"
    is_clean = (fault == "") & ~frame["with_twin"]
    lost = 100 * (is_clean & (verdict == "drop")).sum() / is_clean.sum()
    changed = 100 * (is_clean & (verdict == "relabel")).sum() / is_clean.sum()
    yield f"| clean rows wrongly dropped: {lost:.2f} %, relabelled: {changed:.2f} % | | | |"


def detector_rows(sets: list[Planted], size: int) -> Iterator[str]:
    """Yield the table's rows of the detectors: means over the sets, over all and by class."""
    variants = DETECTORS | {f"{name}, by class": by_class(d) for name, d in DETECTORS.items()}
    results = []
    for planted in sets:
        images, rows = planted.pixels(size)
        descriptors = describe(images)
        first, _ = distinct_rows(descriptors, None)
        features = join_descriptors({name: d[first] for name, d in descriptors.items()})
        junk = np.char.startswith(planted.faults[rows[first]], "junk:")
        results.append(compare(variants, features, planted.labels[rows[first]], junk))
    for name in variants:
        precision, recall = np.mean([result[name] for result in results], axis=0)
        yield f"| {name} | {precision:.3f} | {100 * recall:.1f} |"


def main() -> None:
    """Plant, find, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", help="clean pictures; drawn where none is given")
    parser.add_argument("--size", type=int, default=96, help="pixels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fast", action="store_true", help="judge no labels")
    parser.add_argument("--detectors", action="store_true", help="compare them, too")
    options = parser.parse_args()
    cells, labels = clean_cells(options.source, options.size)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "numpy", "torch"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},")
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries};")
    print(f"{Path(options.source).name if options.source else 'drawn cells'}, {options.size} px,")
    print(f"{len(cells)} clean pictures, seeds {', '.join(map(str, options.seeds))}")
    for name, kinds in SETS.items():
        sets = [plant(cells, labels, kinds, seed) for seed in options.seeds]
        audits = [
            audited(planted, seed=seed, fast=options.fast)
            for planted, seed in zip(sets, options.seeds, strict=True)
        ]
        frames, seconds = zip(*audits, strict=True)
        print(f"\n## Junk {name}: {np.mean(seconds):.0f} s a set\n")
        print("| fault | rows | recall, % | precision, % |\n|---|---|---|---|")
        print(*found_rows(pd.concat(frames)), sep="\n", flush=True)
        if options.detectors:
            print("\n| detector | average precision | recall at 0.5 % of cells dropped, % |")
            print("|---|---|---|")
            print(*detector_rows(sets, options.size), sep="\n", flush=True)


if __name__ == "__main__":
    main()
