import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.spaces.builders import refusal
from tests.trainables.builders import pictures, write_npz
from trainables.open_source import open_source
from trainables.source import DataError

INFO = {"bloodmnist": {"label": {"1": "eosinophil", "0": "basophil"}}, "pathmnist": {"label": {}}}


@pytest.fixture(autouse=True)
def _medmnist(tmp_path, monkeypatch):
    """Stand in for the package, and for the folder it downloads to."""
    monkeypatch.setitem(sys.modules, "medmnist", SimpleNamespace(INFO=INFO))
    monkeypatch.setenv("MEDMNIST_ROOT", str(tmp_path))
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))


def write_medmnist(path, labels=(0, 1, 1)):
    arrays = {}
    for number, part in enumerate(("train", "val", "test")):
        images = pictures(9)[3 * number : 3 * number + 3]
        arrays |= {f"{part}_images": images, f"{part}_labels": np.array(labels)[:, None]}
    return write_npz(path, **arrays)


def line_of(name):
    return refusal(DataError, lambda: open_source(name).rows()).removeprefix(f"{name}: ")


@pytest.mark.parametrize("name", ["bloodmnist", "bloodmnist_64"])
def test_data_set_is_the_packages_file_with_the_packages_names_of_classes(tmp_path, name):
    write_medmnist(tmp_path / f"{name}.npz")
    source = open_source(f"medmnist:{name}")
    rows = source.rows()
    assert (source.name, rows.class_names) == (f"medmnist:{name}", ("basophil", "eosinophil"))
    assert (list(rows.labels), set(rows.parts)) == ([0, 1, 1] * 3, {"train", "validation", "test"})
    np.testing.assert_array_equal(source.picture(4), pictures(9)[4])


def test_fingerprint_is_not_that_of_the_file_whose_classes_have_no_names(tmp_path):
    path = write_medmnist(tmp_path / "bloodmnist.npz")
    first, again = (open_source("medmnist:bloodmnist").fingerprint() for _ in range(2))
    assert first == again != open_source(str(path)).fingerprint()


def test_data_set_that_is_not_there_is_refused_with_a_remedy(tmp_path):
    assert line_of("medmnist:bloodmist") == "MedMNIST has no bloodmist; did you mean 'bloodmnist'?"
    assert line_of("medmnist:bloodmnist_64") == (
        f"there is no {tmp_path}/bloodmnist_64.npz; download bloodmnist_64.npz as MedMNIST's page"
        " says, and put it there, or into a folder that MEDMNIST_ROOT names"
    )
    write_medmnist(tmp_path / "bloodmnist.npz", labels=(0, 1, 2))
    assert line_of("medmnist:bloodmnist").startswith("row 2 has label 2, but must be 0..1")


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "medmnist", None)
    assert line_of("medmnist:bloodmnist") == (
        "needs the package medmnist; type pip install 'cytosweep[medmnist]'"
    )
