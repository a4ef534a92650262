"""When a sweep has had enough: its budgets against what its trials have used of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from spaces.metric import is_better
from spaces.record import TrialRecord, TrialState, ranked
from spaces.sweep_spec import SweepSpec

BUDGETS = (
    "search.trials", "search.time_budget", "search.trial_seconds", "search.target",
    "search.plateau", "search.grace",
)  # fmt: skip
"""The fields that say when a sweep ends; to change them changes the meaning of no trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetBudget:
    """A budget that is met."""

    text: str
    """Which, and by what."""
    more: str
    """The `key=value` with which the sweep would go on."""


def met_budget(
    sweep: SweepSpec, records: Sequence[TrialRecord], elapsed_s: float
) -> MetBudget | None:
    """Return the first budget that ends a sweep while trials may be running; None for none.

    Parameters
    ----------
    sweep : SweepSpec
        What was asked for.
    records : sequence of TrialRecord
        All its trials.
    elapsed_s : float
        Wall time of all its drivers so far, seconds.
    """
    search = sweep.search
    if search.time_budget is not None and is_time_over(sweep, elapsed_s):
        return _spent("search.time_budget", search.time_budget, elapsed_s)
    trial_s = trial_seconds(records)
    if search.trial_seconds is not None and trial_s >= search.trial_seconds:
        return _spent("search.trial_seconds", search.trial_seconds, trial_s)
    if search.target is None and search.plateau is None:
        return None  # without sorting the trials, which are asked about at every event
    leader = next(iter(ranked(records, sweep.objective)), None)
    return _met_target(sweep, leader) or _met_plateau(sweep, leader, records) if leader else None


def is_time_over(sweep: SweepSpec, elapsed_s: float) -> bool:
    """Return whether the wall time of a sweep is spent, the one budget that cuts running trials."""
    budget = sweep.search.time_budget
    return budget is not None and elapsed_s >= budget


def all_run(sweep: SweepSpec, records: Sequence[TrialRecord]) -> MetBudget | None:
    """Return the number of trials as a budget once all of them have ended."""
    limit = sweep.search.trials
    if limit is None or len(records) < limit or len(_ended(records)) < len(records):
        return None
    return MetBudget(
        text=f"all {len(records)} trials have ended", more=f"search.trials={2 * len(records)}"
    )


def remaining_s(sweep: SweepSpec, records: Sequence[TrialRecord], elapsed_s: float) -> float | None:
    """Return how many seconds a sweep will go on at its pace so far; None where nothing tells.

    The budget that is used up first decides; target and plateau tell nothing ahead.
    """
    search = sweep.search
    used = [
        (len(_ended(records)), search.trials),
        (elapsed_s, search.time_budget),
        (trial_seconds(records), search.trial_seconds),
    ]
    left = [elapsed_s * (limit - amount) / amount for amount, limit in used if limit and amount]
    return max(min(left), 0.0) if left else None


def trials_per_hour(records: Sequence[TrialRecord], elapsed_s: float) -> float | None:
    """Return how many trials ended in an hour of the sweep; None before the first."""
    ended = len(_ended(records))
    return 3600 * ended / elapsed_s if ended and elapsed_s > 0 else None


def trial_seconds(records: Sequence[TrialRecord]) -> float:
    """Return the seconds of all trials together, each up to its last epoch."""
    return sum(record.seconds or 0.0 for record in records)


def _met_target(sweep: SweepSpec, leader: TrialRecord) -> MetBudget | None:
    target, value = sweep.search.target, leader.objective
    if target is None or value is None or is_better(sweep.objective, target, value):
        return None
    text = f"search.target {target:g} is met: trial {leader.trial} has {sweep.objective}"
    return MetBudget(text=f"{text} {value:.4g}", more="search.target=null")


def _met_plateau(
    sweep: SweepSpec, leader: TrialRecord, records: Sequence[TrialRecord]
) -> MetBudget | None:
    """Judge by the trials that began after the best one and ended without failing."""
    later = [record for record in _ended(records) if record.trial > leader.trial]
    num = sum(record.state != TrialState.FAILED.name for record in later)
    if sweep.search.plateau is None or num < sweep.search.plateau:
        return None
    text = f"search.plateau is met: {num} trials after {leader.trial} were no better"
    return MetBudget(text=text, more=f"search.plateau={2 * num}")


def _ended(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if TrialState[record.state].is_finished()]


def _spent(field: str, limit_s: float, used_s: float) -> MetBudget:
    return MetBudget(text=f"{field} of {limit_s:g} s is spent", more=f"{field}={2 * used_s:.0f}")
