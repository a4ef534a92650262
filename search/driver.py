"""Launching a sweep, and resuming one that was cut."""

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

from search.ray_runtime import ray_runtime, slots  # first: it sets up Ray's environment

from ray import tune  # isort: skip
from ray.tune.error import TuneError
from rich.console import Console

from search.full_disk import is_disk_full
from search.interrupts import interrupts
from search.learned import read_lessons
from search.live_table import LiveTable
from search.provenance import provenance
from search.run_folder import Checkpoints, check_free, create_run, write_tables
from search.study import SweepStudy
from search.trainable import tune_trial
from search.tune_callback import RunFolderCallback
from search.tune_commands import CommandCallback
from search.tune_scheduler import StudyScheduler
from search.tune_searcher import StudySearcher
from search.tune_stopper import SweepStopper
from spaces import (
    BUDGETS,
    MetBudget,
    ResourcesSpec,
    RunPaths,
    SweepInterruptedError,
    SweepSpec,
    TrialState,
    UserError,
    all_run,
    check_backbones,
    check_changes,
    check_data,
    load_sweep,
    met_budget,
    note_event,
    run_lock,
    save_sweep,
    take_commands,
)
from trainables import backbone_names, check_models, load_trial_data
from trainables.store import Progress

_MAY_CHANGE = (*BUDGETS, "resources.")


def launch(
    sweep: SweepSpec,
    run: Path | None = None,
    *,
    address: str | None = None,
    console: Console | None = None,
    progress: Progress | None = None,
) -> RunPaths:
    """Run a sweep to its end and return the paths of its run.

    Parameters
    ----------
    sweep : SweepSpec
        What to do.
    run : Path, optional
        The run folder, new or empty; `runs/<name>` where None.
    address : str, optional
        A Ray cluster; this machine alone where None.
    console : Console, optional
        Where the live table is shown; nowhere where None.
    progress : callable, optional
        Told how many pictures of how many are decoded.

    Raises
    ------
    UserError
        Where folder, backbones, weights, data, earlier runs or cluster are not what they must be;
        nothing is left behind.
    SweepInterruptedError
        After SIGINT or SIGTERM, once everything is saved.
    OSError
        Where the disk is full; what was noted until then is kept, and `resume` goes on.
    """
    paths = check_launch(sweep, run)
    stopper = SweepStopper()
    data = load_trial_data(sweep.data, progress=progress)
    if console and data.warning:
        console.print(f"warning: {data.warning}", markup=False, soft_wrap=True)
    was_there = paths.root.exists()
    lessons = read_lessons(sweep)
    sweep = create_run(paths, sweep, provenance(sweep, data.fingerprints), lessons)
    for lesson in lessons:
        note_event(paths, "learned", lesson.facts())
        if console:
            console.print(str(lesson), markup=False, soft_wrap=True)
    for bad in data.store.bad_rows:
        note_event(paths, "left out", {"row": bad.row, "path": bad.path, "reason": bad.reason})
    try:
        with run_lock(paths.lock):
            _run(paths, sweep, stopper, address, console)
    except UserError:
        shutil.rmtree(paths.root)
        if was_there:
            paths.root.mkdir()
        raise
    return paths


def check_launch(sweep: SweepSpec, run: Path | None = None) -> RunPaths:
    """Return the paths of the run that `launch` would make, without making or decoding anything.

    Raises
    ------
    UserError
        Where `launch` would refuse the folder, a backbone, pretrained weights, or an earlier run.
    """
    paths = RunPaths((run or Path("runs") / sweep.name).absolute())
    check_free(paths)
    check_backbones(sweep, backbone_names())
    check_models(sweep)
    read_lessons(sweep)
    return paths


def resume(
    run: Path,
    overrides: Sequence[str] = (),
    *,
    address: str | None = None,
    console: Console | None = None,
    progress: Progress | None = None,
) -> RunPaths:
    """Go on with a run: trials that were cut continue from their checkpoints, under their numbers.

    Parameters
    ----------
    run : Path
        A run folder.
    overrides : sequence of str
        `key=value` lines for what ends the search (`search.trials`, `search.time_budget`, ...) and
        for `resources`.
    address, console, progress
        As for `launch`.

    Raises
    ------
    UserError
        Where it is no run folder, a live driver works on it, its data changed, weights or cluster
        are not there, or an override would change what the finished trials mean.
    SweepInterruptedError
        After SIGINT or SIGTERM, once everything is saved.
    OSError
        Where the disk is full; what was noted until then is kept, and `resume` goes on.
    """
    paths = RunPaths(run.absolute())
    if not paths.sweep.exists():
        raise UserError(f"{run}: is no run folder (sweep.yaml); see `cytosweep launch`")
    check_changes(overrides, _MAY_CHANGE)
    sweep = load_sweep(paths.sweep, overrides, backbones=backbone_names())
    check_models(sweep)
    stopper = SweepStopper()
    data = load_trial_data(sweep.data, progress=progress)
    check_data(paths, sweep.data, data.fingerprints)
    with run_lock(paths.lock):
        _run(paths, sweep, stopper, address, console, overrides)
    return paths


