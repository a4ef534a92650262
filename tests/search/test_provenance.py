import json
import subprocess

import pytest
import ray
import torch

from search.provenance import git_commit, gpu_names, provenance
from tests.search.builders import sweep_spec


def test_provenance_names_what_a_run_was_made_of_and_is_json():
    known = provenance(sweep_spec(search={"seed": 3}), {"data_fingerprint": "abc"})
    assert known["seeds"] == {"search": 3, "split": 0}
    assert known["data_source"] == "synthetic:blood-cells"
    assert known["data_fingerprint"] == "abc"
    assert known["resources"]["cpus_per_trial"] == 1
    assert known["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert known["versions"]["ray"] == ray.__version__
    assert json.loads(json.dumps(known)) == known


def repository(folder, pyproject):
    """Make a repository of one commit whose top level holds this file, and a package in it."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    if pyproject is not None:
        (folder / "pyproject.toml").write_text(pyproject)
    (folder / "search").mkdir()
    return folder / "search"


def test_git_commit_is_the_one_that_is_checked_out_of_our_repository(tmp_path):
    assert len(git_commit(repository(tmp_path, '[project]\nname = "cytosweep"\n'))) == 40


@pytest.mark.parametrize("pyproject", [None, "", "[project", '[project]\nname = "theirs"\n'])
def test_git_commit_of_another_project_is_none_of_ours(tmp_path, pyproject):
    assert git_commit(repository(tmp_path, pyproject)) is None


def test_git_commit_is_none_outside_a_repository_or_without_git(tmp_path, monkeypatch):
    assert git_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_gpus_are_named_one_by_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"card {number}")
    assert gpu_names() == ["card 0", "card 1"]
