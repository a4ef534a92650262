"""What a user asks of the driver of a run from elsewhere: a file in the run folder, and its answer.

Files alone carry it, so that it works wherever the run folder is shared.
"""

import errno
import time
from collections.abc import Callable
from operator import itemgetter
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from spaces.atomic import write_text
from spaces.data_spec import FROZEN
from spaces.errors import UserError
from spaces.run_events import read_events
from spaces.run_lock import is_locked
from spaces.run_paths import RunPaths

_PATIENCE_S = 30.0
_PAUSE_S = 0.1

REFUSED = "refused"
"""The event with which a driver says no."""


class RunCommand(BaseModel):
    """One request to a live driver, which answers it by an event that bears its `id`."""

    model_config = FROZEN

    kind: Literal["stop", "cancel", "extend"]
    """What to do."""
    trial: int | None = None
    """The trial to `cancel`."""
    overrides: tuple[str, ...] = ()
    """`key=value` lines by which to `extend`."""
    id: str = Field(default_factory=lambda: uuid4().hex)
    """Its name."""


def ask_driver(
    paths: RunPaths,
    command: RunCommand,
    *,
    patience_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Hand a command to the driver of a run and return its answer.

    Raises
    ------
    UserError
        Where no driver lives, or it refuses.
    TimeoutError
        Where it has not taken the command after `patience_s` seconds; the command is withdrawn.
    """
    if not is_locked(paths.lock):
        raise _nobody(paths)
    file = paths.command(command.id)
    file.parent.mkdir(exist_ok=True)
    write_text(file, command.model_dump_json())
    try:
        for _ in range(round(patience_s / _PAUSE_S)):
            is_over = not is_locked(paths.lock)  # asked first: the last answer precedes the end
            answers = [e for e in read_events(paths) if e.get("command") == command.id]
            if answers and answers[0]["event"] == REFUSED:
                raise UserError(f"{paths.root}: {answers[0]['answer']}")
            if answers:
                return str(answers[0]["answer"])
            if is_over:
                raise _nobody(paths)
            sleep(_PAUSE_S)
        state = "was withdrawn; try again" if file.exists() else f"is at work, see {paths.events}"
        text = f"no answer from the driver within {patience_s:g} s; `{command.kind}` {state}"
        raise TimeoutError(errno.ETIMEDOUT, text, str(paths.root))
    finally:
        file.unlink(missing_ok=True)


def take_commands(paths: RunPaths) -> list[RunCommand]:
    """Return what was asked of the driver, in the order of asking; each is returned once.

    A file that is no command is removed.
    """
    if not paths.commands.is_dir():
        return []
    taken: list[tuple[int, RunCommand]] = []
    for path in paths.commands.glob("*.json"):
        try:
            asked_at, text = path.stat().st_mtime_ns, path.read_text(encoding="utf-8")
            path.unlink()  # whoever removes it has it: the driver, or who withdraws it
            taken.append((asked_at, RunCommand.model_validate_json(text)))
        except (FileNotFoundError, ValueError):
            continue
    return [command for _, command in sorted(taken, key=itemgetter(0))]


def _nobody(paths: RunPaths) -> UserError:
    return UserError(
        f"{paths.root}: no live driver works on this run; go on with `cytosweep resume"
        f" {paths.root}`"
    )
