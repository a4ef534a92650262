from pathlib import Path

import pytest

from spaces import UserError, load_sweep, preset_names, preset_text


def written_preset(folder: Path, name: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(preset_text(name), encoding="utf-8")
    return path


def test_preset_names_are_sorted_and_frozen():
    assert preset_names() == ["blood-cells", "mobilenetv3", "quickstart"]


@pytest.mark.parametrize("name", preset_names())
def test_preset_loads_under_its_own_name_without_data_or_network(name, tmp_path):
    sweep = load_sweep(written_preset(tmp_path, name))
    assert sweep.name == name
    assert sweep.data.source == "synthetic:blood-cells"
    assert sweep.objective == "robust_accuracy"
    assert not sweep.trial.pretrained


def test_unknown_preset_names_it_the_known_ones_and_the_nearest():
    with pytest.raises(UserError) as caught:
        preset_text("quickstrat")
    assert str(caught.value) == (
        "preset is 'quickstrat', but must be one of blood-cells, mobilenetv3, quickstart"
        "; did you mean 'quickstart'?"
    )
