"""Predicting the classes of pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from spaces import UserError, replacing
from trainables import load_model, open_source
from trainables.classifier import Classifier
from trainables.model_folder import ModelCard
from trainables.picture import BadPictureError, Pixels, square_pixels
from trainables.prediction import BATCH
from trainables.prediction import predict as predict_batches
from trainables.source import Source, split_part
from trainables.store import Progress

_SUFFIXES = (".parquet", ".csv")


def predict(
    model: Path, inputs: Sequence[str], *, progress: Progress | None = None
) -> pd.DataFrame:
    """Return one row per picture: row, path, prediction, prob_0..., error.

    Probabilities are averaged over the views that the model folder asks for.

    Parameters
    ----------
    model : Path
        A model folder.
    inputs : sequence of str
        Picture files, folders of pictures, npz or parquet files, `synthetic:blood-cells`; labels
        are not needed. `source#part` takes one part.
    progress : callable, optional
        Told how many pictures of how many are done.

    Returns
    -------
    DataFrame
        `prob_k` is the probability of class k, 0..1. A picture that cannot be used has an `error`
        and no prediction.
    """
    classifier, card = load_model(model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier.to(device)
    opened = [_open(name) for name in inputs]
    total = sum(len(rows) for _, rows, _ in opened)
    frames: list[pd.DataFrame] = []
    done = 0
    for source, rows, paths in opened:
        for start in range(0, len(rows), BATCH):
            chunk = rows[start : start + BATCH]
            frames.append(_predict_rows(classifier, card, source, chunk, device))
            frames[-1].insert(1, "path", [paths[row] for row in chunk])
            done += len(chunk)
            if progress:
                progress(done, total)
    return pd.concat(frames, ignore_index=True)


def save_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Write predictions as parquet or CSV, by the suffix of `path`."""
    check_suffix(path)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary)


def check_suffix(path: Path) -> None:
    """Raise a `UserError` where the suffix of `path` names no format of predictions."""
    if path.suffix not in _SUFFIXES:
        known = " or ".join(_SUFFIXES)
        raise UserError(f"-o {path}: must end in {known}; try {path.stem}.parquet")


def _open(name: str) -> tuple[Source, list[int], Sequence[str]]:
    """Return a source, the rows of it that were asked for, and the paths of all rows."""
    text, part = split_part(name)
    source = open_source(text, labelled=False)
    rows = source.rows()
    wanted = np.arange(len(rows.paths)) if part is None else np.flatnonzero(rows.parts == part)
    if len(wanted) == 0:
        has = ", ".join(sorted(set(rows.parts.tolist()) - {""})) or "no parts"
        raise UserError(f"{name}: has no picture to predict; it has {has}")
    return source, wanted.tolist(), rows.paths


def _predict_rows(
    model: Classifier, card: ModelCard, source: Source, rows: Sequence[int], device: torch.device
) -> pd.DataFrame:
    pixels: dict[int, Pixels] = {}
    errors: dict[int, str] = {}
    for row in rows:
        try:
            raw = source.picture(row)
            pixels[row] = square_pixels(raw, size=card.image_size, resize=card.resize)
        except (BadPictureError, OSError) as error:
            errors[row] = str(error)
    columns = [f"prob_{k}" for k in range(len(card.classes))]
    frame = pd.DataFrame({"row": list(rows)})
    table = pd.DataFrame(np.nan, index=frame.index, columns=columns, dtype=np.float32)
    good = [index for index, row in enumerate(rows) if row in pixels]
    if good:
        stacked: Iterator[Pixels] = iter([np.stack(list(pixels.values()))])
        table.iloc[good] = predict_batches(model, stacked, device, tta=card.tta)
    best = table.iloc[good].to_numpy().argmax(axis=1) if good else []
    names = pd.Series([None] * len(rows), dtype="string")
    names.iloc[good] = [card.classes[k] for k in best]
    frame["prediction"] = names
    frame = frame.join(table)
    frame["error"] = pd.Series([errors.get(row) for row in rows], dtype="string")
    return frame
