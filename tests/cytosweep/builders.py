"""How the tests of `cytosweep` call the command line, and sweeps that never reach Ray."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cytosweep.app import run
from spaces import RunPaths, SweepSpec
from tests.analysis.builders import Script, bright_cells, content_of, write_run

STATUS_KEYS = [
    "run", "state", "counts", "best", "seconds", "ended_by", "trials_per_hour", "remaining_s",
]  # fmt: skip


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return all of standard output as one JSON value; NaN is none."""
        return json.loads(self.out, parse_constant=pytest.fail)

    def refusal(self) -> str:
        """Return the one line with which a command refused what it was given."""
        assert (self.code, self.out) == (2, "")
        assert self.err.count("\n") == 1
        return self.err.strip()


def cytosweep(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    """Run a command in this process."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    return Answer(code, *capsys.readouterr())


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """Return the line with which a command is refused that leaves `folder` as it was."""
    before = content_of(folder)
    line = cytosweep(capsys, *arguments).refusal()
    assert content_of(folder) == before
    return line


def sweep_file(folder: Path, text: str = "", source: object = None) -> Path:
    """Write a sweep file; on 30 bright cells where no source is given."""
    source = source or bright_cells(folder / "cells.npz", 30)
    path = folder / "sweep.yaml"
    path.write_text(f"data: {{source: '{source}', image_size: 16}}\n{text}", encoding="utf-8")
    return path


def launching(*scripts: Script) -> Callable[..., RunPaths]:
    """Return a `search.launch` that plays scripts instead of asking Ray to train."""

    def launch(sweep: SweepSpec, run: Path, **_options: object) -> RunPaths:
        return write_run(run, *scripts, sweep=sweep)

    return launch
