import pytest

from spaces import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [("dropot", "; did you mean 'dropout'?"), ("head", "; did you mean 'head_width'?"),
     ("zzz", ""), ("", "")],
)  # fmt: skip
def test_did_you_mean_names_what_is_near_or_nothing(name, hint):
    assert did_you_mean(name, ["dropout", "head_width", "epochs"]) == hint


def test_did_you_mean_names_three_at_most_the_nearest_first():
    assert did_you_mean("trail", ["trials", "trial"]).startswith("; did you mean 'trial' or ")
    assert did_you_mean("epoch", (f"epoch{n}" for n in range(9))).count("epoch") == 3
