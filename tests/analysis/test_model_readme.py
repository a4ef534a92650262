import re

import pytest

from analysis.model_readme import model_readme
from tests.analysis.builders import model_card


def rows_of(text):
    """Return the cells of every row of the tables in a Markdown text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_readme_says_what_the_model_is_and_is_fed_but_not_whose_folder_the_data_was_in():
    card = model_card("/data/somebody/cells.npz", trial={"backbone": "resnet18"}, image_size=48)
    text = model_readme(card, {})
    assert text.startswith("# resnet18: 3 classes\n")
    assert "in the order of the scores: basophil, eosinophil, monocyte." in text
    assert "`[B, 3, 48, 48]`" in text
    assert "`cells.npz`, fingerprint `000000000000`" in text
    assert "somebody" not in text


def test_readme_shows_the_training_as_one_table():
    trial = {"dropout": 0.25, "learning_rate": 3.16e-4, "augment_ops": 2, "augment_magnitude": 7.5}
    rows = dict(rows_of(model_readme(model_card(trial=trial), {})))
    assert rows["Optimiser"] == "adam, batch 64, learning rate 0.000316"
    assert rows["Augmentation"] == "2 RandAugment operations, magnitude 7.5"
    assert rows["Dropout"] == "0.25"


def test_readme_shows_every_metric_but_those_that_are_unknown():
    metrics = {
        "retraining": {"images": 13092},
        "trial": {"val_accuracy": 0.97654321, "other": None},
    }
    rows = dict(rows_of(model_readme(model_card(), metrics)))
    assert rows["retraining: images"] == "13092"
    assert rows["trial: val_accuracy"] == "0.9765"
    assert "trial: other" not in rows


@pytest.mark.parametrize("metrics", [{}, {"trial": {}}, {"trial": {"val_loss": 0.5}}])
def test_readme_is_markdown_with_one_whole_table(metrics):
    text = model_readme(model_card(), metrics)
    assert {len(row) for row in rows_of(text)} == {2}
    assert text.count("\n| | |\n|---|---|\n| ") == 1
    table = re.search(r"(?m)(^\|.*\n)+", text)[0]
    assert table.count("\n") == len(rows_of(text))
    assert text.endswith("    cytosweep predict . cell.png\n")
