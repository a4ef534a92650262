"""Exporting a model as a folder that stands on its own."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.model_readme import model_readme
from analysis.retraining import trial_scores
from analysis.selection import chosen_trial
from analysis.trial_table import RunError, TrialTable
from spaces import RunPaths, TrialRecord, UserError
from trainables import load_model, save_model
from trainables.model_folder import CARD, METRICS

_Numbers = dict[str, dict[str, int | float | None]]
_NUMBERS: TypeAdapter[_Numbers] = TypeAdapter(_Numbers, config={"strict": True})


def export(source: Path, out: Path, *, trial: int | None = None) -> Path:
    """Write a model folder of a run or of another model folder to `out`; return its full path.

    Parameters
    ----------
    source : Path
        A run folder, of which `best/` is taken, else the chosen, else the best trial; or a model
        folder.
    out : Path
        A folder that does not exist yet, or is empty.
    trial : int, optional
        Take this trial's checkpoint instead.

    Raises
    ------
    UserError
        Where there is no model, or `out` is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"-o {out}: is not empty; give another folder")
    folder, record = _model_folder(source, trial)
    model, card = load_model(folder)
    numbers = {"trial": trial_scores(record)} if record else _metrics(folder)
    texts = {
        METRICS: json.dumps(numbers, indent=2) + "\n",
        "README.md": model_readme(card, numbers),
    }
    folder = out.absolute()  # writing replaces the folder, also where it is the working directory
    save_model(folder, model, card, texts)
    return folder


def _metrics(folder: Path) -> _Numbers:
    """Return the numbers that stand in a model folder; none where there is no file."""
    path = folder / METRICS
    if not path.is_file():
        return {}
    try:
        return _NUMBERS.validate_json(path.read_bytes())
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(f"{path}: is damaged ({reason}); retrain or export again") from error


def _model_folder(source: Path, trial: int | None) -> tuple[Path, TrialRecord | None]:
    """Return the folder to take the model from, and the trial where it is one's checkpoint."""
    if (source / CARD).is_file():
        if trial is not None:
            raise UserError(f"--trial {trial}: {source} is a model folder, it has no trials")
        return source, None
    if not RunPaths(source).sweep.is_file():
        what = "is neither a run (sweep.yaml) nor a model folder (model.json)"
        what = what if source.is_dir() else "no such folder"
        raise UserError(f"{source}: {what}; give RUN or a folder written by `export`")
    table = TrialTable(source)
    if trial is None and (table.paths.best / CARD).is_file():
        return table.paths.best, None
    record = table.record(chosen_trial(table) if trial is None else trial)
    if record.checkpoint is None:
        keep = table.sweep.search.keep_checkpoints
        raise RunError(
            f"{source}: trial {record.trial} has no checkpoint, as search.keep_checkpoints is"
            f" {keep}; choose another, or `cytosweep retrain {source} --trial {record.trial}`"
        )
    return table.paths.root / record.checkpoint, record
