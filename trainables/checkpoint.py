"""The state of an unfinished training run in one safetensors file, its JSON part in the header."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from spaces import EpochRecord, replacing
from trainables.classifier import Classifier
from trainables.weights import tensors_under

_HEADER_KEY = "cytosweep"
_MODEL, _EMA, _OPTIMIZER, _RANDOM = "model.", "ema.", "optimizer.", "random."


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """All that changes while a model is trained."""

    model: Classifier
    optimizer: Optimizer
    scheduler: LRScheduler
    generator: torch.Generator
    """Draws the order of the images and their augmentation."""
    ema: ModelEmaV3 | None = None
    """The average of the model's weights, where the trial keeps one."""
    record: EpochRecord | None = None
    """Of the last finished epoch."""
    best: EpochRecord | None = None
    """Of the best epoch so far."""
    step: int = 0
    """Optimiser steps taken."""
    micro_batches: int = 1
    """Parts that a batch is cut into, so that it fits the device's memory."""

    @property
    def judged(self) -> Classifier:
        """The model that is validated and kept: the average where there is one."""
        return self.ema.module if self.ema else self.model

    def save(self, path: Path) -> None:
        """Write the state, all of it or nothing; torch's global generator is part of it."""
        optimizer = self.optimizer.state_dict()
        tensors = {_MODEL + name: tensor for name, tensor in self.model.state_dict().items()}
        if self.ema:
            tensors |= {_EMA + name: t for name, t in self.ema.module.state_dict().items()}
        for index, slots in optimizer["state"].items():
            tensors |= {f"{_OPTIMIZER}{index}.{name}": slots[name] for name in slots}
        tensors[_RANDOM + "batches"] = self.generator.get_state()
        tensors[_RANDOM + "torch"] = torch.get_rng_state()
        if self.generator.device.type == "cuda":
            tensors[_RANDOM + "cuda"] = torch.cuda.get_rng_state()
        facts = {
            "param_groups": optimizer["param_groups"],
            "scheduler": self.scheduler.state_dict(),
            "record": self.record and asdict(self.record),
            "best": self.best and asdict(self.best),
            "step": self.step,
            "micro_batches": self.micro_batches,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            whole = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
            save_file(whole, temporary, metadata={_HEADER_KEY: json.dumps(facts)})

    def load(self, path: Path) -> None:
        """Put the state that `save` wrote into the objects held here."""
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()[_HEADER_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # no mapping
        self.model.load_state_dict(tensors_under(_MODEL, tensors))
        if self.ema:
            self.ema.module.load_state_dict(tensors_under(_EMA, tensors))
        self.optimizer.load_state_dict(
            {"state": _slots(tensors), "param_groups": facts["param_groups"]}
        )
        _match_memory_formats(self.optimizer)
        self.scheduler.load_state_dict(facts["scheduler"])
        self.generator.set_state(tensors[_RANDOM + "batches"])
        torch.set_rng_state(tensors[_RANDOM + "torch"])
        if _RANDOM + "cuda" in tensors:
            torch.cuda.set_rng_state(tensors[_RANDOM + "cuda"])
        self.record = EpochRecord(**facts["record"]) if facts["record"] else None
        self.best = EpochRecord(**facts["best"]) if facts["best"] else None
        self.step = facts["step"]
        self.micro_batches = facts["micro_batches"]


def _match_memory_formats(optimizer: Optimizer) -> None:
    """Lay the optimiser's slots out as their weights are: the fused kernels ignore strides."""
    for weight, slots in optimizer.state.items():
        for name, slot in slots.items():
            if slot.shape == weight.shape:
                slots[name] = torch.empty_like(weight, requires_grad=False).copy_(slot)


def _slots(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Any]]:  # Any: torch's own layout
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors_under(_OPTIMIZER, tensors).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    return slots
