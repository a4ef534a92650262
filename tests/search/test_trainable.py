import logging
import warnings

import pytest
from ray import tune

import search.trainable
from search.messages import MESSAGE, EpochEnded, TrialEnded, TrialFailed
from search.trainable import tune_trial
from spaces import RunPaths
from tests.search.builders import cells_sweep, run_paths
from tests.spaces.builders import raising
from tests.trainables.builders import trial_data

CONFIG = {"number": 3, "params": {"dropout": 0.25}, "seed": 7}


class FakeNode:
    """What Ray tells a process of the node it runs on."""

    def get_node_id(self):
        return "abcdef0123456789"


def run(folder, monkeypatch, *, sweep=None, load=None, config=CONFIG, left=()):
    """Run a trial as Tune does and return what it told and the text of its log.

    `left` are names that an earlier process left beside the checkpoints.
    """
    sweep, told = sweep or cells_sweep(folder), []
    paths = run_paths(folder, sweep)
    for name in left:
        (paths.trial(config["number"]).checkpoint / name).mkdir(parents=True)
    monkeypatch.setattr("ray.get_runtime_context", FakeNode)
    monkeypatch.setattr(tune, "report", told.append)
    if load:
        monkeypatch.setattr(search.trainable, "load_trial_data", load)
    level = logging.getLogger().level
    try:
        tune_trial(config, sweep=sweep, root=paths.root)
    finally:
        logging.captureWarnings(False)
        logging.getLogger().setLevel(level)
    return told, paths.trial(config["number"]).log.read_text()


def test_trial_tells_its_epochs_and_its_end(tmp_path, monkeypatch):
    told, _ = run(tmp_path, monkeypatch, load=lambda spec: trial_data())
    messages = [result[MESSAGE] for result in told]
    assert [type(message) for message in messages] == [EpochEnded, EpochEnded, TrialEnded]
    assert [message.record.epoch for message in messages[:2]] == [1, 2]
    assert [result["done"] for result in told] == [False, False, True]


def test_trial_clears_up_what_a_killed_one_left(tmp_path, monkeypatch):
    left = [".best.0123abcd", ".best.0123abcd.old", ".last.safetensors.0123abcd"]
    run(tmp_path, monkeypatch, load=lambda spec: trial_data(), left=left)
    checkpoint = RunPaths(tmp_path / "run").trial(3).checkpoint
    assert {path.name for path in checkpoint.iterdir()} == {"best", "last.safetensors"}


def test_log_holds_epochs_messages_and_warnings(tmp_path, monkeypatch):
    def load(spec):
        logging.getLogger("somebody").info("decoding")
        warnings.warn("an odd picture", stacklevel=1)
        return trial_data()

    warnings.simplefilter("always")
    _, log = run(tmp_path, monkeypatch, load=load)
    assert "INFO somebody: decoding" in log
    assert "an odd picture" in log
    assert log.count("EpochRecord(epoch=") == 2


@pytest.mark.parametrize("error", [ValueError("no pictures"), MemoryError(), RuntimeError("a\nb")])
def test_trial_that_raises_becomes_a_message_with_its_log(tmp_path, monkeypatch, error):
    told, log = run(tmp_path, monkeypatch, load=raising(error))
    (result,) = told
    expected = f"{type(error).__name__}: {error} (log: trials/3/log.txt)"
    assert result == {MESSAGE: TrialFailed(error=expected), "done": True}
    assert "Traceback" in log and type(error).__name__ in log


def test_trial_that_tune_stops_ends_at_once_and_closes_its_log(tmp_path, monkeypatch):
    handlers = len(logging.getLogger().handlers)
    stop = raising(SystemExit())  # what Tune raises in the thread of a function it stops
    with pytest.raises(SystemExit):
        run(tmp_path, monkeypatch, load=stop)
    assert len(logging.getLogger().handlers) == handlers


def test_run_folder_that_the_node_does_not_see_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"gone: not visible from node .*; put runs on storage"):
        tune_trial(CONFIG, sweep=cells_sweep(tmp_path), root=tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_data_are_opened_once_for_all_trials_of_a_process(tmp_path, monkeypatch):
    opened = []

    def load(spec):
        opened.append(spec)
        return trial_data()

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sweep = cells_sweep(tmp_path)
        run(tmp_path / name, monkeypatch, sweep=sweep, load=load)
    assert opened == [sweep.data]
