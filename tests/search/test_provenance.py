import json
import subprocess

import ray
import torch

from search.provenance import git_commit, provenance
from tests.search.builders import sweep_spec


def test_provenance_names_what_a_run_was_made_of_and_is_json():
    known = provenance(sweep_spec(search={"seed": 3}), "abc")
    assert known["seeds"] == {"search": 3, "split": 0}
    assert known["data_source"] == "synthetic:blood-cells"
    assert known["data_fingerprint"] == "abc"
    assert known["resources"]["cpus_per_trial"] == 1
    assert known["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert known["versions"]["ray"] == ray.__version__
    assert json.loads(json.dumps(known)) == known


def test_git_commit_is_the_one_that_is_checked_out_and_none_outside_a_repository(tmp_path):
    assert git_commit(tmp_path) is None
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert len(git_commit(tmp_path)) == 40
