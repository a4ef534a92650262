"""The cluster launcher file, checked as `ray up` checks it, without a cloud."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

import cytosweep.app
from search.ray_runtime import slots
from spaces import load_sweep, preset_text

ROOT = Path(__file__).parents[1]
APP_COMMANDS = cytosweep.app.app.registered_commands


def load_cluster() -> dict[str, Any]:
    """Return the cluster file as Ray reads it."""
    cluster: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    return cluster


def test_cluster_file_fits_rays_schema() -> None:
    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    jsonschema.validate(load_cluster(), json.loads(schema.read_text(encoding="utf-8")))


def test_cluster_file_passes_rays_own_preparation_and_installs_this_package_on_every_node() -> None:
    prepared = prepare_config(load_cluster())
    validate_config(prepared)
    assert prepared["available_node_types"]["head"]["max_workers"] == 0
    install = "make --directory ~/cytosweep install EXTRAS=cluster"
    assert install in prepared["head_setup_commands"]
    assert install in prepared["worker_setup_commands"]


def test_workers_are_spot_instances_that_come_and_go_between_none_and_four() -> None:
    worker = load_cluster()["available_node_types"]["worker"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, 4)
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}


def test_every_file_of_the_installation_is_mounted_under_its_own_name() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {
        *settings["tool"]["setuptools"]["packages"],
        *settings["project"]["license-files"],
        settings["project"]["readme"],
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
    }
    mounts = load_cluster()["file_mounts"]
    assert mounts == {f"~/cytosweep/{name}": name for name in needed}


def test_head_workers_and_drivers_agree_on_the_authentication_mode() -> None:
    cluster = load_cluster()
    starts = [
        line
        for role in ("head", "worker")
        for line in cluster[f"{role}_start_ray_commands"]
        if "ray start" in line
    ]
    modes = [re.findall(r"RAY_AUTH_MODE=(\w+) ray start ", line) for line in starts]
    assert modes in ([["disabled"]] * 2, [["token"]] * 2)  # Ray takes any other for `disabled`
    setup = re.findall(r"RAY_AUTH_MODE=(\w+)", "\n".join(cluster["setup_commands"]))
    assert setup == modes[0]


def test_every_node_mounts_the_shared_storage_for_run_folders() -> None:
    commands = load_cluster()["initialization_commands"]
    assert any(re.search(r"mount -t nfs4 .* /mnt/cytosweep$", line) for line in commands)


def documented(name: str) -> str:
    """Return a file's text with the lines of its commands joined."""
    return (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")


@pytest.mark.parametrize("name", ["cluster.yaml", "README.md"])
def test_documented_launch_waits_for_workers_and_uses_their_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (command,) = re.findall(r"cytosweep launch .* --address auto .*", documented(name))
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(preset_text("quickstart"), encoding="utf-8")
    resources = load_sweep(sweep, re.findall(r"--set ([\w.]+=[\w.]+)", command)).resources
    head = {"Alive": True, "Resources": {"CPU": 0.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [head])
    assert (slots(resources, can_grow=True), resources.gpus_per_trial) == (4, 0.5)


@pytest.mark.parametrize("name", ["cluster.yaml", "README.md"])
def test_documented_commands_exist(name: str) -> None:
    commands = {command.name or command.callback.__name__ for command in APP_COMMANDS}
    found = set(re.findall(r"(?:^ {4}|`|')cytosweep ([a-z]+)", documented(name), re.MULTILINE))
    assert found
    assert found <= commands
