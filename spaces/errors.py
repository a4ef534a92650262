"""The error that means: what the user gave is wrong."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """What the user gave is wrong.

    The message is one line that names the thing, its value, the rule and the remedy. The command
    line prints it without a traceback and exits with code 2.
    """


class SweepInterruptedError(Exception):
    """A sweep that a signal ended, after everything was saved; its run can be resumed."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"{run}: interrupted; all is saved, go on with `cytosweep resume {run}`")
        self.run = run


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `"; did you mean 'a' or 'b'?"` for the options nearest to `name`, else `""`."""
    near = difflib.get_close_matches(name, list(options), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(option) for option in near)}?" if near else ""
