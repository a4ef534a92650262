"""The nouns all packages share: search space, sweep, trial record, run folder."""

from spaces.atomic import recover, replacing, restore, why_not_makeable, write_text
from spaces.audit_spec import AuditSpec
from spaces.budget import (
    BUDGETS,
    MetBudget,
    all_run,
    is_time_over,
    met_budget,
    remaining_s,
    trials_per_hour,
)
from spaces.data_spec import DataSpec, Resize, SplitSpec
from spaces.errors import SweepInterruptedError, UserError, did_you_mean
from spaces.family import backbone_family
from spaces.launched_data import check_data
from spaces.machine_load import MachineLoad
from spaces.metric import is_better, is_higher_better
from spaces.parameter import Parameter
from spaces.presets import preset_names, preset_text
from spaces.record import (
    SPENT_KEY,
    EpochRecord,
    TrialRecord,
    TrialState,
    TrialSummary,
    best_epoch,
    epoch_key,
    epoch_records,
    ranked,
)
from spaces.run_command import REFUSED, RunCommand, ask_driver, take_commands
from spaces.run_events import note_event, read_events
from spaces.run_lock import is_locked, run_lock
from spaces.run_paths import RunPaths, TrialPaths
from spaces.search_space import SearchSpace
from spaces.search_spec import SearchSpec
from spaces.sweep_file import SweepError, check_backbones, check_changes, load_sweep, save_sweep
from spaces.sweep_spec import ResourcesSpec, SweepSpec
from spaces.table import (
    curves_frame,
    kept_checkpoints,
    record_family,
    trial_records,
    trials_frame,
    with_checkpoints,
)
from spaces.trial_spec import TestTimeAugmentation, TrialSpec, ValidationViews

__all__ = [
    "BUDGETS",
    "REFUSED",
    "SPENT_KEY",
    "AuditSpec",
    "DataSpec",
    "EpochRecord",
    "MachineLoad",
    "MetBudget",
    "Parameter",
    "Resize",
    "ResourcesSpec",
    "RunCommand",
    "RunPaths",
    "SearchSpace",
    "SearchSpec",
    "SplitSpec",
    "SweepError",
    "SweepInterruptedError",
    "SweepSpec",
    "TestTimeAugmentation",
    "TrialPaths",
    "TrialRecord",
    "TrialSpec",
    "TrialState",
    "TrialSummary",
    "UserError",
    "ValidationViews",
    "all_run",
    "ask_driver",
    "backbone_family",
    "best_epoch",
    "check_backbones",
    "check_changes",
    "check_data",
    "curves_frame",
    "did_you_mean",
    "epoch_key",
    "epoch_records",
    "is_better",
    "is_higher_better",
    "is_locked",
    "is_time_over",
    "kept_checkpoints",
    "load_sweep",
    "met_budget",
    "note_event",
    "preset_names",
    "preset_text",
    "ranked",
    "read_events",
    "record_family",
    "recover",
    "remaining_s",
    "replacing",
    "restore",
    "run_lock",
    "save_sweep",
    "take_commands",
    "trial_records",
    "trials_frame",
    "trials_per_hour",
    "why_not_makeable",
    "with_checkpoints",
    "write_text",
]
