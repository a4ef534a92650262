"""A trial as Tune runs it: the plain function of `trainables` with a reporter to the driver."""

import logging
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from search.full_disk import is_disk_full
from search.messages import MESSAGE, EpochEnded, Message, TrialEnded, TrialFailed
from spaces import DataSpec, EpochRecord, RunPaths, SweepSpec, recover
from trainables import TrialData, TrialJob, load_trial_data, run_trial

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def tune_trial(config: dict[str, Any], *, sweep: SweepSpec, root: Path) -> None:
    """Run the trial that `config` names; whatever it raises becomes a message and a log.

    Parameters
    ----------
    config : dict
        `number`, `params` and `seed` of the trial.
    sweep : SweepSpec
        The sweep it belongs to.
    root : Path
        The run folder, visible from every node.
    """
    run = RunPaths(root)
    if not run.sweep.exists():
        host = socket.gethostname()
        raise OSError(
            f"{root}: not visible from node {host}; put runs on storage that all nodes share"
        )
    paths = run.trial(config["number"])
    paths.root.mkdir(parents=True, exist_ok=True)
    for path in (paths.config, paths.best, paths.last, paths.predictions):
        recover(path)
    node = f"{socket.gethostname()}-{ray.get_runtime_context().get_node_id()[:6]}"

    def report(record: EpochRecord) -> None:
        logging.getLogger(__name__).info("%s", record)
        _tell(EpochEnded(record=record, node=node))

    with _logging_to(paths.log):
        try:
            job = TrialJob(
                spec=sweep.trial_spec(config["params"]),
                objective=sweep.objective,
                seed=config["seed"],
                folder=paths.root,
                num_threads=sweep.resources.cpus_per_trial,
                device="cuda" if torch.cuda.is_available() else "cpu",
            )
            final: Message = TrialEnded(summary=run_trial(job, _data(sweep.data), report))
        except Exception as error:  # a trial may raise anything; the sweep goes on
            logging.getLogger(__name__).error("%s", traceback.format_exc())
            final = TrialFailed(
                error=f"{type(error).__name__}: {error} (log: {run.relative(paths.log)})",
                is_disk_full=is_disk_full(error),
            )
    _tell(final)


def _tell(message: Message) -> None:
    tune.report({MESSAGE: message, "done": not isinstance(message, EpochEnded)})


@lru_cache(maxsize=1)
def _data(spec: DataSpec) -> TrialData:
    """Return the data, opened once for all trials that this process will run."""
    return load_trial_data(spec)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send all logging, warnings included, to the trial's log while the block runs."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
