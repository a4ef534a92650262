"""A whole sweep: the data, the space, the fixed choices, the search, the goal, the resources."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from spaces.data_spec import FROZEN, DataSpec
from spaces.metric import METRICS_UNDER_SHIFT, Metric
from spaces.parameter import Scalar
from spaces.problem import Problem, problems_error, wrong
from spaces.search_space import SearchSpace
from spaces.trial_spec import TrialSpec

_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0}


def parse_duration_s(text: object) -> object:
    """Return the seconds in `1h30m`, `20m`, `45s`; anything else is returned as it is."""
    if not isinstance(text, str):
        return text
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.replace(" ", ""))
    if not text.strip() or parts is None:
        raise ValueError("must be a duration such as 45s, 20m or 1h30m; try 20m")
    return sum(int(n) * unit for n, unit in zip(parts.groups("0"), _UNIT_S.values(), strict=True))


DurationS = Annotated[float, BeforeValidator(parse_duration_s), Field(gt=0)]
"""Seconds, written in a sweep file as a number or as `1h30m`."""


class SearchSpec(BaseModel):
    """How the space is searched and when the search ends."""

    model_config = FROZEN

    trials: int | None = Field(64, ge=1)
    """Number of trials after which the sweep ends; null for no limit."""
    time_budget: DurationS | None = Field(None, examples=["20m"])
    """Seconds after which the sweep ends and running trials are cut, from when `launch` or `resume`
    begins to read the data; null for no limit."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Optuna's sampler: tree-structured Parzen estimator, or uniform random."""
    startup_trials: int = Field(10, ge=1)
    """Random trials before `tpe` begins to model."""
    pruner: Literal["halving", "median", "none"] = "halving"
    """Optuna's pruner: asynchronous successive halving, median, or none."""
    min_epochs: int = Field(1, ge=1)
    """Epochs before a trial may be pruned."""
    reduction_factor: int = Field(3, ge=2)
    """Of how many trials one goes on at each rung of `halving`."""
    seed: int = Field(0, ge=0)
    """Seed of the sampler and, with a trial's number, of the trial."""
    max_retries: int = Field(2, ge=0)
    """Times a trial is started again after its process died."""
    keep_checkpoints: int | Literal["all", "best"] = 5
    """Trials of each backbone family whose checkpoints stay on disk; all of them; or the best one
    of the sweep alone. Running trials have theirs besides."""

    @field_validator("keep_checkpoints", mode="before")
    @classmethod
    def _is_a_number_or_a_word(cls, value: object) -> object:
        if value not in ("all", "best") and not (type(value) is int and value >= 1):
            raise ValueError("must be all, best, or a whole number of at least 1; try 5")
        return value

    @model_validator(mode="after")
    def _ends_some_time(self) -> "SearchSpec":
        if self.trials is None and self.time_budget is None:
            rule = "must be set where time_budget is null, or the sweep never ends; try 64"
            raise problems_error([wrong(["trials"], None, rule)])
        return self


class ResourcesSpec(BaseModel):
    """What one trial gets of a machine."""

    model_config = FROZEN

    cpus_per_trial: int = Field(1, ge=1)
    """CPU cores, and torch threads, of a trial."""
    gpus_per_trial: float = Field(0.0, ge=0)
    """GPUs of a trial; a fraction shares one."""
    max_concurrent: int | Literal["auto"] = "auto"
    """Trials at the same time; auto for as many as the CPUs and GPUs allow."""

    @field_validator("gpus_per_trial")
    @classmethod
    def _shares_one_gpu_or_takes_whole_ones(cls, value: float) -> float:
        if value > 1 and not value.is_integer():
            raise ValueError(
                f"must be whole above 1, Ray splits single GPUs only; try {round(value)}"
            )
        return value

    @field_validator("max_concurrent", mode="before")
    @classmethod
    def _is_auto_or_a_number(cls, value: object) -> object:
        if value != "auto" and not (type(value) is int and value >= 1):
            raise ValueError("must be auto or a whole number of at least 1; try auto")
        return value


