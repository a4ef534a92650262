import json
from dataclasses import asdict

import numpy as np
import pytest

from analysis import RunError, evaluate, planned_epochs, retrain, retraining, select
from spaces import DataSpec, EpochRecord, UserError
from tests.analysis.builders import (
    SUMMARY,
    bright_cells,
    content_of,
    failed,
    listening,
    names_in,
    pruned,
    trained_sweep,
    write_run,
)
from tests.spaces.builders import epoch_values, raising, refusal
from tests.trainables.builders import NAMES, audited, bright_pictures, write_npz
from trainables import DataError, load_model, load_trial_data, model_folder

RATES = (0.01, 0.005, 0.001, 0.0005)


def rated(*values, rates=RATES):
    """Return the script of a trial that was trained at the given learning rates."""

    def play(study, suggestion):
        for epoch, (value, rate) in enumerate(zip(values, rates, strict=False), start=1):
            known = epoch_values(epoch, robust_accuracy=value, learning_rate=rate)
            study.report(suggestion.number, EpochRecord(**known), "node-1")
        study.complete(suggestion.number, SUMMARY)

    return play


def retrainable(folder, *scripts, schedule="plateau"):
    """Make a run whose trials can be retrained: 36 images to train on, 12 each held out."""
    sweep = trained_sweep(bright_cells(folder / "cells.npz"))
    trial = sweep.trial.model_copy(update={"schedule": schedule})
    sweep = sweep.model_copy(update={"trial": trial})
    return write_run(folder / "run", *scripts or (rated(0.5, 0.625, 0.75, 0.25),), sweep=sweep)


