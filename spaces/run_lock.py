"""The lock that a live driver holds on its run folder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spaces.errors import UserError

_TRIES = 5
_PAUSE_S = 0.05


class RunLockedError(UserError):
    """A run folder that another live driver works on."""


@contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a run while the block runs; the kernel frees it however the process ends.

    Raises
    ------
    RunLockedError
        Where another process holds it.
    """
    with path.open("a+") as file:
        if not _lock(file):
            file.seek(0)
            holder = file.read() or "unknown"
            raise RunLockedError(
                f"{path.parent}: a live driver works on this run ({holder}); wait for it or end it"
            )
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        yield
        file.truncate(0)


def _lock(file: IO[str]) -> bool:
    """Take the lock; a reader that asks whether it is free holds it for a moment."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False


def is_locked(path: Path) -> bool:
    """Return whether a live driver holds the lock of a run."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
