"""A model folder: the weights of a classifier and all that is needed to use them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from spaces import (
    DataSpec,
    Resize,
    TestTimeAugmentation,
    TrialSpec,
    UserError,
    replacing,
)
from trainables.classifier import Classifier, build_classifier
from trainables.weights import WEIGHTS

CARD = "model.json"
METRICS = "metrics.json"
READINGS = "evaluations.jsonl"
"""One line for every evaluation of the model; they count also where another takes its place."""

_MAX_REASON = 200


class ModelFolderError(UserError):
    """A model folder that is incomplete, damaged or not one."""


class Normalisation(BaseModel):
    """Mean and standard deviation of each channel on the scale 0..1; applied inside the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ModelCard(BaseModel):
    """What `model.json` says: how to build the model, feed it, and read what it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    """Version of this layout."""
    classes: tuple[str, ...]
    """Names of the classes in the order of the scores."""
    image_size: int
    """Side in pixels of the square RGB pictures the model is given, as float 0..1."""
    resize: Resize
    """How a picture becomes square before that."""
    normalisation: Normalisation
    tta: TestTimeAugmentation = "none"
    """Views of a picture whose probabilities are averaged."""
    trial: TrialSpec
    """Backbone, head and all choices of the training."""
    data: DataSpec
    """The images that the model was trained on, and how they were split."""
    data_fingerprint: str
    """Hash of those images."""
    manifest_fingerprint: str | None = None
    """Hash of what the manifest `data.keep` decides."""
    provenance: dict[str, Any] = Field(default_factory=dict)  # Any: JSON
    """Run, trial, seed, training rows and versions."""
    sha256: str = ""
    """Hash of `model.safetensors`."""


def save_model(
    folder: Path, model: Classifier, card: ModelCard, texts: Mapping[str, str] | None = None
) -> ModelCard:
    """Write a model folder, whole or not at all, and return the card with its hash filled in.

    `texts` are further files of the folder by their names, such as `README.md`. The log of
    evaluations that the folder holds stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as building:
        building.mkdir()
        tensors = {name: t.contiguous().cpu() for name, t in model.state_dict().items()}
        save_file(tensors, building / WEIGHTS)
        card = card.model_copy(update={"sha256": _hash(building / WEIGHTS)})
        for name, text in {CARD: card.model_dump_json(indent=2) + "\n", **(texts or {})}.items():
            (building / name).write_text(text, encoding="utf-8")
        if (folder / READINGS).is_file():
            shutil.copy(folder / READINGS, building)
    return card


def load_card(folder: Path) -> ModelCard:
    """Read `model.json` of a model folder.

    Raises
    ------
    ModelFolderError
        Where it is missing or not what it should be.
    """
    path = folder / CARD
    if not path.is_file():
        what = "no such model folder" if not folder.is_dir() else f"holds no {CARD}"
        raise ModelFolderError(f"{folder}: {what}; give RUN/best or a folder written by `export`")
    try:
        return ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        where = ".".join(map(str, first["loc"])) if first else ""
        where = ": ".join(filter(None, (where, first["msg"] if first else str(error))))
        raise ModelFolderError(f"{path}: is damaged ({where}); export the model again") from error


def load_model(folder: Path) -> tuple[Classifier, ModelCard]:
    """Return the model of a folder, in evaluation mode on the CPU, and its card.

    Raises
    ------
    ModelFolderError
        Where a file is missing, damaged, or not the one the card was written for.
    """
    card = load_card(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelFolderError(f"{folder}: holds no {WEIGHTS}; export the model again")
    if _hash(path) != card.sha256:
        raise ModelFolderError(
            f"{path}: its SHA-256 is not the one in {CARD}, so it is damaged or was exchanged;"
            " export the model again"
        )
    try:
        model = build_classifier(
            card.trial.model_copy(update={"pretrained": False, "weights": None}),
            num_classes=len(card.classes),
            image_size=card.image_size,
            mean=card.normalisation.mean,
            std=card.normalisation.std,
        )
        model.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise ModelFolderError(
            f"{path}: does not fit {CARD} ({reason}); export it again"
        ) from error
    return model.to(memory_format=torch.channels_last).eval(), card


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
