"""Where a run came from: versions, commit, machine, seeds, data, command line."""

import os
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from spaces import SweepSpec

_LIBRARIES = ("cytosweep", "torch", "torchvision", "timm", "ray", "optuna", "numpy", "scikit-learn")


def provenance(sweep: SweepSpec, data_fingerprint: str) -> dict[str, object]:
    """Return what has to be known to make the run again, as JSON values."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command_line": sys.argv,
        "versions": {
            "python": platform.python_version(),
            **{library: version(library) for library in _LIBRARIES},
        },
        "git_commit": git_commit(Path(__file__).parent),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "resources": sweep.resources.model_dump(),
        "seeds": {"search": sweep.search.seed, "split": sweep.data.split.seed},
        "data_source": sweep.data.source,
        "data_fingerprint": data_fingerprint,
    }


def git_commit(folder: Path) -> str | None:
    """Return the commit checked out in `folder`, or None where there is no git or no repository."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None
