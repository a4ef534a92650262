import json

import pytest

from spaces import DataSpec, RunPaths, UserError, check_data
from tests.spaces.builders import refusal

FINGERPRINTS = {"data_fingerprint": "abc", "manifest_fingerprint": None}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "{path}: is missing; restore it, or launch a new run"),
        (
            "{",
            "{path}: names no data_fingerprint (JSONDecodeError); restore it, or launch a new run",
        ),
        ("{}", "{path}: names no data_fingerprint (KeyError); restore it, or launch a new run"),
        ("[]", "{path}: names no data_fingerprint (TypeError); restore it, or launch a new run"),
        (
            json.dumps({"data_fingerprint": "other"}),
            "a.npz: has changed since {run} was launched; restore it, or launch a new run",
        ),
        (
            json.dumps({"data_fingerprint": "abc", "manifest_fingerprint": "other"}),
            "a.parquet: has changed since {run} was launched; restore it, or launch a new run",
        ),
    ],
    ids=["missing", "damaged", "empty", "a list", "other data", "other manifest"],
)
def test_data_that_are_not_known_to_be_those_of_the_launch_are_refused(tmp_path, text, line):
    paths = RunPaths(tmp_path)
    if text is not None:
        paths.provenance.write_text(text)
    data = DataSpec(source="a.npz", keep="a.parquet")
    found = refusal(UserError, check_data, paths, data, FINGERPRINTS)
    assert found == line.format(path=paths.provenance, run=paths.root)


def test_data_of_the_launch_are_accepted(tmp_path):
    paths = RunPaths(tmp_path)
    paths.provenance.write_text(json.dumps({"data_fingerprint": "abc"}))
    check_data(paths, DataSpec(source="a.npz"), FINGERPRINTS)
