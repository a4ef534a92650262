import spaces


def test_spaces_exports_exactly_the_frozen_names():
    assert spaces.__all__ == [
        "AuditSpec", "DataSpec", "EpochRecord", "Parameter", "Resize", "ResourcesSpec", "RunPaths",
        "SearchSpace", "SearchSpec", "SplitSpec", "SweepError", "SweepInterruptedError",
        "SweepSpec", "TestTimeAugmentation", "TrialPaths", "TrialRecord", "TrialSpec", "TrialState",
        "TrialSummary", "UserError", "ValidationViews", "backbone_family", "best_epoch",
        "check_backbones", "check_data", "curves_frame", "did_you_mean", "epoch_key",
        "epoch_records", "is_better",
        "is_higher_better", "is_locked", "kept_checkpoints", "load_sweep", "preset_names",
        "preset_text", "ranked", "record_family", "recover", "replacing", "restore", "run_lock",
        "save_sweep", "trial_records", "trials_frame", "with_checkpoints", "write_text",
    ]  # fmt: skip
