"""What an audit is worth: the same sweep with it and without, judged on images of neither.

usage: python -m benchmarks.audit_sweep SWEEP.yaml --source train.parquet --test test.parquet
       [--keep manifest.parquet] [--seeds 0 1 2] [--trials 6] [--set key=value ...]

The source is audited once, or was before. Each seed then gives two sweeps that differ in
`data.keep` alone; each chooses by its objective on its own validation images, retrains its choice
and is evaluated once. Trials, not seconds, end a sweep, so that both ask and train as often.
"""

import argparse
import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis import Evaluation, audit, evaluate, retrain, save_audit, select
from search import launch
from spaces import load_sweep

Options = argparse.Namespace


def swept(folder: Path, options: Options, seed: int, keep: str) -> Evaluation:
    """Return how the winner of one sweep fares on the test images."""
    changed = [
        *options.set,
        f"data.source={options.source}",
        f"data.keep={keep}",
        f"search.seed={seed}",
        f"search.trials={options.trials}",
        "search.time_budget=null",
    ]
    run = launch(load_sweep(Path(options.sweep), changed), folder).root
    select(run, family="any")
    return evaluate(retrain(run), options.test)


def main() -> None:
    """Audit, sweep with and without, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", help="a sweep file")
    parser.add_argument("--source", required=True, help="what is audited and swept over")
    parser.add_argument("--test", required=True, help="images that no sweep sees")
    parser.add_argument("--keep", help="the manifest of an audit that was made already")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--set", nargs="*", default=[], help="values of the sweep file to replace")
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "torch"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},")
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries};")
    print(f"{Path(options.sweep).name} {' '.join(options.set)}, {options.trials} trials a sweep\n")
    print("| seed | accuracy without | with | macro-F1 without | with |\n|---|---|---|---|---|")
    gains = []
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = options.keep or str(folder / "audit" / "manifest.parquet")
        if not options.keep:
            save_audit(audit(options.source), folder / "audit")
        for seed in options.seeds:
            plain = swept(folder / f"plain-{seed}", options, seed, "null")
            clean = swept(folder / f"audited-{seed}", options, seed, manifest)
            gains.append(clean.accuracy - plain.accuracy)
            print(
                f"| {seed} | {plain.accuracy:.4f} | {clean.accuracy:.4f}"
                f" | {plain.macro_f1:.4f} | {clean.macro_f1:.4f} |",
                flush=True,
            )
    print(f"\nmean gain in accuracy: {100 * statistics.mean(gains):+.2f} points")


if __name__ == "__main__":
    main()
