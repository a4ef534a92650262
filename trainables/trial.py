"""One trial, from its specification to its predictions: a plain function, wherever it runs."""

import json
import logging
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from spaces import TrialPaths, TrialSpec, TrialSummary, replacing, write_text
from trainables.classifier import Classifier, parameters_m
from trainables.model_folder import load_model
from trainables.prediction import predictions_frame, validate
from trainables.training import Clock, Report, TrainPlan, steps_per_epoch, train
from trainables.trial_data import TrialData

_NUM_TIMED = 20
_CLEAR_REFS = Path("/proc/self/clear_refs")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """What one trial of a sweep is asked to do."""

    spec: TrialSpec
    objective: str
    seed: int
    folder: Path
    """The trial's folder, `RUN/trials/<number>`."""
    num_threads: int = 1
    """CPU threads of torch."""
    device: str = "cpu"


def run_trial(
    job: TrialJob, data: TrialData, report: Report, *, clock: Clock = time.perf_counter
) -> TrialSummary:
    """Train by `job`, write checkpoints and predictions into its folder, and say what it cost.

    A trial that was cut goes on from its last checkpoint. `report` may end it by raising.
    """
    torch.set_num_threads(job.num_threads)
    forget_peak_memory(torch.device(job.device))
    paths = TrialPaths(job.folder)
    job.folder.mkdir(parents=True, exist_ok=True)
    config = {"seed": job.seed, "objective": job.objective, "trial": job.spec.model_dump()}
    write_text(paths.config, json.dumps(config, indent=2) + "\n")
    views = data.views(job.spec.validation_views)
    epoch_steps = steps_per_epoch(len(data.split.train), job.spec.batch_size)
    plan = TrainPlan(
        spec=job.spec,
        objective=job.objective,
        seed=job.seed,
        steps=job.spec.epochs * epoch_steps,
        device=job.device,
        paths=paths,
    )
    train(plan, data, views, report, clock=clock)
    model, _ = load_model(paths.best)
    device = torch.device(job.device)
    validation = validate(model.to(device), views, device)
    with replacing(paths.predictions) as temporary:
        predictions_frame(views, validation.probabilities).to_parquet(temporary)
    _log.info("done; predictions of %d views written", len(views))
    return TrialSummary(
        parameters_m=parameters_m(model),
        latency_ms=latency_ms(model, data.spec.image_size, device, clock),
        peak_memory_mb=peak_memory_mb(device),
    )


def latency_ms(model: Classifier, image_size: int, device: torch.device, clock: Clock) -> float:
    """Return the median milliseconds that `model` takes for one image on `device`."""
    image = torch.zeros(1, 3, image_size, image_size, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(_NUM_TIMED + 1):
            began = clock()
            model(image).cpu()
            times.append(1000 * (clock() - began))
    return median(times[1:])  # the first one warms up


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory_mb` count from now on; on a CPU where Linux allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        _CLEAR_REFS.write_text("5")  # "reset the peak resident set size", see proc(5)


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak of torch's memory on a GPU, or of the whole process on a CPU, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
