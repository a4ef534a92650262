"""Where a run came from: versions, commit, machine, seeds, data, command line."""

import os
import platform
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from spaces import SweepSpec

_PROJECT = "cytosweep"
_LIBRARIES = ("cytosweep", "torch", "torchvision", "timm", "ray", "optuna", "numpy", "scikit-learn")


def provenance(sweep: SweepSpec, fingerprints: Mapping[str, str | None]) -> dict[str, object]:
    """Return what has to be known to make the run again, as JSON values.

    `fingerprints` are those of its data, by their names.
    """
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
        "gpus": gpu_names(),
        "resources": sweep.resources.model_dump(),
        "seeds": {"search": sweep.search.seed, "split": sweep.data.split.seed},
        "data_source": sweep.data.source,
        "data_manifest": sweep.data.keep,
        **fingerprints,
    }


def git_commit(folder: Path) -> str | None:
    """Return the commit of our repository that `folder` is in; None where it is in none of ours.

    An installed package may lie in the repository of another project.
    """
    command = ["git", "-C", str(folder), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        top, commit = found.stdout.splitlines()
        settings = tomllib.loads((Path(top) / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return commit if settings.get("project", {}).get("name") == _PROJECT else None


def gpu_names() -> list[str]:
    """Return the name of every GPU that this process sees."""
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
