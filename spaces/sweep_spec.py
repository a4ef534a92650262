"""A whole sweep: the data, the space, the fixed choices, the search, the goal, the resources."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from spaces.data_spec import FROZEN, DataSpec
from spaces.metric import METRICS_UNDER_SHIFT, Metric, is_higher_better
from spaces.parameter import Scalar
from spaces.problem import Problem, problems_error, wrong
from spaces.search_fit import search_problems
from spaces.search_space import SearchSpace
from spaces.search_spec import SearchSpec
from spaces.trial_spec import TrialSpec


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
            problems += self._objective_problems() + self._target_problems()
            problems += self._image_size_problems() + self._weights_problems()
            problems += self._training_problems()
            epochs = max(self.candidates("epochs"))
            problems += [
                p.under("search") for p in search_problems(self.search, self.space, epochs)
            ]
        if problems:
            raise problems_error(problems)
        return self

    def _objective_problems(self) -> list[Problem]:
        views = {row["validation_views"] for row in self.combinations(["validation_views"])}
        if self.objective in METRICS_UNDER_SHIFT and views != {"shifts"}:
            rule = "needs trial.validation_views: shifts; set that or try val_balanced_accuracy"
            return [wrong(["objective"], self.objective, rule)]
        return []

    def _target_problems(self) -> list[Problem]:
        target = self.search.target
        if target is not None and is_higher_better(self.objective) and not 0 < target <= 1:
            rule = f"must be above 0 and at most 1, as {self.objective} is a fraction; try 0.9"
            return [wrong(["search", "target"], target, rule)]
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
