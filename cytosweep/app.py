"""The `cytosweep` command: its sub-commands, and what becomes of errors."""

import sys

import typer

from cytosweep.console import err
from cytosweep.demo import demo
from cytosweep.model_commands import evaluate, export, predict, retrain, select
from cytosweep.sweep_commands import init, launch, resume, status
from cytosweep.trial_commands import show, trials
from spaces.errors import SweepInterruptedError, UserError

# What a wrong option raises; Typer exports only this subclass of it.
_UsageError = typer.BadParameter.__base__

EXIT_FAILED, EXIT_USER, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="cytosweep",
    help="Find the image classifier that still works on images nobody has seen, and ship it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (
    demo,
    init,
    launch,
    resume,
    status,
    trials,
    show,
    select,
    retrain,
    evaluate,
    predict,
    export,
):
    app.command()(_command)


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 the user's fault, 130 interrupted."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors become one line on standard error."""
    try:
        code = app(arguments, standalone_mode=False)
    except UserError as error:
        return _fail(error, EXIT_USER)
    except typer.Exit as error:
        return int(error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except OSError as error:
        return _fail(f"{error.filename or 'storage'}: {error.strerror or error}", EXIT_FAILED)
    except SweepInterruptedError as error:
        return _fail(error, EXIT_INTERRUPTED)
    except _UsageError as error:
        return _fail(f"{error.format_message()}; see `cytosweep --help`", EXIT_USER)
    return int(code or 0)


def _fail(message: object, code: int) -> int:
    err.print(str(message), markup=False, highlight=False)
    return code
