"""Making a run folder, and keeping it in step with its study."""

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress

from search.learned import Lessons
from search.study import SweepStudy
from spaces import (
    RunPaths,
    SweepSpec,
    TrialRecord,
    TrialState,
    UserError,
    curves_frame,
    kept_checkpoints,
    replacing,
    save_sweep,
    trials_frame,
    why_not_makeable,
    with_checkpoints,
    write_text,
)


def create_run(
    paths: RunPaths,
    sweep: SweepSpec,
    provenance: dict[str, object],
    lessons: Iterable[Lessons] = (),
) -> SweepSpec:
    """Make the folder of a new run and return its sweep, which names its own copy of a manifest.

    What earlier runs teach is copied too: a run decides the same wherever they are moved.

    Raises
    ------
    UserError
        Where something is there already, or no folder can be made.
    """
    check_free(paths)
    try:
        paths.trials.mkdir(parents=True)
    except OSError as error:
        raise _not_makeable(paths, error.strerror) from error
    write_text(paths.provenance, json.dumps(provenance, indent=2) + "\n")
    if sweep.data.keep:  # which its owner may edit while the run goes on
        shutil.copyfile(sweep.data.keep, paths.manifest)
        data = sweep.data.model_copy(update={"keep": str(paths.manifest)})
        sweep = sweep.model_copy(update={"data": data})
    if sweep.search.learn_from:
        learned = [trial for lesson in lessons for trial in lesson.trials]
        write_text(paths.learned, json.dumps(learned, indent=1) + "\n")
    save_sweep(sweep, paths.sweep)  # last: a folder that has it is a run
    return sweep


def check_free(paths: RunPaths) -> None:
    """Raise a `UserError` where something is in a run's place, or none can be made there."""
    try:
        if paths.root.exists() and (not paths.root.is_dir() or any(paths.root.iterdir())):
            raise UserError(
                f"{paths.root}: is not empty; give another --run, or go on with `cytosweep resume"
                f" {paths.root}`"
            )
    except OSError as error:
        raise _not_makeable(paths, error.strerror) from error
    if reason := why_not_makeable(paths.root):
        raise _not_makeable(paths, reason)


def _not_makeable(paths: RunPaths, reason: str | None) -> UserError:
    return UserError(f"{paths.root}: cannot be made ({reason}); give another --run")


def write_tables(paths: RunPaths, study: SweepStudy, sweep: SweepSpec) -> None:
    """Write the trial table and the curves as the journal has them now."""
    records = with_checkpoints(study.records(), sweep, paths)
    frames = {
        paths.trials_table: trials_frame(records, list(sweep.space)),
        paths.curves_table: curves_frame(study.trials()),
    }
    for path, frame in frames.items():
        with replacing(path) as temporary:
            frame.to_parquet(temporary)


class Checkpoints:
    """The checkpoints of a run's trials; what was seen to is not looked at again."""

    def __init__(self, paths: RunPaths, sweep: SweepSpec) -> None:
        self._paths, self._sweep = paths, sweep
        self._ended: set[int] = set()
        self._dropped: set[int] = set()

    def drop(self, records: Iterable[TrialRecord]) -> None:
        """Remove training states of ended trials, and models beyond the k best of a family.

        What cannot be removed stays for the next time: it costs disk, no result.
        """
        ended = {r.trial: r for r in records if TrialState[r.state].is_finished()}
        superfluous = ended.keys() - kept_checkpoints(ended.values(), self._sweep)
        for number in ended.keys() - self._ended:
            with suppress(OSError):
                self._paths.trial(number).last.unlink(missing_ok=True)
                self._ended.add(number)
        for number in superfluous - self._dropped:
            with suppress(OSError):
                if self._paths.trial(number).checkpoint.exists():
                    shutil.rmtree(self._paths.trial(number).checkpoint)
                self._dropped.add(number)
