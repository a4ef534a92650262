"""The terminal: tables, progress and JSON, each on its own stream."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from spaces.errors import UserError

_PIPE_WIDTH = 10_000
_SMALL = 1e-3

out = Console(soft_wrap=True, emoji=False, highlight=False)
"""Results, on standard output."""

err = Console(stderr=True, soft_wrap=True, emoji=False)
"""Progress, hints and errors, on standard error."""


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to be told (done, total); the bar appears with the first call."""
    with progress_bars() as tell:
        yield partial(tell, label)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to be told (step, done, total); every step has a bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield tell


def print_json(value: object) -> None:
    """Print one JSON object and nothing else; what is not a finite number becomes null."""
    print_text(json.dumps(plain(value), allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Print text as it is, every tab and colon of it."""
    sys.stdout.write(text)


def plain(value: Any) -> Any:  # Any: JSON
    """Return `value` with dates as text and with null for NaN and for pandas' NA."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime):  # pandas' own are among them
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_frame(frame: pd.DataFrame) -> None:
    """Print a data frame as a table; as wide as it needs to be where no terminal limits it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in frame.columns:
        is_number = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in frame.itertuples(index=False):
        table.add_row(*(cell(value) for value in row))
    console = out if out.is_terminal else Console(width=_PIPE_WIDTH, emoji=False)
    console.print(table, soft_wrap=False)


def cell(value: object) -> str:
    """Return a value as a table shows it: three digits after the point, a dash for nothing."""
    if value is None or value is pd.NA or value is pd.NaT:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else _number(value)
    if isinstance(value, datetime):
        return value.strftime("%m-%d %H:%M:%S %Z").rstrip()
    return str(value)


def _number(value: float) -> str:
    """Return a number with three digits after the point, a small one with three that count."""
    return f"{value:.3f}" if value == 0 or abs(value) >= _SMALL else f"{value:.3g}"


def check_output(path: Path) -> None:
    """Raise a `UserError` where no file can be written at `path`."""
    if path.is_dir():
        raise UserError(f"-o {path}: is a folder; give a file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"-o {path}: its folder does not exist; make it first")
