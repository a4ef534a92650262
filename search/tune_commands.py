"""What a user asks of a running sweep from elsewhere, carried out between Tune's events."""

from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from search.study import SweepStudy
from search.tune_searcher import StudySearcher
from search.tune_stopper import SweepStopper
from spaces import (
    BUDGETS,
    REFUSED,
    ResourcesSpec,
    RunCommand,
    RunPaths,
    UserError,
    check_changes,
    load_sweep,
    note_event,
    save_sweep,
    take_commands,
)

_EVENTS = {"stop": "stopped by user", "cancel": "cancelled", "extend": "extended"}

_MAY_CHANGE = (*BUDGETS, "resources.max_concurrent")


class CommandCallback(Callback):
    """Takes the commands in the run folder and answers each by an event.

    `slots` returns how many trials fit for given resources, or raises a `UserError`.
    """

    def __init__(
        self,
        paths: RunPaths,
        study: SweepStudy,
        stopper: SweepStopper,
        searcher: StudySearcher,
        slots: Callable[[ResourcesSpec], int],
    ) -> None:
        self._paths, self._study, self._stopper = paths, study, stopper
        self._searcher, self._slots = searcher, slots

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:  # Any: Tune's
        """Carry out what was asked since the last step."""
        for command in take_commands(self._paths):
            try:
                event, answer = _EVENTS[command.kind], self._carry_out(command)
            except UserError as error:
                event, answer = REFUSED, str(error)
            asked = command.model_dump(exclude_defaults=True, exclude={"id", "kind"})
            facts = {**asked, "answer": answer, "command": command.id}
            note_event(self._paths, event, facts)

    def _carry_out(self, command: RunCommand) -> str:
        """Do what was asked and return what to say of it; a `UserError` where it cannot be."""
        if self._stopper.is_over:
            raise UserError("the sweep has just ended; ask again in a moment")
        if command.kind == "cancel":
            return self._cancel(command.trial)
        if self._stopper.reason == "user":
            raise UserError(f"the sweep is ending already ({self._stopper.detail})")
        if command.kind == "extend":
            return self._extend(command.overrides)
        self._stopper.stop_by_user()
        return f"ends with the next epoch of the trials that run ({self._running()})"

    def _cancel(self, number: int | None) -> str:
        if number not in self._study.running():
            states = {record.trial: record.state for record in self._study.records()}
            what = f"is {states[number]}" if number in states else "is not there"
            rule = f"but must be running; try one of those that are ({self._running()})"
            raise UserError(f"trial {number} {what}, {rule}")
        self._stopper.cancel(number)
        return f"trial {number} ends with its next epoch"

    def _extend(self, overrides: tuple[str, ...]) -> str:
        check_changes(overrides, _MAY_CHANGE)
        sweep, begun = load_sweep(self._paths.sweep, overrides), len(self._study.trials())
        if sweep.search.trials is not None and sweep.search.trials < begun:
            rule = f"must be at least the {begun} that began; try {begun}, or `cytosweep stop`"
            raise UserError(f"search.trials is {sweep.search.trials}, but {rule}")
        num_slots = self._slots(sweep.resources)
        save_sweep(sweep, self._paths.sweep)
        self._study.extend(sweep)
        self._stopper.go_on()
        self._searcher.set_max_concurrency(num_slots)
        trials = "no limit of" if sweep.search.trials is None else f"{sweep.search.trials}"
        return f"goes on by {', '.join(overrides)}: {trials} trials in all, {num_slots} at a time"

    def _running(self) -> str:
        return ", ".join(map(str, self._study.running())) or "none"

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: Tune stores callbacks, and nobody reads them back."""
        return {}
