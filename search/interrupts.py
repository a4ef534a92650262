"""Signals that stop a sweep in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from search.tune_stopper import SweepStopper


@contextmanager
def interrupts(stopper: SweepStopper) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM stop the sweep in order, and a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stopper.reason == "interrupt":
            raise KeyboardInterrupt
        stopper.interrupt()

    before = {kind: signal.signal(kind, on_signal) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
