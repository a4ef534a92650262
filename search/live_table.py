"""One live table of a sweep: where it stands, what runs, what leads."""

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spaces import (
    MachineLoad,
    SweepSpec,
    TrialRecord,
    TrialState,
    ranked,
    remaining_s,
    trials_per_hour,
)

_NUM_LEADERS = 6
_REFRESH_S = 0.25


class LiveTable:
    """Shows a sweep on a terminal; elsewhere it prints one line for every trial that ends."""

    def __init__(self, console: Console) -> None:
        self._console, self._machine = console, MachineLoad()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._shown_at = 0.0
        self._printed: set[int] = set()

    def __enter__(self) -> Self:
        """Take over the lower end of the terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last table standing."""
        if self._live:
            self._live.stop()

    def is_due(self) -> bool:
        """Return whether the table is old enough to be drawn again."""
        return time.monotonic() - self._shown_at >= _REFRESH_S

    def show(self, records: Sequence[TrialRecord], sweep: SweepSpec, elapsed_s: float) -> None:
        """Draw the table, or print the lines of trials that ended since the last call.

        `elapsed_s` is the wall time of the sweep so far, seconds.
        """
        self._shown_at = time.monotonic()
        if self._live:
            head = Text(headline(records, sweep), style="bold")
            pace = Text(f"{pace_line(records, sweep, elapsed_s)} | {self._machine.text()}")
            self._live.update(Group(head, pace, trials_table(records, sweep)), refresh=True)
            return
        for record in records:
            if TrialState[record.state].is_finished() and record.trial not in self._printed:
                self._printed.add(record.trial)
                self._console.print(trial_line(record, sweep), soft_wrap=True, markup=False)


def headline(records: Sequence[TrialRecord], sweep: SweepSpec) -> str:
    """Return one line: trials by state, the best so far."""
    counts = Counter(record.state for record in records)
    ended = sum(count for state, count in counts.items() if TrialState[state].is_finished())
    of = f"/{sweep.search.trials}" if sweep.search.trials else ""
    parts = [f"{sweep.name}  {ended}{of} trials"]
    parts += [f"{counts[s.name]} {s.name.lower()}" for s in TrialState if counts[s.name]]
    leaders = ranked(records, sweep.objective)
    if leaders:
        parts.append(
            f"best {sweep.objective} {leaders[0].objective:.3f} (trial {leaders[0].trial})"
        )
    return " | ".join(parts)


def pace_line(records: Sequence[TrialRecord], sweep: SweepSpec, elapsed_s: float) -> str:
    """Return one line: time spent of time allowed, trials per hour, time to go."""
    budget = sweep.search.time_budget
    parts = [clock_text(elapsed_s) + (f" of {clock_text(budget)}" if budget else "")]
    per_hour = trials_per_hour(records, elapsed_s)
    if per_hour is not None:
        parts.append(f"{per_hour:.3g} trials/h")
    left = remaining_s(sweep, records, elapsed_s)
    if left is not None and any(record.state == TrialState.RUNNING.name for record in records):
        parts.append(f"{clock_text(left)} to go")
    return " | ".join(parts)


def trials_table(records: Sequence[TrialRecord], sweep: SweepSpec) -> Table:
    """Return the running trials and, below them, the leaders among those that ended."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    metrics = dict.fromkeys((sweep.objective, "val_accuracy"))
    for column in ("trial", "state", "epoch", *metrics, *sweep.space):
        table.add_column(column, no_wrap=True, justify="left" if column == "state" else "right")
    running = [r for r in records if r.state == TrialState.RUNNING.name]
    ended = [r for r in ranked(records, sweep.objective) if TrialState[r.state].is_finished()]
    for record in [*running, *ended[:_NUM_LEADERS]]:
        scores = (getattr(record, metric) for metric in metrics)
        params = (record.params.get(name, "-") for name in sweep.space)
        values = [record.trial, record.state, record.epochs, *scores, *params]
        style = "cyan" if record.state == TrialState.RUNNING.name else ""
        table.add_row(*(cell_text(value) for value in values), style=style)
    return table


def trial_line(record: TrialRecord, sweep: SweepSpec) -> str:
    """Return one line about a trial that ended."""
    score = "" if record.objective is None else f" {sweep.objective} {record.objective:.3f}"
    params = " ".join(f"{name}={cell_text(value)}" for name, value in record.params.items())
    why = record.error or record.stop_reason or ""
    return (
        f"trial {record.trial} {record.state}{score} epochs {record.epochs} {params} {why}".rstrip()
    )


def cell_text(value: object) -> str:
    """Return a value as a table shows it: three significant digits, a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def clock_text(seconds: float) -> str:
    """Return `1:05` for 65 seconds, `1:01:05` for an hour more."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