def _run(
    paths: RunPaths,
    sweep: SweepSpec,
    stopper: SweepStopper,
    address: str | None,
    console: Console | None,
    overrides: Sequence[str] | None = None,
) -> None:
    """Bring the sweep to its end; the caller holds the run's lock.

    `overrides` are those of a resume, which the run hears of once Ray is up and trials fit.
    """
    study = SweepStudy(paths, sweep)
    stopper.spent_before_s = study.spent_s
    take_commands(paths)  # those of an earlier driver; nobody waits for them any more
    if overrides is not None and (met := _nothing_left(study)):
        if console:
            more = f"cytosweep extend {paths.root} --set {met.more}"
            text = f"{paths.root}: nothing was run: {met.text}; go on with `{more}`"
            console.print(text, markup=False, soft_wrap=True)
        return
    with (
        interrupts(stopper),
        LiveTable(console) if console else nullcontext() as live,
        ExitStack() as cluster,
    ):
        if live:
            live.show(study.records(), sweep, stopper.elapsed_s())
        cluster.enter_context(ray_runtime(address))
        fitting = partial(slots, can_grow=address is not None)
        fitting(sweep.resources)  # refuses before anything is written
        if overrides is not None:
            save_sweep(sweep, paths.sweep)
            note_event(paths, "resumed", {"overrides": list(overrides)})
        with _wound_up(paths, study, stopper):
            with cluster.pop_all():
                _fit(paths, study, stopper, live, fitting)
            if stopper.reason in ("budget", "user"):
                study.prune_open(stopper.reason)
            if live:
                live.show(study.records(), study.sweep, stopper.elapsed_s())
    if console and study.is_exhausted and not stopper.reason:
        console.print("the whole space was tried", markup=False)
    if stopper.reason == "interrupt":
        raise SweepInterruptedError(paths.root)
    if stopper.reason == "disk":
        remedy = f"free some space there, then go on with `cytosweep resume {paths.root}`"
        raise OSError(errno.ENOSPC, f"the disk is full; {remedy}", str(paths.root))


@contextmanager
def _wound_up(paths: RunPaths, study: SweepStudy, stopper: SweepStopper) -> Iterator[None]:
    """Leave tables, an event that says why, and no scratch, however the block ends."""
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        ended = "the whole space was tried" if study.is_exhausted else "all trials ended"
        reason = f"{type(error).__name__}: {error}" if error else stopper.reason or ended
        shutil.rmtree(paths.executor, ignore_errors=True)
        Checkpoints(paths, study.sweep).drop(study.records())
        # On a full disk the journal has it all; tables are made of that again by `resume`.
        with suppress(OSError) if stopper.reason == "disk" else nullcontext():
            write_tables(paths, study, study.sweep)
            note_event(paths, "driver ended", {"reason": reason, "detail": stopper.detail})
            study.note_spent(stopper.elapsed_s())


def _nothing_left(study: SweepStudy) -> MetBudget | None:
    """Return the budget that leaves a resumed sweep nothing to do; None where there is work."""
    records = study.records()
    if not all(TrialState[record.state].is_finished() for record in records):
        return None
    return all_run(study.sweep, records) or met_budget(study.sweep, records, study.spent_s)


def _fit(
    paths: RunPaths,
    study: SweepStudy,
    stopper: SweepStopper,
    live: LiveTable | None,
    fitting: Callable[[ResourcesSpec], int],
) -> None:
    """Have Tune run what the study suggests until it suggests nothing, or the stopper says so.

    `fitting` returns how many trials fit at the same time.
    """
    sweep, searcher = study.sweep, StudySearcher(study, stopper)
    resources = sweep.resources
    trainable = tune.with_parameters(tune_trial, sweep=sweep, root=paths.root)
    per_trial = {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial}
    tuner = tune.Tuner(
        tune.with_resources(trainable, per_trial),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(study, stopper),
            num_samples=-1,
            max_concurrent_trials=fitting(resources),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.config["number"]),
        ),
        run_config=tune.RunConfig(
            name="executor",
            storage_path=str(paths.executor),
            stop=stopper,
            failure_config=tune.FailureConfig(max_failures=sweep.search.max_retries),
            callbacks=[
                RunFolderCallback(paths, study, stopper, live),
                CommandCallback(paths, study, stopper, searcher, fitting),
            ],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except TuneError as error:
        if not is_disk_full(error):
            raise
        stopper.disk_is_full()
