"""Starting Ray for one sweep, or joining a cluster that is up."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Ray and Tune read most of these when they are imported.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402  # after the settings above

from spaces import ResourcesSpec, UserError  # noqa: E402  # likewise

_OBJECT_STORE_BYTES = 200_000_000
_KNOCK_S = 5.0


@contextmanager
def ray_runtime(address: str | None) -> Iterator[None]:
    """Have Ray run while the block runs.

    Parameters
    ----------
    address : str, optional
        `host:port` or `auto` of a cluster; None to start Ray on this machine alone.

    Raises
    ------
    UserError
        Where no cluster answers.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with _own_sigterm():
        if address is None:
            _start()
        else:
            _join(address)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep our handler of SIGTERM: `ray.init` sets one that exits without a word to the driver."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:  # that handler, while Ray started
        raise KeyboardInterrupt from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _start() -> None:
    """Start Ray on this machine alone."""
    # A token file written by one local start would lock others out; see Ray's RAY_AUTH_MODE.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )


def _join(address: str) -> None:
    """Join a cluster that is up."""
    try:
        _knock(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"--address {address}: no Ray cluster answers ({reason}); start one with"
            " `ray start --head`, or leave --address out"
        ) from error


def _knock(address: str) -> None:
    """Raise an `OSError` where nobody listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def slots(resources: ResourcesSpec, *, can_grow: bool) -> int:
    """Return how many trials run at the same time.

    Parameters
    ----------
    resources : ResourcesSpec
        What one trial gets, and the number that the user set, if any.
    can_grow : bool
        Whether nodes may join later, as on a cluster; then that number stands whatever is up.

    Raises
    ------
    UserError
        Where not one trial fits.
    """
    wanted = resources.max_concurrent
    if can_grow and wanted != "auto":
        return wanted
    fit = sum(_fit_on(node["Resources"], resources) for node in ray.nodes() if node["Alive"])
    if fit == 0:
        remedy = ", or set resources.max_concurrent where nodes are added on demand"
        raise UserError(
            f"resources: no node offers {resources.cpus_per_trial} CPUs and"
            f" {resources.gpus_per_trial:g} GPUs now; ask for less{remedy if can_grow else ''}"
        )
    return fit if wanted == "auto" else min(fit, wanted)


def _fit_on(node: dict[str, float], resources: ResourcesSpec) -> int:
    by_cpu = int(node.get("CPU", 0) // resources.cpus_per_trial)
    if resources.gpus_per_trial == 0:
        return by_cpu
    # A GPU is shared by trials, but no trial gets parts of two.
    per_gpu = max(1, int(1 / resources.gpus_per_trial))
    gpus = node.get("GPU", 0)
    by_gpu = gpus * per_gpu if resources.gpus_per_trial <= 1 else gpus // resources.gpus_per_trial
    return min(by_cpu, int(by_gpu))
