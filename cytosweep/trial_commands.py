"""Commands that look at trials."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosweep.console import (
    cell,
    check_output,
    err,
    out,
    plain,
    print_frame,
    print_json,
    print_text,
)
from cytosweep.sweep_commands import JsonOption, RunArgument

if TYPE_CHECKING:
    import pandas as pd

    from analysis import TrialTable

_NUM_LEADERS = 12
_SHOWN = ("trial", "state", "objective", "best_epoch", "epochs", "val_accuracy", "shift_accuracy")


class TableFormat(StrEnum):
    """How a table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def trials(
    run: RunArgument,
    sort: Annotated[
        str, typer.Option(metavar="COL", help="Column to sort by; -COL for the largest first.")
    ] = "trial",
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N.")] = None,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Only rows for which this holds.")
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="A,B", help="Only these columns.")] = None,
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="How to write the table.")
    ] = TableFormat.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")
    ] = None,
) -> None:
    """Print the trial table of a run, also while it is running.

    Example: cytosweep trials runs/first --sort -objective --where "state == 'COMPLETE' and
    params.dropout < 0.3"
    """
    from analysis import TrialTable
    from spaces import UserError

    if table_format is TableFormat.parquet and output is None:
        raise UserError("--format parquet: needs a file; add -o trials.parquet")
    if output is not None:
        check_output(output)
    table = TrialTable(run)
    frame = _rows(table.frame, where, sort, top)
    if columns is not None:
        names = list(dict.fromkeys(name.strip() for name in columns.split(",")))
        for name in names:
            _check_column(frame, name, "--columns")
        frame = frame[names]
    elif table_format is TableFormat.table:
        frame = frame[_shown(frame)]
    _write(frame, table_format, output)


def show(
    run: RunArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Number of the trial.")],
    as_json: JsonOption = False,
) -> None:
    """Show one trial: its parameters, its curve, its files, and why it ended.

    Example: cytosweep show runs/first 3
    """
    from analysis import TrialTable

    table = TrialTable(run)
    record = table.record(trial)
    curve = table.curves[table.curves["trial"] == trial].drop(columns="trial")
    if as_json:
        print_json({**record.row(), "curve": curve.to_dict(orient="records")})
        return
    for name, value in record.row().items():
        if value is not None:
            out.print(f"{name:24} {cell(value)}", markup=False)
    if len(curve):
        out.print()
        print_frame(curve)
    log = table.paths.trial(trial).log
    if record.error and log.is_file():
        out.print(f"\nlast lines of {log}:", markup=False)
        out.print("\n".join(log.read_text(errors="replace").splitlines()[-8:]), markup=False)


def print_leaders(table: "TrialTable") -> None:
    """Print the trials that have an objective, the best first."""
    from spaces import is_higher_better

    frame = table.frame.dropna(subset="objective")
    ascending = not is_higher_better(table.sweep.objective)
    frame = frame.sort_values("objective", ascending=ascending, kind="stable")
    print_frame(frame[_shown(frame)].head(_NUM_LEADERS))


def _shown(frame: "pd.DataFrame") -> list[str]:
    """Return the columns that a terminal has room for."""
    return [name for name in map(str, frame) if name in _SHOWN or name.startswith("params.")]


def _rows(frame: "pd.DataFrame", where: str | None, sort: str, top: int | None) -> "pd.DataFrame":
    import pandas as pd

    from spaces import UserError

    if where is not None:
        quoted = re.sub(r"(?<![`\w])params\.\w+", lambda match: f"`{match[0]}`", where)
        try:
            holds = frame.eval(quoted, engine="python")
            if not isinstance(holds, pd.Series) or holds.dtype not in ("bool", "boolean"):
                raise TypeError("it gives no true or false")
            frame = frame[holds.fillna(False).astype(bool)]
        except Exception as error:  # the parser of expressions raises errors of every kind
            reason = " ".join(str(error).split())
            rule = f"is no condition ({reason}); try objective > 0.8 and params.dropout < 0.3"
            raise UserError(f"--where {where}: {rule}") from error
    name = sort.removeprefix("-")
    _check_column(frame, name, "--sort")
    frame = frame.sort_values(name, ascending=not sort.startswith("-"), kind="stable")
    return frame if top is None else frame.head(top)


def _check_column(frame: "pd.DataFrame", name: str, option: str) -> None:
    from spaces import UserError, did_you_mean

    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns) or f"; there are {', '.join(frame.columns)}"
        raise UserError(f"{option} {name}: is no column{hint}")


def _write(frame: "pd.DataFrame", table_format: TableFormat, output: Path | None) -> None:
    from spaces import replacing

    if output is None:
        if table_format is TableFormat.table:
            print_frame(frame)
        elif table_format is TableFormat.csv:
            print_text(frame.to_csv(index=False))
        else:
            print_json(frame.to_dict(orient="records"))
        return
    if table_format is TableFormat.table:
        suffix = output.suffix.removeprefix(".")
        table_format = TableFormat.__members__.get(suffix, TableFormat.csv)
    with replacing(output) as temporary:
        if table_format is TableFormat.parquet:
            frame.to_parquet(temporary, index=False)
        elif table_format is TableFormat.csv:
            frame.to_csv(temporary, index=False)
        else:
            temporary.write_text(json.dumps(plain(frame.to_dict(orient="records"))))
    err.print(f"{output} written, {len(frame)} trials", markup=False)
