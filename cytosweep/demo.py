"""The whole story on drawn cells: audit, sweep, table, choice, retraining, evaluation, export."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosweep import model_commands
from cytosweep.audit_command import audit
from cytosweep.console import err, out, print_frame, progress_bar
from cytosweep.trial_commands import print_leaders

if TYPE_CHECKING:
    from analysis import TrialTable

_DATA = "synthetic:blood-cells"


def demo(
    run: Annotated[
        Path | None, typer.Option(help="The run folder, new or empty; else runs/demo, demo-2, ...")
    ] = None,
) -> None:
    """Run the whole story on drawn blood cells, offline, in three minutes on two cores.

    Example: cytosweep demo
    """
    from analysis import TrialTable, evaluate
    from search import launch
    from spaces import UserError, load_sweep, preset_text, write_text
    from trainables import backbone_names

    began = time.monotonic()
    run = run or _free(Path("runs") / "demo")
    sweep_file, audit_folder = _sweep_file(run), _audit_folder(run)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UserError(f"{run}: is not empty; give another --run")
    for beside in (sweep_file, audit_folder):
        if beside.exists():
            raise UserError(f"{beside}: exists already; remove it, or give another --run")
    run.parent.mkdir(parents=True, exist_ok=True)
    write_text(sweep_file, preset_text("quickstart"))

    _title(f"1. The data: cytosweep audit {_DATA} -o {audit_folder} --fast")
    audit(_DATA, audit_folder, fast=True)
    out.print(
        "The sweep below takes the cells as they come, so that it can be compared with others."
    )
    _title(f"2. A sweep: cytosweep launch {sweep_file} --run {run}")
    with progress_bar("drawing cells") as progress:
        sweep = load_sweep(sweep_file, backbones=backbone_names())
        launch(sweep, run, console=err, progress=progress)
    table = TrialTable(run)
    _title(f"3. The trial table: cytosweep trials {run} --sort -objective")
    print_leaders(table)
    _tell_what_clean_validation_would_choose(table)
    _title(f"4. The choice: cytosweep select {run} --family any")
    model_commands.select(run, family="any")
    _title(f"5. On all images: cytosweep retrain {run}")
    model_commands.retrain(run)
    _title(f"6. On images nobody has seen: cytosweep evaluate {run}/best {_DATA}#test")
    model_commands.print_evaluation(evaluate(run / "best", f"{_DATA}#test"))
    shifted = evaluate(run / "best", f"{_DATA}#shifted")
    low, high = shifted.accuracy_ci95
    out.print(
        f"from another laboratory, {_DATA}#shifted: accuracy {shifted.accuracy:.4f}"
        f" (95 % interval {low:.4f} to {high:.4f})"
    )
    _title(f"7. To ship it: cytosweep export {run} -o {run}/export")
    model_commands.export(run, run / "export")
    out.print(f"done in {time.monotonic() - began:.0f} s")


def _tell_what_clean_validation_would_choose(table: "TrialTable") -> None:
    """Print what the usual rule and ours choose, and how each fares in another laboratory."""
    import pandas as pd

    from analysis import evaluate

    kept = [record for record in table.leaders() if record.checkpoint]
    winners = {
        "best clean validation accuracy": max(kept, key=lambda r: r.val_accuracy or 0.0),
        f"best {table.sweep.objective}": kept[0],
    }
    rows = []
    for rule, record in winners.items():
        assert record.checkpoint is not None  # those without were left out above
        shifted = evaluate(table.paths.root / record.checkpoint, f"{_DATA}#shifted")
        rows.append(
            {
                "rule": rule,
                "trial": record.trial,
                "validation accuracy": record.val_accuracy,
                "robust accuracy": record.robust_accuracy,
                "accuracy in another laboratory": shifted.accuracy,
            }
        )
    out.print("\nWhat the two rules choose, and how it fares on images of another laboratory:")
    print_frame(pd.DataFrame(rows))
    if rows[0]["trial"] == rows[1]["trial"]:
        out.print("Here both rules choose the same trial; they need not.")


def _free(run: Path) -> Path:
    """Return `run`, or the first of `run-2`, `run-3`, ... that does not exist."""
    number = 1
    candidate = run
    while any(path(candidate).exists() for path in (Path, _sweep_file, _audit_folder)):
        number += 1
        candidate = run.with_name(f"{run.name}-{number}")
    return candidate


def _sweep_file(run: Path) -> Path:
    """Return the sweep file beside a run folder."""
    run = run.absolute() if run == Path() else run  # "." has no name
    return run.with_name(f"{run.name}.yaml")


def _audit_folder(run: Path) -> Path:
    """Return the folder of the audit beside a run folder."""
    beside = _sweep_file(run)
    return beside.with_name(f"{beside.stem}-audit")


def _title(text: str) -> None:
    out.print(f"\n{text}", style="bold", markup=False)
