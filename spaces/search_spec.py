"""How a space is searched: sampler, pruner, what is known beforehand, and when the search ends."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from spaces.data_spec import FROZEN
from spaces.parameter import Choice
from spaces.problem import Problem, problems_error, wrong

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
    """Seconds after which the sweep ends and running trials are cut, PRUNED, from when `launch`
    begins to read the data, the times between a cut and its `resume` left out; null for no limit.
    The first budget to be met ends the sweep; with the three below, trials that run end with their
    next epoch."""
    trial_seconds: DurationS | None = Field(None, examples=["2h"])
    """Seconds of all trials together, side by side or not, after which the sweep ends; null for no
    limit."""
    target: float | None = Field(None, allow_inf_nan=False)
    """The objective with which the sweep ends: at least this, or at most where lower is better;
    null for as good as it gets."""
    plateau: int | None = Field(None, ge=1)
    """Number of trials that end without a better objective, failed ones not counted, after which
    the sweep ends; null to go on all the same."""
    grace: bool = False
    """Whether trials that run when a budget is met are left to finish, by whatever budget."""
    sampler: Literal["tpe", "gp", "nsga2", "qmc", "random", "grid", "auto"] = "tpe"
    """Optuna's sampler: tree-structured Parzen estimator, Gaussian process, NSGA-II, quasi-Monte
    Carlo (Sobol), uniform random, or every cell once in random order. `gp` and `nsga2` learn
    nothing from pruned trials, and they and `qmc` take no conditions. `auto` is Optuna's advice:
    `gp` for the first 200 trials where nothing is pruned and every parameter is a range without
    conditions, else `tpe`."""
    startup_trials: int = Field(10, ge=1)
    """Random trials before `tpe` and `gp` begin to model, the size of a generation of `nsga2`, and
    trials that end before `median`, `percentile` and `patient` prune."""
    start_with: tuple[dict[str, Choice], ...] = Field((), strict=False)
    """Configurations that are tried first; what one leaves open, the sampler decides."""
    learn_from: tuple[str, ...] = Field((), strict=False)
    """Folders of earlier runs with the same objective whose ended trials teach `tpe` and `gp`; `gp`
    learns only from those that have every parameter. The run keeps a copy of what it learned."""
    repeat: int = Field(1, ge=1)
    """Times that one configuration is tried, each with another seed of the trial; a space that is
    wholly tried ends the sweep."""
    pruner: Literal["halving", "hyperband", "median", "percentile", "patient", "none"] = "halving"
    """Optuna's pruner: asynchronous successive halving; Hyperband; whoever is worse than the median
    or outside the best `percentile` of the ended trials; the median, with patience; or none."""
    prune_by: Literal["epochs", "seconds"] = "epochs"
    """What trials are compared at; by seconds, slow backbones pay for what they cost. Past the end
    of all that ended, only `halving` goes on comparing."""
    min_epochs: int = Field(1, ge=1)
    """Epochs before a trial may be pruned by epochs."""
    min_seconds: DurationS | None = Field(None, ge=1, examples=[60])
    """Seconds before a trial may be pruned by seconds, and between two comparisons, at least 1."""
    reduction_factor: int = Field(3, ge=2)
    """Of how many trials one goes on at each rung of `halving` and `hyperband`."""
    percentile: float = Field(25.0, gt=0, lt=100, examples=[25.0])
    """Best per cent of trials that `percentile` lets go on."""
    patience: int = Field(3, ge=0)
    """Epochs, or times `min_seconds`, without a better objective before `patient` may prune."""
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
    def _options_fit_together(self) -> "SearchSpec":
        problems = [*self._sampler_problems(), *self._pruner_problems()]
        limits = (self.trials, self.time_budget, self.trial_seconds)
        if limits == (None, None, None) and self.sampler != "grid":
            rule = (
                "must be set where time_budget and trial_seconds are null, or the sweep never ends;"
                " try 64"
            )
            problems.append(wrong(["trials"], None, rule))
        if problems:
            raise problems_error(problems)
        return self

    def _sampler_problems(self) -> Iterator[Problem]:
        if self.learn_from and self.sampler not in ("tpe", "gp", "auto"):
            rule = f"must be empty where sampler is {self.sampler}, which learns nothing; try tpe"
            yield wrong(["learn_from"], list(self.learn_from), rule)
        if self.sampler == "nsga2" and self.startup_trials == 1:
            yield wrong(["startup_trials"], 1, "must be at least 2 for nsga2, which pairs; try 10")

    def _pruner_problems(self) -> Iterator[Problem]:
        if self.prune_by == "epochs" or self.pruner == "none":
            return
        if self.min_seconds is None:
            yield wrong(["min_seconds"], None, "must be set where prune_by is seconds; try 60")
        if self.pruner == "hyperband":
            rule = "must know the longest trial, so prunes by epochs only; try halving"
            yield wrong(["pruner"], self.pruner, rule)
