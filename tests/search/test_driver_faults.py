"""The driver under what happens to processes: signals, kills, a rival, a cluster of two nodes."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from search import launch
from spaces import RunPaths, is_locked, load_sweep, save_sweep
from tests.search.builders import cells_sweep, events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EPOCHS = 40
MEASURED = ["seconds", "started", "node", "retries", "latency_ms", "peak_memory_mb", "images_per_s"]
"""Columns that differ between two runs of the same trials."""


def environment(folder):
    ours = {"RAY_AUTH_MODE": "disabled", "CYTOSWEEP_CACHE": str(folder / "cache")}
    return os.environ | ours | {"PYTHONDONTWRITEBYTECODE": ""}


def sweep_of(folder, **parts):
    """Return a sweep of four trials that take a second or two each."""
    return cells_sweep(folder, **{"trial": {"epochs": EPOCHS}, **parts})


@contextmanager
def cytosweep(folder, *arguments):
    """Start the command line in a process group of its own; end it if it still runs."""
    command = [sys.executable, "-m", "cytosweep", *map(str, arguments)]
    with (folder / "stderr.txt").open("a") as errors:
        process = subprocess.Popen(
            command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def launched(folder, *, epochs=EPOCHS + 5, **parts):
    """Start a launch and wait until its trials have told of that many epochs."""
    save_sweep(sweep_of(folder, **parts), folder / "sweep.yaml")
    paths = RunPaths(folder / "run")
    with cytosweep(folder, "launch", folder / "sweep.yaml", "--run", paths.root) as process:
        wait_until(lambda: num_epochs(paths) >= epochs or process.poll() is not None)
        assert process.poll() is None, (folder / "stderr.txt").read_text()
        yield process, paths


def ended(folder, *arguments):
    """Run the command line to its end; return its exit code and what it said on the way."""
    (folder / "stderr.txt").write_text("")
    with cytosweep(folder, *arguments) as process:
        code = process.wait(timeout=200)
    return code, (folder / "stderr.txt").read_text()


def wait_until(condition, seconds=120):
    for _ in range(seconds * 20):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError(condition)


def num_epochs(paths):
    return paths.journal.read_text().count('"epoch:') if paths.journal.exists() else 0


def states(paths):
    return list(pd.read_parquet(paths.trials_table)["state"])


def undisturbed(folder, monkeypatch):
    """Run the same sweep without a fault."""
    for name in ("RAY_AUTH_MODE", "CYTOSWEEP_CACHE"):
        monkeypatch.setenv(name, environment(folder)[name])
    return launch(sweep_of(folder), folder / "undisturbed")


def assert_same_results(paths, expected):
    for name in ("trials_table", "curves_table"):
        found, wanted = (pd.read_parquet(getattr(run, name)) for run in (paths, expected))
        found, wanted = (table.drop(columns=MEASURED, errors="ignore") for table in (found, wanted))
        pd.testing.assert_frame_equal(found, wanted)


def descendants(pid):
    """Return the command lines of all processes below `pid`, by their id."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue  # it ended meanwhile
    below, level = {}, {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        below |= {child: commands[child].decode(errors="replace") for child in level}
    return below


def trial_workers(pid):
    return [child for child, name in descendants(pid).items() if name.startswith("ray::Implicit")]


@pytest.mark.parametrize(
    ("send", "kind"),
    [(os.kill, signal.SIGINT), (os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)],
    ids=["kill -INT", "Ctrl-C", "kill -TERM"],
)
def test_interrupted_sweep_is_resumed_as_if_nothing_had_been(tmp_path, monkeypatch, send, kind):
    with launched(tmp_path) as (process, paths):
        send(process.pid, kind)
        assert process.wait(timeout=60) == 130
    said = (tmp_path / "stderr.txt").read_text()
    assert said.splitlines()[-1].endswith(f"go on with `cytosweep resume {paths.root}`")
    assert "stack trace" not in said.lower() and "Traceback" not in said
    assert states(paths)[-1] == "RUNNING"
    assert not is_locked(paths.lock)
    assert ended(tmp_path, "resume", paths.root)[0] == 0
    assert states(paths) == ["COMPLETE"] * 4
    assert_same_results(paths, undisturbed(tmp_path, monkeypatch))


def test_killed_driver_is_resumed_as_if_nothing_had_been(tmp_path, monkeypatch):
    with launched(tmp_path) as (process, paths):
        process.kill()
        process.wait()
    assert ended(tmp_path, "resume", paths.root)[0] == 0
    assert states(paths) == ["COMPLETE"] * 4
    assert not paths.executor.exists()
    assert_same_results(paths, undisturbed(tmp_path, monkeypatch))


def test_killed_worker_is_replaced_and_its_trial_goes_on(tmp_path, monkeypatch):
    with launched(tmp_path) as (process, paths):
        (worker,) = trial_workers(process.pid)
        os.kill(worker, signal.SIGKILL)
        assert process.wait(timeout=120) == 0
    table = pd.read_parquet(paths.trials_table)
    assert sorted(table["retries"]) == [0, 0, 0, 1]
    assert "retried" in events(paths)
    assert_same_results(paths, undisturbed(tmp_path, monkeypatch))


def test_second_driver_on_a_live_run_is_refused(tmp_path):
    with launched(tmp_path, trial={"epochs": 100_000}, epochs=5) as (process, paths):
        rival = tmp_path / "rival"
        rival.mkdir()
        code, said = ended(rival, "resume", paths.root)
        assert (code, f'"pid": {process.pid}' in said) == (2, True)
        code, said = ended(rival, "launch", tmp_path / "sweep.yaml", "--run", paths.root)
        assert (code, "is not empty" in said) == (2, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130


def test_live_sweep_is_widened_extended_rid_of_a_trial_and_stopped(tmp_path):
    with launched(tmp_path, trial={"epochs": 100_000}, epochs=5) as (process, paths):

        def told(*arguments):
            code, said = ended(tmp_path, arguments[0], paths.root, *arguments[1:])
            assert code == 0, said
            return said

        assert "9 trials in all, 2 at" in told("extend", "--trials", 9, "--max-concurrent", 2)
        wait_until(lambda: events(paths).count("started") == 2)
        assert "trial 0 ends" in told("cancel", 0)
        wait_until(lambda: events(paths).count("started") == 3)
        assert ended(tmp_path, "cancel", paths.root, 0)[0] == 2
        told("extend", "--max-concurrent", 1)
        told("stop")
        assert process.wait(timeout=60) == 0
    table = pd.read_parquet(paths.trials_table)
    assert list(table["state"]) == ["PRUNED"] * 3
    assert list(table["stop_reason"]) == ["user"] * 3
    assert load_sweep(paths.sweep).search.trials == 9
    code, said = ended(tmp_path, "stop", paths.root)
    assert (code, "go on with `cytosweep resume" in said) == (2, True)


@contextmanager
def ray_node(folder, *arguments):
    """Run one node of a cluster as a child of ours, and end it with all it started."""
    command = [Path(sys.executable).with_name("ray"), "start", "--block", "--num-cpus", "1"]
    with (folder / "ray.txt").open("a") as log:
        process = subprocess.Popen(
            [*map(str, command), *arguments], env=environment(folder), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        left = descendants(process.pid)
        process.terminate()
        process.wait(timeout=60)
        for pid in left:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_sweep_uses_both_nodes_of_a_cluster(tmp_path):
    port = free_port()
    temporary = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
    address = f"127.0.0.1:{port}"
    head = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1",
            "--include-dashboard=false", f"--temp-dir={temporary.name}"]  # fmt: skip
    sweep = sweep_of(tmp_path, search={"trials": 6}, resources={"max_concurrent": "auto"})
    save_sweep(sweep, tmp_path / "sweep.yaml")
    paths = RunPaths(tmp_path / "run")
    with temporary, ray_node(tmp_path, *head):
        wait_until(lambda: accepts(port), 60)
        with ray_node(tmp_path, f"--address={address}"):
            wait_until(lambda: (tmp_path / "ray.txt").read_text().count("Ray runtime started") == 2)
            code, said = ended(
                tmp_path, "launch", tmp_path / "sweep.yaml", "--run", paths.root,
                "--address", address, "--json",
            )  # fmt: skip
    assert code == 0, said
    table = pd.read_parquet(paths.trials_table)
    assert list(table["state"]) == ["COMPLETE"] * 6
    assert table["node"].nunique() == 2
    assert all(paths.trial(number).predictions.exists() for number in range(6))
    assert not paths.executor.exists()
    assert json.loads(paths.provenance.read_text())["host"] == socket.gethostname()
