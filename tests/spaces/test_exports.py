import spaces


def test_spaces_exports_exactly_the_frozen_names():
    assert spaces.__all__ == [
        "BUDGETS", "REFUSED", "SPENT_KEY", "AuditSpec", "DataSpec", "EpochRecord", "MachineLoad",
        "MetBudget", "Parameter", "Resize", "ResourcesSpec", "RunCommand", "RunPaths",
        "SearchSpace", "SearchSpec", "SplitSpec", "SweepError", "SweepInterruptedError",
        "SweepSpec", "TestTimeAugmentation", "TrialPaths", "TrialRecord", "TrialSpec", "TrialState",
        "TrialSummary", "UserError", "ValidationViews", "all_run", "ask_driver", "backbone_family",
        "best_epoch", "check_backbones", "check_changes", "check_data", "curves_frame",
        "did_you_mean", "epoch_key", "epoch_records", "is_better", "is_higher_better", "is_locked",
        "is_time_over", "kept_checkpoints", "load_sweep", "met_budget", "note_event",
        "preset_names", "preset_text", "ranked", "read_events", "record_family", "recover",
        "remaining_s", "replacing", "restore", "run_lock", "save_sweep", "take_commands",
        "trial_records", "trials_frame", "trials_per_hour", "why_not_makeable", "with_checkpoints",
        "write_text",
    ]  # fmt: skip
