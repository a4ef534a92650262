import pytest

from spaces import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dropot", "; did you mean 'dropout'?"),
        ("head", "; did you mean 'head_width'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean_names_what_is_near_or_nothing(name, hint):
    assert did_you_mean(name, ["dropout", "head_width", "epochs"]) == hint


def test_did_you_mean_joins_several_by_or_nearest_first():
    assert did_you_mean("trail", ["trials", "trial"]).startswith("; did you mean 'trial' or ")


def test_did_you_mean_names_at_most_three():
    options = [f"epoch{n}" for n in range(9)]
    assert did_you_mean("epoch", iter(options)).count("epoch") == 3
