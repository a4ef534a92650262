"""Commands that steer a sweep while it runs elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cytosweep.console import err
from cytosweep.sweep_commands import AddressOption, JsonOption, RunArgument, SetOption, resume


def stop(run: RunArgument) -> None:
    """End a running sweep; its running trials end with their next epoch, and all is saved.

    Example: cytosweep stop runs/first
    """
    _ask(run, "stop")


def cancel(
    run: RunArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Number of a running trial.")],
) -> None:
    """End one running trial with its next epoch; the sweep goes on.

    Example: cytosweep cancel runs/first 3
    """
    _ask(run, "cancel", trial=trial)


def extend(
    run: RunArgument,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="Go on to N trials in all.")
    ] = None,
    max_concurrent: Annotated[
        int | None, typer.Option(metavar="M", help="Run M trials at a time, more or fewer.")
    ] = None,
    overrides: SetOption = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change when a sweep ends and how wide it runs: at once while it runs, else by resuming it.

    Example: cytosweep extend runs/first --trials 96 --max-concurrent 4 --set search.time_budget=2h
    """
    from spaces import RunPaths, UserError, is_locked

    changes = list(overrides or [])
    if trials is not None:
        changes.append(f"search.trials={trials}")
    if max_concurrent is not None:
        changes.append(f"resources.max_concurrent={max_concurrent}")
    if not changes:
        raise UserError("extend: by what is not said; add --trials, --max-concurrent or --set")
    if is_locked(RunPaths(run).lock):
        _ask(run, "extend", overrides=changes)
    else:
        resume(run, changes, address, as_json)


def _ask(
    run: Path,
    kind: Literal["stop", "cancel", "extend"],
    *,
    trial: int | None = None,
    overrides: list[str] | None = None,
) -> None:
    """Hand a command to the driver of a run and print its answer."""
    from spaces import RunCommand, RunPaths, UserError, ask_driver

    paths = RunPaths(run)
    if not paths.sweep.exists():
        raise UserError(f"{run}: is no run folder (sweep.yaml); see `cytosweep launch`")
    command = RunCommand(kind=kind, trial=trial, overrides=tuple(overrides or ()))
    err.print(f"{run}: {ask_driver(paths, command)}", markup=False)