def test_retrain_writes_a_model_folder_that_took_the_steps_to_the_trials_best_epoch(tmp_path):
    paths = retrainable(tmp_path)
    assert retrain(paths.root) == paths.best
    assert names_in(paths.best) == ["README.md", "metrics.json", "model.json", "model.safetensors"]
    metrics, card = json.loads((paths.best / "metrics.json").read_text()), load_model(paths.best)[1]
    found = metrics["retraining"]
    assert (found["images"], found["epochs"], found["steps"]) == (48, 2, 3 * (36 // 8))
    assert metrics["trial"]["robust_accuracy"] == 0.75
    assert (card.classes, card.provenance["steps"]) == (NAMES, found["steps"])


def test_retrain_replays_every_rate_on_all_images_but_those_of_the_test_part(tmp_path, monkeypatch):
    calls, seen = listening(monkeypatch, retraining, "train"), []
    paths = retrainable(tmp_path)
    retrain(paths.root, report=seen.append)
    plan, data, views, _report = calls[0]
    assert (plan.replay, plan.steps_per_replay, plan.steps) == (RATES[:3], 4, 12)
    # Epochs of 6 steps end at the 6th and the 12th step, so within the 2nd and the 3rd rate.
    assert [record.learning_rate for record in seen] == pytest.approx([RATES[1], RATES[2]])
    assert [record.epoch for record in seen] == [1, 2]
    assert planned_epochs(paths.root) == planned_epochs(paths.root, 0) == 2
    split = load_trial_data(trained_sweep(tmp_path / "cells.npz").data).split
    expected = np.sort(np.concatenate([split.train, split.validation]))
    np.testing.assert_array_equal(data.split.train, expected)
    assert not np.isin(split.test, data.split.train).any()
    assert views == ()


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_retrain_runs_the_trials_own_schedule_where_no_validation_set_steered_it(
    tmp_path, monkeypatch, schedule
):
    calls = listening(monkeypatch, retraining, "train")
    paths = retrainable(tmp_path, rated(0.5, 0.75, 0.25), schedule=schedule)
    retrain(paths.root)
    plan = calls[0][0]
    assert (plan.replay, plan.steps, plan.schedule_steps) == ((), 2 * 4, 5 * 4)


def test_trial_that_was_stopped_early_is_trained_for_all_its_epochs(tmp_path, monkeypatch):
    calls = listening(monkeypatch, retraining, "train")
    paths = retrainable(tmp_path, pruned(0.5, 0.75))
    retrain(paths.root)
    assert calls[0][0].steps == 5 * 4
    assert planned_epochs(paths.root) == 4  # of 6 steps each, the last one cut


def test_retrain_has_the_seed_and_the_parameters_of_the_trial(tmp_path, monkeypatch):
    calls = listening(monkeypatch, retraining, "train")
    paths = retrainable(tmp_path, rated(0.5), rated(0.25))
    retrain(paths.root, trial=1)
    record = retraining.TrialTable(paths.root).record(1)
    card = load_model(paths.best)[1]
    assert (calls[0][0].seed, card.provenance["trial"]) == (record.seed, 1)
    assert card.trial.dropout == calls[0][0].spec.dropout == record.params["dropout"]


def test_retrain_twice_gives_the_same_weights(tmp_path):
    paths = retrainable(tmp_path)
    hashes = {load_model(retrain(paths.root))[1].sha256 for _ in range(2)}
    assert len(hashes) == 1


def test_retrain_takes_the_selected_trial_else_the_best(tmp_path):
    paths = retrainable(tmp_path, rated(0.25), rated(0.5))
    assert load_model(retrain(paths.root))[1].provenance["trial"] == 1
    selection = asdict(select(paths.root, family="any"))
    paths.selection.write_text(json.dumps(selection | {"chosen": 0}))
    assert load_model(retrain(paths.root))[1].provenance["trial"] == 0


@pytest.mark.parametrize("when", ["training", "writing"])
def test_error_leaves_the_old_model_and_nothing_else(tmp_path, monkeypatch, when):
    paths = retrainable(tmp_path)
    retrain(paths.root)
    before = content_of(paths.root)

    full_disk = raising(OSError(28, "No space left on device"))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        if when == "writing":
            patch.setattr(model_folder, "_hash", full_disk)
        retrain(paths.root, report=full_disk if when == "training" else None)
    assert content_of(paths.root) == before


@pytest.mark.parametrize("trial", [None, 0])
def test_trial_without_an_epoch_is_refused(tmp_path, trial):
    paths = retrainable(tmp_path, failed())
    reason = "trial 0 has no finished epoch" if trial == 0 else "no trial has ended with a result"
    line = refusal(RunError, retrain, paths.root, trial=trial)
    assert line.startswith(f"{paths.root}: {reason}; ")
    assert not paths.best.exists()


def test_retrain_leaves_out_what_the_manifest_drops_and_refuses_another_one(tmp_path):
    cells, path = bright_cells(tmp_path / "cells.npz"), tmp_path / "manifest.parquet"
    keep = audited(path, cells, verdict=["drop"] * 15 + ["keep"] * 45)
    data = trained_sweep(cells).data.model_copy(update={"keep": keep})
    paths = write_run(tmp_path / "run", rated(0.5), sweep=trained_sweep(cells, data=data))
    metrics = json.loads((retrain(paths.root) / "metrics.json").read_text())
    assert metrics["retraining"]["images"] == 36  # of 45, a fifth is the test part
    card = load_model(paths.best)[1]
    assert card.manifest_fingerprint == load_trial_data(card.data).decisions
    assert evaluate(paths.best, str(cells)).n == 9
    audited(paths.manifest, cells)
    assert "manifest.parquet: has changed" in refusal(UserError, retrain, paths.root)
    line = refusal(DataError, evaluate, paths.best, str(cells))
    assert line.startswith(f"{paths.manifest}: has changed since the model was trained")


def test_own_test_images_count_under_the_manifests_labels_without_what_it_drops(tmp_path):
    images, labels = bright_pictures(80)
    parts = {"train": slice(0, 60), "test": slice(60, 80)}
    arrays = {
        f"{part}_{what}": values[rows]
        for part, rows in parts.items()
        for what, values in (("images", images), ("labels", labels))
    }
    cells = write_npz(tmp_path / "cells.npz", **arrays)
    other = int((labels[60] + 1) % 3)
    keep = audited(
        tmp_path / "manifest.parquet",
        cells,
        verdict=["keep"] * 60 + ["relabel"] + ["drop"] * 5 + ["keep"] * 14,
        suggested_label=[-1] * 60 + [other] + [-1] * 19,
    )
    data = DataSpec(source=str(cells), image_size=16, keep=keep)
    paths = write_run(tmp_path / "run", rated(0.5), sweep=trained_sweep(cells, data=data))
    found = evaluate(retrain(paths.root), str(cells))
    counted = [other, *labels[66:]]
    assert [scores.support for scores in found.per_class.values()] == np.bincount(counted).tolist()


def test_retrain_on_data_that_changed_since_the_run_is_refused(tmp_path):
    paths = retrainable(tmp_path)
    bright_cells(tmp_path / "cells.npz", number=90)
    assert "changed" in refusal(UserError, retrain, paths.root)
