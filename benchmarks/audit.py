"""What the steps of the audit find of faults that are planted into clean pictures.

usage: python -m benchmarks.audit [--source test.parquet] [--size 96] [--seeds 0 1 2] [--detectors]

Without `--source`, cells are drawn. Kinds of junk that the finder was developed with and kinds that
were held out are planted in sets of their own. Recall is the share of planted rows that a step
found; precision is the share of what it found that it ought to have found.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.descriptors import describe
from analysis.junk import distinct_rows, find_junk
from analysis.strangeness import join_descriptors
from benchmarks.audit_detectors import DETECTORS, by_class, compare
from benchmarks.audit_faults import Labels, Planted, plant
from benchmarks.audit_junk import DEVELOPED, HELD_OUT, Images
from trainables import open_source, open_store
from trainables.synthetic_cells import synthetic_cells

Found = NDArray[np.bool_]
SETS = {"developed": DEVELOPED, "held out": HELD_OUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the audit."""

    name: str
    """The first word of the faults it is to find."""
    find: Callable[[Planted, int], Found]
    """From a faulty set and a side in pixels to the rows it found, bool `[N]`."""


def undecodable_rows(planted: Planted, size: int) -> Found:
    """Return the rows that do not decode."""
    found = np.ones(len(planted.files), dtype=bool)
    found[planted.pixels(size)[1]] = False
    return found


def junk_rows(planted: Planted, size: int) -> Found:
    """Return the rows that are found to be junk."""
    images, rows = planted.pixels(size)
    found = np.zeros(len(planted.files), dtype=bool)
    found[rows] = find_junk(images, planted.labels[rows]).junk
    return found


STEPS = (
    Step(name="undecodable", find=undecodable_rows),
    Step(name="junk", find=junk_rows),
)
"""The steps there are; a finder of duplicates or labels is a further line."""


def clean_cells(source: str | None, size: int) -> tuple[Images, Labels]:
    """Return pictures believed clean and their labels: all of `source`, or drawn ones."""
    if source:
        store = open_store(open_source(source), size=size)
        return np.asarray(store.images), store.labels
    cells = synthetic_cells(size=size, seed=100)
    rows = np.flatnonzero((cells.parts == "train") & (cells.faults == ""))
    return cells.images[rows], cells.labels[rows]


def step_rows(step: Step, sets: list[Planted], size: int) -> Iterator[str]:
    """Yield the table's rows of a step: each kind's recall, then recall and precision of all."""
    began = time.process_time()
    found = np.concatenate([step.find(planted, size) for planted in sets])
    seconds = (time.process_time() - began) / len(sets)
    faults = np.concatenate([planted.faults for planted in sets])
    wanted = np.char.startswith(faults, f"{step.name}:")
    for fault in np.unique(faults[wanted]):
        rows = faults == fault
        yield f"| {fault} | {rows.sum()} | {100 * found[rows].mean():.1f} | |"
    precision = 100 * wanted[found].mean() if found.any() else 100.0
    dropped = 100 * found[~wanted].sum() / len(faults)
    yield (
        f"| **{step.name}, all** ({dropped:.2f} % of all rows dropped wrongly, {seconds:.1f} s of"
        f" CPU a set) | {wanted.sum()} | {100 * found[wanted].mean():.1f} | {precision:.1f} |"
    )


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
        print(f"\n## Junk {name}\n\n| fault | rows | recall, % | precision, % |\n|---|---|---|---|")
        for step in STEPS:
            print(*step_rows(step, sets, options.size), sep="\n", flush=True)
        if options.detectors:
            print("\n| detector | average precision | recall at 0.5 % of cells dropped, % |")
            print("|---|---|---|")
            print(*detector_rows(sets, options.size), sep="\n", flush=True)


if __name__ == "__main__":
    main()
