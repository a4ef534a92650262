"""Choosing a trial of a run, and writing down how."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.trial_table import RunError, TrialTable
from spaces import TrialRecord, TrialState, write_text

_NUM_COMPARED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which trial was chosen, among which, by which rule."""

    run: str
    rule: str
    family: str
    objective: str
    chosen: int
    """Number of the chosen trial."""
    params: dict[str, Any]  # Any: as the parameters
    compared: tuple[dict[str, Any], ...]  # Any: JSON
    """The best trials of the family, the chosen one first."""
    note: str | None
    """What a reader should know, as that the run was still going on."""


def select(run: Path, *, family: str = "mobilenetv3") -> Selection:
    """Choose the trial of a family with the best objective and write `selection.json`.

    Parameters
    ----------
    run : Path
        A run folder, finished or not.
    family : str
        First word of a backbone's name, or `any`.

    Raises
    ------
    RunError
        Where no trial has ended, or none of the family.
    """
    table = TrialTable(run)
    leaders = table.leaders(family)
    if not leaders:
        found = sorted({table.family(record) for record in table.leaders()})
        if not found:
            raise RunError(
                f"{run}: no trial has ended with a result; wait, or see `cytosweep trials`"
            )
        raise RunError(
            f"{run}: no trial of family {family} has ended; there are {', '.join(found)}"
        )
    selection = Selection(
        run=str(table.paths.root),
        rule=f"best {table.sweep.objective}",
        family=family,
        objective=table.sweep.objective,
        chosen=leaders[0].trial,
        params=dict(leaders[0].params),
        compared=tuple(_evidence(record) for record in leaders[:_NUM_COMPARED]),
        note=_note(table, leaders[0]),
    )
    write_text(table.paths.selection, json.dumps(asdict(selection), indent=2) + "\n")
    return selection


def _note(table: TrialTable, chosen: TrialRecord) -> str | None:
    notes = []
    if table.status().state == "running":
        notes.append("the run was still going on")
    if chosen.state == TrialState.PRUNED.name:
        epochs = table.sweep.trial_spec(chosen.params).epochs
        notes.append(
            f"trial {chosen.trial} was stopped after {chosen.epochs} of {epochs} epochs, so little"
            " is known of it; retrain trains them all"
        )
    return "; ".join(notes) or None


def _evidence(record: TrialRecord) -> dict[str, Any]:  # Any: JSON
    names = ("trial", "state", "objective", "best_epoch", "val_balanced_accuracy", "shift_accuracy")
    return {**{name: getattr(record, name) for name in names}, "params": dict(record.params)}


def chosen_trial(table: TrialTable) -> int:
    """Return the trial that `selection.json` names, else the best of any family.

    Raises
    ------
    RunError
        Where no trial has ended.
    """
    if table.paths.selection.is_file():
        try:
            return int(json.loads(table.paths.selection.read_text(encoding="utf-8"))["chosen"])
        except (ValueError, KeyError, TypeError) as error:
            path = table.paths.selection
            raise RunError(
                f"{path}: names no chosen trial; run `cytosweep select` again"
            ) from error
    leaders = table.leaders()
    if not leaders:
        raise RunError(f"{table.paths.root}: no trial has ended with a result; wait for one")
    return leaders[0].trial
