"""Commands that make, run and watch sweeps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosweep.console import check_output, err, out, print_json, progress_bar

if TYPE_CHECKING:
    from spaces import SweepSpec

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one value of the sweep file."),
]
AddressOption = Annotated[
    str | None, typer.Option(help="A Ray cluster that is up: host:port, or auto.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def init(
    preset: Annotated[
        str, typer.Option(help="quickstart, blood-cells or mobilenetv3.")
    ] = "quickstart",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; must not exist yet.")
    ] = Path("sweep.yaml"),
) -> None:
    """Write a commented sweep file to start from.

    Example: cytosweep init --preset blood-cells -o sweep.yaml
    """
    from spaces import UserError, preset_text, write_text

    text = preset_text(preset)
    check_output(output)
    if output.exists():
        raise UserError(f"-o {output}: exists already; give another file, or remove it")
    write_text(output, text)
    hint = f"cytosweep launch {output} --dry-run"
    err.print(f"{output} written; check it with `{hint}`", markup=False)


def launch(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP", help="A sweep file.")],
    run: Annotated[
        Path | None, typer.Option(help="The run folder, new or empty; else runs/<name>.")
    ] = None,
    overrides: SetOption = None,
    address: AddressOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check file, folder and data, print the sweep, run nothing."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a sweep to its end and leave everything in a run folder.

    Example: cytosweep launch sweep.yaml --run runs/first --set search.trials=8
    """
    from search import check_launch
    from search import launch as launch_sweep
    from spaces import load_sweep
    from trainables import backbone_names

    spec = load_sweep(sweep, overrides or [], backbones=backbone_names())
    if dry_run:
        check_launch(spec, run)
        _describe(spec, as_json)
        return
    with progress_bar("decoding pictures") as progress:
        paths = launch_sweep(spec, run, address=address, console=err, progress=progress)
    _conclude(paths.root, as_json)


def resume(
    run: RunArgument,
    overrides: SetOption = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that was cut: open trials continue from their last checkpoint.

    Example: cytosweep resume runs/first --set search.trials=32
    """
    from search import resume as resume_sweep

    with progress_bar("decoding pictures") as progress:
        resume_sweep(run, overrides or [], address=address, console=err, progress=progress)
    _conclude(run, as_json)


def status(run: RunArgument, as_json: JsonOption = False) -> None:
    """Tell where a run stands, also while it is running.

    Example: cytosweep status runs/first
    """
    from analysis import TrialTable
    from spaces import MachineLoad, TrialState

    table = TrialTable(run)
    found = table.status()
    if as_json:
        print_json(found.as_json())
        return
    counts = ", ".join(f"{count} {state.lower()}" for state, count in sorted(found.counts.items()))
    counts = counts or "no trials yet"
    facts = [found.state, counts, f"{found.seconds:.0f} s"]
    if found.trials_per_hour is not None:
        facts.append(f"{found.trials_per_hour:.3g} trials an hour")
    if found.remaining_s is not None:
        facts.append(f"about {found.remaining_s:.0f} s to go")
    out.print(f"{run}: {'; '.join(facts)}", markup=False)
    if found.ended_by:
        out.print(f"ended: {found.ended_by}", markup=False)
    if found.state == "running":
        for record in table.records:
            if record.state == TrialState.RUNNING.name:
                score = "" if record.objective is None else f", {record.objective:.4f}"
                out.print(f"trial {record.trial} runs: epoch {record.epochs}{score}", markup=False)
        out.print(f"this machine: {MachineLoad().text()}", markup=False)
    if found.best:
        params = " ".join(f"{name}={value}" for name, value in found.best["params"].items())
        score = f"{table.sweep.objective} {found.best['objective']:.4f}"
        out.print(f"best: trial {found.best['trial']}, {score}, {params}", markup=False)
    if found.state == "interrupted":
        out.print(f"go on with `cytosweep resume {run}`", markup=False)


def _describe(spec: "SweepSpec", as_json: bool) -> None:
    """Open the data and print the sweep as it would run."""
    import numpy as np

    from spaces.sweep_file import plain_sweep
    from spaces.yaml_text import dump_yaml
    from trainables import load_trial_data

    with progress_bar("decoding pictures") as progress:
        data = load_trial_data(spec.data, progress=progress)
    if data.warning:
        err.print(f"warning: {data.warning}", markup=False)
    names = data.store.class_names
    labels, num = data.store.labels, len(names)
    train = np.bincount(labels[data.split.train], minlength=num).tolist()
    validation = np.bincount(labels[data.split.validation], minlength=num).tolist()
    dropped = int((~data.store.kept).sum())
    if as_json:
        counts = {"train": sum(train), "validation": sum(validation)}
        images = {**counts, "left_out": len(data.store.bad_rows), "dropped": dropped}
        print_json({"sweep": plain_sweep(spec), "images": images})
        return
    out.print(dump_yaml(plain_sweep(spec)), markup=False, highlight=False)
    for name, fit, held in zip(names, train, validation, strict=True):
        out.print(f"{name}: {fit} images to train on, {held} to validate on", markup=False)
    left_out = f"{len(data.store.bad_rows)} rows left out, {dropped} dropped by the manifest"
    out.print(f"{left_out}; nothing was run", markup=False)


def _conclude(run: Path, as_json: bool) -> None:
    """Print what came of a sweep; exit with 1 where no trial brought a result."""
    from analysis import TrialTable
    from cytosweep.trial_commands import print_leaders

    table = TrialTable(run)
    if as_json:
        print_json(table.status().as_json())
    if not table.leaders():
        failed = [record for record in table.records if record.error]
        why = f"; trial {failed[0].trial}: {failed[0].error}" if failed else ""
        err.print(f"{run}: no trial finished{why}", markup=False)
        raise typer.Exit(1)
    if not as_json:
        print_leaders(table)
        err.print(f"next: cytosweep select {run}", markup=False)
