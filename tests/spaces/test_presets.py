import pytest

from spaces import UserError, load_sweep, preset_names, preset_text
from tests.spaces.builders import refusal, write_sweep


def test_preset_names_are_sorted_and_frozen():
    assert preset_names() == ["blood-cells", "mobilenetv3", "quickstart"]


@pytest.mark.parametrize("name", preset_names())
def test_preset_loads_under_its_own_name_without_data_or_network(name, tmp_path):
    sweep = load_sweep(write_sweep(tmp_path, preset_text(name)))
    assert sweep.name == name
    assert sweep.data.source == "synthetic:blood-cells"
    assert sweep.objective == "robust_accuracy"
    assert not sweep.trial.pretrained


def test_unknown_preset_names_it_the_known_ones_and_the_nearest():
    assert refusal(UserError, preset_text, "quickstrat") == (
        "preset is 'quickstrat', but must be one of blood-cells, mobilenetv3, quickstart"
        "; did you mean 'quickstart'?"
    )
