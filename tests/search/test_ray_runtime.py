import os
import signal
import subprocess
import sys

import pytest
import ray

from search.ray_runtime import ray_runtime, slots
from spaces import ResourcesSpec, UserError
from tests.spaces.builders import refusal


def node(cpus=0.0, gpus=0.0, alive=True):
    """Return a node as `ray.nodes` lists it."""
    offered = {"CPU": cpus, "GPU": gpus, "memory": 1e9}
    return {"Alive": alive, "Resources": {name: n for name, n in offered.items() if n}}


def slots_on(monkeypatch, nodes, can_grow=False, **resources):
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    return slots(ResourcesSpec(**resources), can_grow=can_grow)


@pytest.mark.parametrize(
    ("nodes", "per_trial", "expected"),
    [
        ([node(8)], 1, 8),
        ([node(8)], 3, 2),
        ([node(2)], 2, 1),
        ([node(64)], 5, 12),
        ([node(3), node(3), node(8, alive=False), node()], 2, 2),
    ],
)
def test_whole_trials_fit_on_the_cpus_of_nodes_alive(monkeypatch, nodes, per_trial, expected):
    assert slots_on(monkeypatch, nodes, cpus_per_trial=per_trial) == expected


@pytest.mark.parametrize(
    ("gpus", "per_trial", "expected"),
    [
        (1, 1, 1), (4, 1, 4), (1, 0.5, 2), (2, 0.25, 8), (1, 0.3, 3), (2, 0.6, 2), (1, 0.1, 10),
        (4, 2, 2), (5, 2, 2),
        (2, 0.4, 4),  # two on each GPU: the 0.2 left on both make no fifth
    ],
)  # fmt: skip
def test_trials_share_a_gpu_but_get_no_parts_of_two(monkeypatch, gpus, per_trial, expected):
    assert slots_on(monkeypatch, [node(64, gpus)], gpus_per_trial=per_trial) == expected


@pytest.mark.parametrize(
    ("nodes", "can_grow", "number", "expected"),
    [([node(4)], False, 2, 2), ([node(4)], False, 100, 4), ([node(4)], True, 100, 100),
     ([node()], True, 4, 4)],
    ids=["local", "more than fits", "cluster", "cluster without a worker"],
)  # fmt: skip
def test_number_the_user_set_is_capped_where_no_node_can_join(
    monkeypatch, nodes, can_grow, number, expected
):
    assert slots_on(monkeypatch, nodes, can_grow, max_concurrent=number) == expected


@pytest.mark.parametrize("number", ["auto", 4])
def test_trial_that_fits_nowhere_is_refused_with_what_it_asked_for(monkeypatch, number):
    wanted = {"gpus_per_trial": 0.5, "max_concurrent": number}
    line = refusal(UserError, slots_on, monkeypatch, [node(16)], **wanted)
    assert line == "resources: no node offers 1 CPUs and 0.5 GPUs now; ask for less"
    with pytest.raises(ValueError, match="gpus_per_trial"):  # what Ray does not give
        slots_on(monkeypatch, [node(16, 3)], gpus_per_trial=1.5)


def test_trial_that_fits_on_no_node_of_a_cluster_yet_is_refused_with_the_way_to_wait(monkeypatch):
    line = refusal(UserError, slots_on, monkeypatch, [node()], True)
    assert line.endswith("or set resources.max_concurrent where nodes are added on demand")


@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, ValueError])
def test_address_where_no_cluster_answers_is_refused(monkeypatch, error):
    def init(**options):
        raise error("nobody there\nfor 20 tries")

    monkeypatch.setattr(ray, "init", init)
    rule = r"--address 10\.0\.0\.2:1: no Ray cluster answers \(nobody there\); start one with `ray"
    with pytest.raises(UserError, match=rule), ray_runtime("10.0.0.2:1"):
        pass


def leave(*_signal):
    raise SystemExit(15)


@pytest.mark.parametrize("address", [None, "auto"])
def test_handler_of_sigterm_is_not_the_one_that_ray_sets(monkeypatch, address):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "init", lambda **options: signal.signal(signal.SIGTERM, leave))
    with ray_runtime(address):
        assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_while_ray_starts_is_an_interrupt(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)

    def init(**options):
        signal.signal(signal.SIGTERM, leave)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(KeyboardInterrupt), ray_runtime(None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_address_where_no_cluster_answers_is_refused_before_a_user_gives_up():
    program = "from search.ray_runtime import ray_runtime; ray_runtime('127.0.0.1:1').__enter__()"
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", program]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=45, check=False
    )
    assert "UserError: --address 127.0.0.1:1: no Ray cluster answers" in found.stderr
