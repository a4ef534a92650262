import json
import mmap
import pickle

import pandas as pd
import pytest
import torch

from spaces import TrialPaths, TrialSummary
from tests.trainables.builders import CutError, cut_after, ticking, trial_data, trial_spec
from trainables.model_folder import load_model
from trainables.prediction import validate
from trainables.trial import (
    TrialJob,
    forget_peak_memory,
    latency_ms,
    peak_memory_mb,
    run_trial,
)

DATA = trial_data()
CPU = torch.device("cpu")


def trial_job(folder, objective="robust_accuracy", **changed):
    return TrialJob(spec=trial_spec(**changed), objective=objective, seed=7, folder=folder)


def run(folder, report=None, **changed):
    """Run a trial and return its summary, its records and its paths."""
    records = []
    summary = run_trial(
        trial_job(folder, **changed), DATA, report or records.append, clock=ticking()
    )
    return summary, records, TrialPaths(folder)


def test_trial_writes_all_its_files_and_into_its_config_seed_and_objective(tmp_path):
    _, records, paths = run(tmp_path / "0", dropout=0.25)
    assert len(records) == 4
    files = [path for path in paths.root.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(paths.root)) for path in files) == [
        "checkpoint/best/model.json", "checkpoint/best/model.safetensors",
        "checkpoint/last.safetensors", "config.json", "predictions.parquet",
    ]  # fmt: skip
    config = json.loads(paths.config.read_text())
    assert (config["seed"], config["objective"]) == (7, "robust_accuracy")
    assert config["trial"] == trial_spec(dropout=0.25).model_dump()


def test_predictions_and_record_are_those_of_the_best_model_on_all_views(tmp_path):
    _, records, paths = run(tmp_path, width=8)
    best = max(records, key=lambda record: record.robust_accuracy)
    frame = pd.read_parquet(paths.predictions)
    assert list(frame) == ["row", "label", "view", "prob_0", "prob_1", "prob_2"]
    assert list(frame["row"]) == [*range(24, 30)] * 2
    assert set(frame["view"]) == {"clean", *(f"darker-{severity}" for severity in range(1, 6))}
    clean = frame[frame["view"] == "clean"]
    predicted = clean.filter(like="prob_").to_numpy().argmax(axis=1)
    assert (predicted == clean["label"]).mean() == pytest.approx(best.val_accuracy)
    found = validate(load_model(paths.best)[0], (DATA.clean, *DATA.shifts), CPU)
    assert found.robust_accuracy == pytest.approx(best.robust_accuracy)
    assert found.clean.loss == pytest.approx(best.val_loss)


def test_trial_validated_on_clean_images_predicts_nothing_else(tmp_path):
    choices = {"validation_views": "clean", "objective": "val_loss"}
    _, records, paths = run(tmp_path, **choices)
    assert set(pd.read_parquet(paths.predictions)["view"]) == {"clean"}
    assert records[0].shift_accuracy is None


def test_summary_says_what_the_model_costs_and_every_epoch_how_large_it_is(tmp_path):
    summary, records, paths = run(tmp_path, head_width=8)
    parameters = sum(p.numel() for p in load_model(paths.best)[0].parameters())
    assert isinstance(summary, TrialSummary)
    assert summary.parameters_m == pytest.approx(parameters / 1e6)
    assert {record.parameters_m for record in records} == {summary.parameters_m}
    assert summary.latency_ms == 1000.0  # the clock ticks once per image
    assert 10 < summary.peak_memory_mb < 100_000


def test_peak_memory_is_forgotten_before_the_next_trial_of_the_process():
    with mmap.mmap(-1, 400 << 20) as block:  # the allocator might keep an array's memory
        block[:: 1 << 12] = bytes(len(block) >> 12)
        high = peak_memory_mb(CPU)
    forget_peak_memory(CPU)
    assert peak_memory_mb(CPU) < high - 300


def test_trial_that_was_cut_leaves_a_model_and_ends_as_the_undisturbed_one(tmp_path):
    spec = {"schedule": "onecycle", "dropout": 0.3}
    whole, records, paths = run(tmp_path / "whole", **spec)
    with pytest.raises(CutError):
        run(tmp_path / "cut", report=cut_after(2), **spec)
    load_model(TrialPaths(tmp_path / "cut").best)
    assert not TrialPaths(tmp_path / "cut").predictions.exists()
    summary, rest, cut = run(tmp_path / "cut", **spec)
    assert rest == records[1:]
    assert (summary.parameters_m, summary.latency_ms) == (whole.parameters_m, whole.latency_ms)
    assert cut.predictions.read_bytes() == paths.predictions.read_bytes()


def test_trial_uses_the_threads_it_was_given(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    run(tmp_path, epochs=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_latency_is_the_median_without_the_first():
    class Slow(torch.nn.Module):
        def forward(self, images):
            shapes.append(tuple(images.shape))
            return images

    shapes, ticks = [], iter([0, 100, *[t for k in range(20) for t in (200 + k, 200.25 + k)]])
    assert latency_ms(Slow(), 24, CPU, lambda: next(ticks)) == 250.0
    assert set(shapes) == {(1, 3, 24, 24)}


def test_job_can_be_pickled(tmp_path):
    job = trial_job(tmp_path, backbone="test_resnet", augment_ops=2)
    assert pickle.loads(pickle.dumps(job)) == job
