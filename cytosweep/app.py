"""The `cytosweep` command: its sub-commands, and what becomes of errors."""

import sys
from collections.abc import Callable

import typer

from cytosweep.audit_command import audit
from cytosweep.console import err
from cytosweep.control_commands import cancel, extend, stop
from cytosweep.demo import demo
from cytosweep.model_commands import evaluate, export, predict, retrain, select
from cytosweep.sweep_commands import init, launch, resume, status
from cytosweep.trial_commands import show, trials
from spaces.errors import SweepInterruptedError, UserError

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
    audit,
    launch,
    resume,
    stop,
    status,
    extend,
    cancel,
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
        code = int(app(arguments, standalone_mode=False) or 0)
        if code != EXIT_INTERRUPTED:
            return code
        message = "interrupted"  # Typer turns Ctrl-C into this code and is silent
    except typer.Exit as error:
        return int(error.exit_code)
    except UserError as error:
        code, message = EXIT_USER, str(error)
    except typer.TyperException as error:
        words: Callable[[], str] = getattr(error, "format_message", error.__str__)
        if not words():
            return EXIT_USER  # Typer has printed the help
        code, message = EXIT_USER, f"{words().removesuffix('.')}; see `cytosweep --help`"
    except (SweepInterruptedError, KeyboardInterrupt) as error:
        code, message = EXIT_INTERRUPTED, str(error) or "interrupted"
    except OSError as error:
        code, message = EXIT_FAILED, f"{error.filename or 'storage'}: {error.strerror or error}"
    err.print(message, markup=False, highlight=False)
    return code