class SweepSpec(BaseModel):
    """A sweep as the sweep file describes it."""

    model_config = FROZEN

    name: str = Field("sweep", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["blood-cells"])
    """Name of the sweep; its run folder is `runs/<name>` unless another is given."""
    data: DataSpec
    """Which images to learn from."""
    space: SearchSpace = SearchSpace()
    """Which fields of a trial are searched."""
    trial: TrialSpec = TrialSpec()
    """The fields of a trial that stay fixed."""
    search: SearchSpec = SearchSpec()
    """How the space is searched."""
    objective: Metric = "robust_accuracy"
    """The metric a trial is judged by."""
    resources: ResourcesSpec = ResourcesSpec()
    """What one trial gets of a machine."""

    def trial_spec(self, params: Mapping[str, Scalar]) -> TrialSpec:
        """Return the trial that the searched `params` make of the fixed fields."""
        return TrialSpec.model_validate({**self.trial.model_dump(), **params})

    def candidates(self, name: str) -> list[Any]:  # Any: the type of the trial's field
        """Return values that the field `name` surely takes: its choices, ends or fixed value."""
        if name not in self.space.root:
            return [getattr(self.trial, name)]
        parameter = self.space[name]
        return list(parameter.choice or (parameter.low, parameter.high))

    def combinations(self, names: Sequence[str]) -> list[dict[str, Any]]:  # Any: as above
        """Return what the fields `names` may take together, as `candidates` are for one of them.

        A parameter that its conditions leave out has the trial's own value.
        """
        asked = self._with_parents(names)
        rows: list[dict[str, Any]] = [{}]  # Any: as above
        for name in self.space:
            if name in asked:
                wanted = [v for n in asked for v in self.space[n].when.get(name, [])]
                values = [{name: v} for v in dict.fromkeys([*self.candidates(name), *wanted])]
                rows = [
                    {**row, **value}
                    for row in rows
                    for value in (values if self.space.is_active(name, row) else [{}])
                ]
        return [{name: row.get(name, getattr(self.trial, name)) for name in names} for row in rows]

    def _with_parents(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that are searched, and all that their conditions ask about."""
        found: set[str] = set()
        waiting = [name for name in names if name in self.space.root]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.space[name].when
        return found

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "SweepSpec":
        problems = both_places(self.trial.model_fields_set, self.space.root)
        if not problems:
            problems += self._objective_problems() + self._image_size_problems()
            problems += self._weights_problems() + self._training_problems()
        if problems:
            raise problems_error(problems)
        return self

    def _objective_problems(self) -> list[Problem]:
        views = {row["validation_views"] for row in self.combinations(["validation_views"])}
        if self.objective in METRICS_UNDER_SHIFT and views != {"shifts"}:
            rule = "needs trial.validation_views: shifts; set that or try val_balanced_accuracy"
            return [wrong(["objective"], self.objective, rule)]
        return []

    def _image_size_problems(self) -> list[Problem]:
        stored = self.data.image_size
        sizes = [size for size in self.candidates("image_size") if size and size > stored]
        rule = f"must be at most data.image_size, which is {stored}; try {stored}"
        return [wrong([_place(self, "image_size"), "image_size"], size, rule) for size in sizes]

    def _weights_problems(self) -> list[Problem]:
        where = [_place(self, "pretrained"), "pretrained"]
        rows = self.combinations(["backbone", "pretrained", "weights"])
        pretrained = [row for row in rows if row["pretrained"]]
        if any(row["backbone"] == "custom_cnn" for row in pretrained):
            rule = "custom_cnn has no pretrained weights; try false, or leave custom_cnn out"
            return [wrong(where, True, rule)]
        if any(row["weights"] for row in pretrained):
            return [wrong(where, True, "must be false where trial.weights is given; try false")]
        return []

    def _training_problems(self) -> list[Problem]:
        problems = []
        if "tta" in self.space.root:
            text = (
                "changes no score that a trial is judged by, so cannot be searched; fix it in trial"
            )
            problems.append(Problem(where=("space", "tta"), text=text))
        for row in self.combinations(["frozen_epochs", "epochs"]):
            if row["frozen_epochs"] >= row["epochs"]:
                rule = f"must be below trial.epochs, which is {row['epochs']}"
                where = [_place(self, "frozen_epochs"), "frozen_epochs"]
                remedy = f"; try {row['epochs'] - 1}"
                problems.append(wrong(where, row["frozen_epochs"], rule + remedy))
                break
        for row in self.combinations(["output_stride", "stem_stride"]):
            if row["output_stride"] and row["output_stride"] < (row["stem_stride"] or 1):
                rule = f"must be at least stem_stride, which is {row['stem_stride']}; try 8"
                where = [_place(self, "output_stride"), "output_stride"]
                problems.append(wrong(where, row["output_stride"], rule))
                break
        return problems


def _place(sweep: SweepSpec, name: str) -> str:
    return "space" if name in sweep.space.root else "trial"


def both_places(fixed: Collection[str], searched: Collection[str]) -> list[Problem]:
    """Return a problem for every field that is both fixed and searched."""
    text = "is in both trial and space, but must be in one; remove it from the other"
    return [Problem(where=("space", name), text=text) for name in searched if name in fixed]
