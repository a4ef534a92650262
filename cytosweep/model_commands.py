"""Commands that choose, train, measure, use and ship models."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosweep.console import check_output, err, out, plain, print_frame, print_json, progress_bar
from cytosweep.sweep_commands import JsonOption, RunArgument

if TYPE_CHECKING:
    from analysis import Evaluation
    from trainables.shifts import Family

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder.")]
TrialOption = Annotated[
    int | None, typer.Option(metavar="N", help="This trial instead of the chosen one.")
]
_JPEG_HINT = "PNG, JPEG, ..., folders, .npz, .parquet"


class ShiftFamily(StrEnum):
    """The families of `trainables.shifts`, whose import would make every help slow."""

    selection = "selection"
    heldout = "heldout"


def select(
    run: RunArgument,
    family: Annotated[
        str, typer.Option(help="First word of the backbone's name, or any.")
    ] = "mobilenetv3",
    as_json: JsonOption = False,
) -> None:
    """Choose the best trial of a family and write down why, in RUN/selection.json.

    Example: cytosweep select runs/first --family mobilenetv3
    """
    import pandas as pd

    from analysis import select as select_trial

    selection = select_trial(run, family=family)
    if as_json:
        print_json(_status(run, selection.chosen))
        return
    print_frame(pd.json_normalize(list(selection.compared)))
    if selection.note:
        err.print(f"note: {selection.note}", markup=False)
    out.print(
        f"chosen: trial {selection.chosen}, by {selection.rule} of family {family};"
        f" next: cytosweep retrain {run}",
        markup=False,
    )


def retrain(run: RunArgument, trial: TrialOption = None, as_json: JsonOption = False) -> None:
    """Train the chosen configuration on training and validation images; writes RUN/best.

    Example: cytosweep retrain runs/first
    """
    from analysis import planned_epochs
    from analysis import retrain as retrain_trial

    total = planned_epochs(run, trial)
    with progress_bar("retraining, epochs") as progress:
        progress(0, total)
        best = retrain_trial(run, trial=trial, report=lambda r: progress(r.epoch, total))
    if as_json:
        from trainables.model_folder import load_card

        print_json(_status(run, load_card(best).provenance["trial"]))
        return
    out.print(f"{best}: retrained; next: cytosweep evaluate {best} DATA", markup=False)


def evaluate(
    model: ModelArgument,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A source; SOURCE#test names a part of it.")
    ],
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over flips and quarter turns, 8 views.")
    ] = False,
    shift: Annotated[
        ShiftFamily | None, typer.Option(help="Also under every shift of this family.")
    ] = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON here too.")
    ] = None,
) -> None:
    """Measure a model on images it was not chosen by; every look is logged in the model folder.

    Example: cytosweep evaluate runs/first/best test.parquet --shift heldout
    """
    import json

    from analysis import evaluate as evaluate_model
    from spaces import write_text

    if output is not None:
        check_output(output)
    family: Family | None = shift.value if shift else None
    with progress_bar("evaluating") as progress:
        evaluation = evaluate_model(model, data, tta=tta, shift=family, progress=progress)
    if output is not None:
        write_text(output, json.dumps(plain(evaluation.as_json()), indent=2) + "\n")
    if evaluation.seen_in_training:
        err.print("note: these images trained the model, so the scores flatter it", markup=False)
    if evaluation.note:
        err.print(f"note: {evaluation.note}", markup=False)
    if as_json:
        print_json(evaluation.as_json())
    else:
        print_evaluation(evaluation)


def print_evaluation(evaluation: "Evaluation") -> None:
    """Print an evaluation for people."""
    import pandas as pd

    from trainables.shifts import NUM_SEVERITIES

    low, high = evaluation.accuracy_ci95
    out.print(
        f"{evaluation.data}: n {evaluation.n}, accuracy {evaluation.accuracy:.4f}"
        f" (95 % interval {low:.4f} to {high:.4f}), balanced accuracy"
        f" {evaluation.balanced_accuracy:.4f}, macro-F1 {evaluation.macro_f1:.4f}",
        markup=False,
    )
    scores: dict[str, dict[str, Any]] = evaluation.as_json()["per_class"]  # Any: a number
    rows = [{"class": name, **values} for name, values in scores.items()]
    for row, counts in zip(rows, evaluation.confusion, strict=True):
        row["predicted as, in this order"] = " ".join(f"{count:4}" for count in counts)
    print_frame(pd.DataFrame(rows))
    if evaluation.shift is not None:
        severities = [f"severity {severity}" for severity in range(1, NUM_SEVERITIES + 1)]
        table = pd.DataFrame.from_dict(evaluation.shift, orient="index", columns=severities)
        print_frame(table.reset_index(names="balanced accuracy under"))
        out.print(f"shift accuracy {evaluation.shift_accuracy:.4f}", markup=False)


def predict(
    model: ModelArgument,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help=_JPEG_HINT)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .csv file.")
    ] = Path("predictions.parquet"),
) -> None:
    """Predict the classes of pictures; a picture that cannot be read is a row with an error.

    Example: cytosweep predict runs/first/best cells/ -o predictions.csv
    """
    from analysis import predict as predict_pictures
    from analysis import save_predictions
    from analysis.prediction import check_suffix

    check_output(output)
    check_suffix(output)
    with progress_bar("predicting") as progress:
        frame = predict_pictures(model, inputs, progress=progress)
    save_predictions(frame, output)
    bad = int(frame["error"].notna().sum())
    found = frame["prediction"].value_counts()
    counts = ", ".join(f"{count} {name}" for name, count in found.items())
    out.print(f"{output}: {len(frame)} pictures, {bad} unusable; {counts or 'none'}", markup=False)


def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="A run or model folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="A new or empty folder.")
    ],
    trial: TrialOption = None,
) -> None:
    """Write a model folder: weights, model.json, metrics.json and a model card.

    Example: cytosweep export runs/first -o mobilenetv3-cells
    """
    from analysis import export as export_model

    folder = export_model(source, output, trial=trial)
    files = ", ".join(sorted(file.name for file in folder.iterdir()))
    out.print(f"{output}: {files}", markup=False)


def _status(run: Path, chosen: int) -> dict[str, Any]:  # Any: JSON
    """Return the run's status with the chosen trial as the best."""
    from analysis import TrialTable

    table = TrialTable(run)
    record = table.record(chosen)
    best = {"trial": chosen, "objective": record.objective, "params": dict(record.params)}
    return {**table.status().as_json(), "best": best}
