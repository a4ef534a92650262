import subprocess
import sys
import time
from pathlib import Path

import pytest

from cytosweep.app import app
from spaces import SweepInterruptedError, UserError
from tests.cytosweep.builders import cytosweep, sweep_file
from tests.spaces.builders import raising

COMMANDS = (
    "demo", "init", "audit", "launch", "resume", "stop", "status", "extend", "cancel", "trials",
    "show", "select", "retrain", "evaluate", "predict", "export",
)  # fmt: skip
HELP = """
import sys
from cytosweep.app import run
for command in sys.argv[1:]:
    run([command, "--help"])
large = {"torch", "timm", "ray", "optuna", "sklearn", "scipy"}
print(*(large & sys.modules.keys()), file=sys.stderr)
"""


def python(*arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_command_without_arguments_shows_the_commands_and_complains_about_nothing(capsys):
    assert tuple(command.callback.__name__ for command in app.registered_commands) == COMMANDS
    answer = cytosweep(capsys)
    assert (answer.code, answer.err) == (2, "")
    assert all(command in answer.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(capsys, command):
    code, out, err = cytosweep(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert f"Example: cytosweep {command}" in out


def test_help_is_fast_and_loads_none_of_the_large_libraries():
    began = time.monotonic()
    run = python("-c", HELP, *COMMANDS)
    assert (run.returncode, run.stderr.split()) == (0, [])
    assert time.monotonic() - began < 10  # a second where nothing else runs; torch alone takes five


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lanch", "'lanch'. Did you mean 'launch'?; see"),
        ("foo", "No such command 'foo'; see"),
        ("launch", "Missing argument 'SWEEP'"),
        ("trials a --tpo 3", "No such option: --tpo"),
        ("trials a --top 0", "'--top'"),
        ("trials a --format xml", "'xml' is not one of 'table', 'csv', 'json', 'parquet'"),
        ("show a first", "'TRIAL'"),
    ],
)
def test_wrong_usage_is_one_line_with_the_way_to_the_help(capsys, line, words):
    refusal = cytosweep(capsys, *line.split()).refusal()
    assert words in refusal
    assert refusal.endswith("; see `cytosweep --help`")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("x: is wrong; try y"), 2, "x: is wrong; try y"),
        (OSError(28, "No space left on device", "/r/a"), 1, "/r/a: No space left on device"),
        (OSError("connection lost"), 1, "storage: connection lost"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            SweepInterruptedError(Path("runs/a")), 130,
            "runs/a: interrupted; all is saved, go on with `cytosweep resume runs/a`",
        ),
    ],
)  # fmt: skip
def test_error_becomes_an_exit_code_and_one_line(capsys, monkeypatch, tmp_path, error, code, line):
    monkeypatch.setattr("search.launch", raising(error))
    arguments = ("launch", sweep_file(tmp_path), "--run", tmp_path / "run")
    assert cytosweep(capsys, *arguments) == (code, "", f"{line}\n")


def test_error_of_ours_is_not_hidden(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("search.launch", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cytosweep(capsys, "launch", sweep_file(tmp_path), "--run", tmp_path / "run")


def test_module_exits_with_the_code_of_the_command(tmp_path):
    run = python("-m", "cytosweep", "init", "-o", str(tmp_path / "missing" / "sweep.yaml"))
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
