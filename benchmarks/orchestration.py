"""What a trial costs that does nothing: cytosweep beside Tune's own way and Optuna alone.

usage: python -m benchmarks.orchestration [--trials 100] [--rounds 3]

Three contenders run the same number of trials of three parameters and one epoch, two at a time,
each in a process of its own, in turn, several rounds. A trial's cost is the time from the end of
the first trial to the end of the last, by the trials between; Ray's start and what comes before
the first end (a worker imports torch) stand apart. `cytosweep` is the whole driver (journal,
events, run folder), its training replaced by one report.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

SLOTS = 2

Ends = tuple[float, float, list[float]]
"""When the contender began, when Ray was up, and when each trial ended; seconds since the epoch."""


def cytosweep(trials: int, folder: Path) -> Ends:
    """Run our driver with a trial that only reports."""
    from search.ray_runtime import ray_runtime  # isort: skip
    from ray import tune

    from search import driver
    from search.messages import MESSAGE, EpochEnded, TrialEnded
    from search.study import SweepStudy
    from search.tune_stopper import SweepStopper
    from spaces import DataSpec, EpochRecord, RunPaths, SearchSpec, SweepSpec, TrialSummary

    def nothing(config: dict, *, sweep: object, root: Path) -> None:
        record = EpochRecord(
            epoch=1,
            seconds=0.0,
            train_loss=1.0,
            learning_rate=1e-3,
            images_per_s=1.0,
            robust_accuracy=config["params"]["dropout"],
        )
        tune.report({MESSAGE: EpochEnded(record=record, node="here"), "done": False})
        summary = TrialSummary(parameters_m=1.0, latency_ms=1.0, peak_memory_mb=1.0)
        tune.report({MESSAGE: TrialEnded(summary=summary), "done": True})

    driver.tune_trial = nothing
    sweep = SweepSpec.model_validate(
        {
            "data": DataSpec(source="synthetic:blood-cells"),
            "space": {
                "dropout": {"low": 0.0, "high": 0.5},
                "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
                "augment_ops": {"low": 0, "high": 3},
            },
            "search": SearchSpec(trials=trials, pruner="none"),
            "resources": {"max_concurrent": SLOTS},
        }
    )
    paths = RunPaths(folder / "run")
    driver.create_run(paths, sweep, {})
    began = time.time()
    with ray_runtime(None):
        started = time.time()
        study = SweepStudy(paths, sweep)
        driver._fit(paths, study, SweepStopper(), None, lambda _resources: SLOTS)
    ends = [t.datetime_complete.timestamp() for t in study.trials() if t.state.name == "COMPLETE"]
    return began, started, ends


def tune_with_optuna_search(trials: int, folder: Path) -> Ends:
    """Run Tune as its documentation shows it."""
    from search.ray_runtime import ray_runtime  # isort: skip
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def nothing(config: dict) -> None:
        tune.report({"score": config["dropout"]})

    class EndTimes(tune.Callback):
        """Notes when each trial ended."""

        def __init__(self, ends: list[float]) -> None:
            self.ends = ends

        def on_trial_complete(self, **info: object) -> None:
            """Note the time."""
            self.ends.append(time.time())

    ends: list[float] = []
    began = time.time()
    with ray_runtime(None):
        started = time.time()
        tuner = tune.Tuner(
            nothing,
            param_space={
                "dropout": tune.uniform(0.0, 0.5),
                "learning_rate": tune.loguniform(1e-4, 1e-2),
                "augment_ops": tune.randint(0, 4),
            },
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                search_alg=OptunaSearch(),
                num_samples=trials,
                max_concurrent_trials=SLOTS,
            ),
            run_config=tune.RunConfig(
                name="run", storage_path=str(folder), verbose=0, callbacks=[EndTimes(ends)]
            ),
        )
        tuner.fit()
    return began, started, ends


def optuna_alone(trials: int, folder: Path) -> Ends:
    """Run Optuna in one process with a journal."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    def nothing(trial: optuna.Trial) -> float:
        trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        trial.suggest_int("augment_ops", 0, 3)
        value = trial.suggest_float("dropout", 0.0, 0.5)
        trial.report(value, 1)
        return value

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal")))
    study = optuna.create_study(storage=storage, direction="maximize")
    began = time.time()
    study.optimize(nothing, n_trials=trials)
    return began, began, [t.datetime_complete.timestamp() for t in study.trials]


CONTENDERS = {
    "cytosweep": cytosweep,
    "Tune, OptunaSearch, fresh actors": tune_with_optuna_search,
    "Optuna alone, one process": optuna_alone,
}


def main() -> None:
    """Run every contender in turn and print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(CONTENDERS[arguments.only](arguments.trials, Path(folder))))
        return
    rounds: dict[str, list[Ends]] = {name: [] for name in CONTENDERS}
    for _ in range(arguments.rounds):
        for name in CONTENDERS:
            rounds[name].append(_in_own_process(name, arguments.trials))
    _print_report(rounds, arguments.trials)


def _in_own_process(name: str, trials: int) -> Ends:
    command = [sys.executable, "-m", "benchmarks.orchestration"]
    command += ["--trials", str(trials), "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    began, started, ends = json.loads(done.stdout.strip().splitlines()[-1])
    if len(ends) != trials:
        sys.exit(f"{name}: {len(ends)} of {trials} trials are complete")
    return began, started, sorted(ends)


def _print_report(rounds: dict[str, list[Ends]], trials: int) -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "torch"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.processor() or platform.machine()},")
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {libraries};")
    print(
        f"{trials} trials that do nothing, {SLOTS} at a time, {len(rounds['cytosweep'])} rounds\n"
    )
    print("| contender | s a trial: median (min, max) | ratio | Ray's start, s | first end, s |")
    print("|---|---|---|---|---|")
    costs = {
        name: sorted((ends[-1] - ends[0]) / (trials - 1) for _, _, ends in measured)
        for name, measured in rounds.items()
    }
    ours = statistics.median(costs["cytosweep"])
    for name, each in costs.items():
        median = statistics.median(each)
        start = statistics.median(started - began for began, started, _ in rounds[name])
        first = statistics.median(ends[0] - started for _, started, ends in rounds[name])
        spread = f"{median:.4f} ({each[0]:.4f}, {each[-1]:.4f})"
        print(f"| {name} | {spread} | {median / ours:.2f} | {start:.1f} | {first:.1f} |")


if __name__ == "__main__":
    main()
