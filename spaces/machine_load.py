"""How busy this machine is: processors, memory, GPUs."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_EVERY_S = 5.0
_MEMINFO = Path("/proc/meminfo")
_GIB = 1024**3
_GPU_QUERY = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)


class MachineLoad:
    """A line about this machine, measured again once it is some seconds old."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._measured_at: float | None = None
        self._text = ""

    def text(self) -> str:
        """Return the line."""
        if self._measured_at is None or self._clock() - self._measured_at >= _EVERY_S:
            self._measured_at = self._clock()
            memory = memory_text(_MEMINFO.read_text()) if _MEMINFO.exists() else ""
            parts = [f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", memory, *_gpus()]
            self._text = " | ".join(part for part in parts if part)
        return self._text


def memory_text(meminfo: str) -> str:
    """Return `memory 3.2/8.0 GiB` for what Linux tells in /proc/meminfo."""
    kib = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.M)}
    total, free = (kib[name] * 1024 / _GIB for name in ("MemTotal", "MemAvailable"))
    return f"memory {total - free:.1f}/{total:.1f} GiB"


def gpu_text(line: str) -> str:
    """Return `GPU 45 %, 3.1/79.6 GiB` for a line of nvidia-smi: per cent, MiB used, MiB."""
    busy, used, total = (part.strip() for part in line.split(","))
    return f"GPU {busy} %, {int(used) / 1024:.1f}/{int(total) / 1024:.1f} GiB"


def _gpus() -> list[str]:
    """Ask the driver's own tool: torch would take hundreds of MiB of each GPU only to ask."""
    if not shutil.which(_GPU_QUERY[0]):
        return []
    try:
        told = subprocess.run(_GPU_QUERY, capture_output=True, text=True, check=True, timeout=2)
        return [gpu_text(line) for line in told.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []  # a broken tool, or a card that tells no number
