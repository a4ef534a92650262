"""The cluster launcher file, checked as `ray up` checks it, without a cloud."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]


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
