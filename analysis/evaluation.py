"""Measuring a model on images it was not chosen by."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from spaces import TestTimeAugmentation
from trainables import DataError, load_model, open_source, open_store
from trainables.manifest import read_manifest
from trainables.metrics import Probabilities, balanced_accuracy, score
from trainables.model_folder import READINGS, ModelCard
from trainables.picture import Pixels
from trainables.prediction import BATCH, predict
from trainables.shifts import NUM_SEVERITIES, Family, shift_names
from trainables.source import NO_LABEL, split_part
from trainables.split import Indices, split_store
from trainables.store import ImageStore, Progress
from trainables.trial_data import View, clean_view, shifted_pixels

_NUM_RESAMPLES = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """How one class fared; fractions in 0..1, and the number of its images."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model scores on a set of images; fractions in 0..1."""

    data: str
    n: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    """Percentile bootstrap over images, 95 %."""
    balanced_accuracy: float
    macro_f1: float
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]
    """Rows are the truth, columns the prediction, in the order of the classes."""
    seen_in_training: bool
    """Whether the images are of the set the model was trained on: then the scores flatter it."""
    tta: TestTimeAugmentation
    """The views of an image whose probabilities were averaged."""
    seconds: float
    shift: dict[str, list[float]] | None = None
    """Balanced accuracy at severity 1..5 by shift."""
    shift_accuracy: float | None = None
    """Mean over all shifts and severities."""
    note: str | None = None
    """What a reader should know, as that the evaluation could not be logged."""

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the evaluation as JSON values, without what was not asked for."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def evaluate(
    model: Path,
    data: str,
    *,
    tta: bool = False,
    shift: Family | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model folder on a data source and log that this was done.

    Where the model learned from other images of this source, the manifest that it was trained with
    says what is left out here, and under which labels the rest counts.

    Parameters
    ----------
    model : Path
        A model folder.
    data : str
        A source, or `source#part`; without a part the test part of a source that has one.
    tta : bool
        Average over flips and quarter turns also where the model folder asks for one view only.
    shift : {"selection", "heldout"}, optional
        Also measure under every shift of this family at every severity.
    progress : callable, optional
        Told how many pictures of how many are decoded, then how many shifts are done.

    Raises
    ------
    DataError
        Where the part does not exist, labels are missing, or the classes are not the model's.
    """
    began = time.perf_counter()
    classifier, card = load_model(model)
    name, part = split_part(data)
    source = open_source(name)
    store = open_store(source, size=card.image_size, resize=card.resize, progress=progress)
    if store.fingerprint == card.data_fingerprint:
        store = _cleaned(store, card)
    indices, seen = _test_indices(store, part, card)
    view = _relabelled(clean_view(store, indices), store, card)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier.to(device)
    views: TestTimeAugmentation = "turns" if tta and card.tta == "none" else card.tta
    predict_batches = partial(predict, classifier, device=device, tta=views)
    probabilities = predict_batches(view.batches(BATCH))
    names = shift_names(shift) if shift else ()
    table = _under_shifts(predict_batches, view, names, progress) if shift else None
    evaluation = Evaluation(
        data=data,
        n=len(view.labels),
        seen_in_training=seen,
        tta=views,
        seconds=time.perf_counter() - began,
        shift=table,
        shift_accuracy=None if table is None else float(np.mean(list(table.values()))),
        **_clean_scores(view.labels, probabilities, card.classes),
    )
    return replace(evaluation, note=_log_reading(model, store, evaluation))


def _clean_scores(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Iterable[str]
) -> dict[str, Any]:  # Any: fields of an Evaluation
    classes = list(classes)
    predicted = probabilities.argmax(axis=1)
    scores = score(labels, probabilities)
    which = np.arange(len(classes))
    columns = precision_recall_fscore_support(labels, predicted, labels=which, zero_division=0)
    return {
        "accuracy": scores.accuracy,
        "accuracy_ci95": accuracy_interval(labels == predicted),
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_f1": scores.macro_f1,
        "per_class": {
            name: ClassScores(precision=float(p), recall=float(r), f1=float(f), support=int(s))
            for name, p, r, f, s in zip(classes, *columns, strict=True)
        },
        "confusion": confusion_matrix(labels, predicted, labels=which).tolist(),
    }


def accuracy_interval(is_correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of `[n]` right-or-wrong."""
    if len(is_correct) == 1:
        return 0.0, 1.0  # one image tells nothing, and there is nothing to resample
    interval = bootstrap(
        (is_correct.astype(float),),
        np.mean,
        n_resamples=_NUM_RESAMPLES,
        method="percentile",
        batch=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _under_shifts(
    predict_batches: Callable[[Iterable[Pixels]], Probabilities],
    view: View,
    names: Iterable[str],
    progress: Progress | None,
) -> dict[str, list[float]]:
    names = list(names)
    pixels = view.images[view.indices]
    table: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        for severity in range(1, NUM_SEVERITIES + 1):
            severities = np.full(len(pixels), severity)
            shifted = shifted_pixels(pixels, name, severities, seed=severity)
            batches = (shifted[start : start + BATCH] for start in range(0, len(shifted), BATCH))
            predicted = predict_batches(batches).argmax(axis=1)
            table[name].append(balanced_accuracy(view.labels, predicted))
            if progress:
                progress(sum(map(len, table.values())), NUM_SEVERITIES * len(names))
    return table


def _test_indices(store: ImageStore, part: str | None, card: ModelCard) -> tuple[Indices, bool]:
    """Return which images to measure on, and whether the model has been trained on them."""
    is_own = store.fingerprint == card.data_fingerprint
    has = set(store.parts.tolist()) - {""}
    if part in has or (part is None and "test" in has):
        indices = np.flatnonzero(store.kept & (store.parts == (part or "test")))
        return indices, is_own and part in ("train", "validation")
    if is_own and not has and (part or card.data.split.test > 0):
        split = split_store(store, card.data.split)
        own = {"train": split.train, "validation": split.validation, "test": split.test}
        if len(own.get(part or "test", [])):
            return own[part or "test"], part in ("train", "validation")
    if part is not None:
        known = ", ".join(sorted(has)) or "no parts"
        raise DataError(f"{store.source}: has no part {part}; it has {known}")
    return np.flatnonzero(store.kept), is_own


def _cleaned(store: ImageStore, card: ModelCard) -> ImageStore:
    """Return the store of the model's own data as its trial had it before they were split."""
    if card.data.keep is None:
        return store
    manifest = read_manifest(Path(card.data.keep))
    if manifest.decisions() != card.manifest_fingerprint:
        raise DataError(
            f"{manifest.name}: has changed since the model was trained, so that nobody can tell its"
            " test images; restore it, or give another source"
        )
    return manifest.applied(store)


def _relabelled(view: View, store: ImageStore, card: ModelCard) -> View:
    """Return the view with labels that count the model's classes."""
    if len(view.labels) == 0:
        raise DataError(f"{store.source}: has no image to measure on; choose another part")
    if (view.labels == NO_LABEL).any():
        row = view.rows[np.argmax(view.labels == NO_LABEL)]
        raise DataError(
            f"{store.source}: row {row} has no label; evaluating needs one, see `predict`"
        )
    index = np.array([_label_of(name, store, card) for name in store.class_names])
    return View(
        name=view.name,
        images=view.images,
        indices=view.indices,
        labels=index[view.labels],
        rows=view.rows,
        severities=view.severities,
    )


def _label_of(name: str, store: ImageStore, card: ModelCard) -> int:
    """Return the model's label of a class; one without a name is matched by its number."""
    if name in card.classes:
        return card.classes.index(name)
    if name.isdigit() and int(name) < len(card.classes):
        return int(name)
    known = ", ".join(card.classes)
    raise DataError(f"{store.source}: class {name} is none of the model's: {known}")


def _log_reading(model: Path, store: ImageStore, evaluation: Evaluation) -> str | None:
    """Add a line to the model folder: every look at a test set makes the next one less blind.

    Return why that could not be done, if so; the evaluation is worth as much.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": evaluation.data,
        "fingerprint": store.fingerprint,
        "n": evaluation.n,
        "accuracy": evaluation.accuracy,
    }
    try:
        with (model / READINGS).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    except OSError as error:
        return f"{model / READINGS}: {error.strerror}, so this evaluation is not logged"
    return None
