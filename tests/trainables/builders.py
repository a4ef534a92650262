"""What several tests of `trainables` are built from, with a default for every part."""

import io
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from spaces import DataSpec, EpochRecord, TrialPaths, TrialSpec
from trainables.manifest import kept_rows, write_manifest
from trainables.open_source import open_source
from trainables.picture import Pixels, RawPicture
from trainables.source import SourceRows
from trainables.split import Split
from trainables.store import ImageStore
from trainables.training import Report, TrainPlan
from trainables.trial_data import TrialData, View, channel_statistics

torch.set_num_threads(1)  # the pictures are tiny: a second thread only gets in the way

NAMES = ("basophil", "eosinophil", "monocyte")


def pictures(number: int = 6, size: int = 16, seed: int = 0) -> Pixels:
    """Return `[number, size, size, 3]` noise, no two pictures alike."""
    shape = (number, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def bright_pictures(number: int, size: int = 16, seed: int = 0) -> tuple[Pixels, NDArray[np.int64]]:
    """Return pictures of three classes told apart by brightness under noise, and their labels."""
    labels = np.arange(number) % len(NAMES)
    brightness = (40 * labels).astype(np.uint8)[:, None, None, None]
    return pictures(number, size, seed) // 2 + brightness, labels


def encoded(pixels: NDArray[Any] | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def write_parquet(
    path: Path,
    labels: Sequence[Any] = (0, 0, 1, 1, 2, 2),
    images: Sequence[Any] | None = None,
    metadata: dict[str, str] | None = None,
    **columns: Any,
) -> Path:
    """Write a table in the Hugging Face layout; a `label` column of None is left out."""
    if images is None:
        images = [{"bytes": encoded(p), "path": None} for p in pictures(len(labels))]
    whole = {"image": images, "label": labels} | columns
    table = pa.table({name: column for name, column in whole.items() if column is not None})
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def write_npz(path: Path, **arrays: Any) -> Path:
    """Write arrays; `images` and `labels` of six pictures where none is given."""
    np.savez(path, **(arrays or {"images": pictures(), "labels": np.array([0, 0, 1, 1, 2, 2])}))
    return path


def write_folder(root: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write files by their path; six pictures of three classes where none is given."""
    if files is None:
        files = {f"{NAMES[i // 2]}/{i}.png": encoded(p) for i, p in enumerate(pictures())}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    root.mkdir(exist_ok=True)
    return root


def audited(path: Path, source: Path, **columns: Any) -> str:
    """Write a manifest that keeps all rows of a source, but for the given columns."""
    opened = open_source(str(source))
    write_manifest(path, kept_rows(opened.rows()).assign(**columns), opened.fingerprint())
    return str(path)


class FakeSource:
    """Raw pictures held in memory; counts how many were asked for."""

    def __init__(self, raws: Sequence[RawPicture], name: str = "fake", content: str = "0") -> None:
        self._raws, self.name, self._content = raws, name, content
        self.asked = 0
        self.labelled = True

    def fingerprint(self) -> str:
        return self._content

    def rows(self) -> SourceRows:
        number = len(self._raws)
        labels, paths = np.arange(number) % len(NAMES), [f"picture {n}" for n in range(number)]
        parts = np.full(number, "")
        return SourceRows(labels=labels, class_names=NAMES, parts=parts, paths=paths)

    def picture(self, row: int) -> RawPicture:
        self.asked += 1
        raw = self._raws[row]
        if isinstance(raw, Exception):
            raise raw
        return raw


def image_store(
    labels: Sequence[int],
    *,
    images: Pixels | None = None,
    contents: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
    class_names: tuple[str, ...] = NAMES,
) -> ImageStore:
    """Return a store in memory; all contents differ and nothing is divided unless said so."""
    number = len(labels)
    return ImageStore(
        source="cells.npz",
        fingerprint="0" * 64,
        class_names=class_names,
        images=pictures(number) if images is None else images,
        labels=np.array(labels, dtype=np.int64),
        parts=np.array([""] * number if parts is None else parts, dtype="<U10"),
        rows=np.arange(number),
        contents=np.arange(number) if contents is None else np.array(contents),
        bad_rows=(),
        kept=np.ones(number, dtype=bool),
    )


def trial_data(number: int = 30, size: int = 16, held_out: int = 6, seed: int = 0) -> TrialData:
    """Return images of three classes told apart by brightness; one view is shifted."""
    images, labels = bright_pictures(number, size, seed)
    store = image_store(labels.tolist(), images=images)
    train, validation = np.split(np.arange(number), [number - held_out])
    mean, std = channel_statistics(images, train)
    data = TrialData(
        spec=DataSpec(source="cells.npz", image_size=size),
        store=store,
        split=Split(train=train, validation=validation, test=np.arange(0)),
        mean=mean,
        std=std,
    )
    vars(data)["shifts"] = (darker_view(store, validation),)  # in the place of the real ones
    return data


def darker_view(store: ImageStore, indices: NDArray[np.int64]) -> View:
    """Return images at half their brightness as a shifted view with severities 1, 2, ..."""
    return View(
        name="darker",
        images=store.images[indices] // 2,
        indices=np.arange(len(indices)),
        labels=store.labels[indices],
        rows=store.rows[indices],
        severities=1 + np.arange(len(indices)) % 5,
    )


def trial_spec(**changed: Any) -> TrialSpec:
    """Return a specification that trains in milliseconds."""
    tiny = {"width": 4, "batch_size": 8, "epochs": 4, "learning_rate": 0.01}
    return TrialSpec.model_validate(tiny | changed)


def train_plan(folder: Path | None = None, *, steps: int = 12, **changed: Any) -> TrainPlan:
    """Return a plan of four epochs of three steps; `changed` are fields of the trial."""
    return TrainPlan(
        spec=trial_spec(**changed),
        objective="robust_accuracy",
        seed=7,
        steps=steps,
        paths=TrialPaths(folder) if folder else None,
    )


def ticking() -> Callable[[], float]:
    """Return a clock that is a second later every time it is asked."""
    return map(float, count()).__next__


class CutError(Exception):
    """What ends a run from outside."""


def cut_after(epochs: int) -> Report:
    """Return a reporter that ends the run once it has heard of `epochs` epochs."""

    def report(record: EpochRecord) -> None:
        if record.epoch >= epochs:
            raise CutError

    return report
