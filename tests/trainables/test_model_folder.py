import json
import shutil

import pytest
import torch

from spaces import DataSpec
from tests.trainables.builders import NAMES, trial_spec
from trainables.classifier import build_classifier
from trainables.model_folder import (
    CARD,
    WEIGHTS,
    ModelCard,
    ModelFolderError,
    Normalisation,
    load_card,
    load_model,
    save_model,
)  # fmt: skip

MEAN, STD = (0.5, 0.25, 0.125), (0.25, 0.5, 0.125)


def write_model(folder, seed=0, **changed):
    """Write the folder of a model that was never trained, and return the model and its card."""
    torch.manual_seed(seed)
    spec = trial_spec(**changed)
    model = build_classifier(spec, num_classes=3, image_size=32, mean=MEAN, std=STD).eval()
    card = ModelCard(
        classes=NAMES,
        image_size=32,
        resize="crop",
        normalisation=Normalisation(mean=MEAN, std=STD),
        trial=spec,
        data=DataSpec(source="cells.npz"),
        data_fingerprint="0" * 64,
        provenance={"seed": seed},
    )
    return model, save_model(folder, model, card)


def change_card(folder, **changed):
    card = json.loads((folder / CARD).read_text())
    card = {name: value for name, value in (card | changed).items() if value is not ...}
    (folder / CARD).write_text(json.dumps(card))


def line_of(folder, read=load_model):
    with pytest.raises(ModelFolderError) as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}", "MODEL")


@pytest.mark.parametrize("backbone", ["custom_cnn", "test_resnet", "test_vit", "test_convnext"])
def test_model_that_was_read_back_gives_identical_scores(tmp_path, backbone):
    model, card = write_model(tmp_path / "best", backbone=backbone, head_width=8, dropout=0.5)
    read, read_card = load_model(tmp_path / "best")
    images = torch.rand(3, 3, 32, 32)
    model = model.to(memory_format=torch.channels_last)
    assert torch.equal(read(images), model(images))
    assert read_card == card
    assert not read.training


def test_model_folder_holds_two_files_and_replaces_another_whole(tmp_path):
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "old.txt").touch()
    write_model(tmp_path / "best")
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [CARD, WEIGHTS]
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_saving_that_fails_leaves_the_old_model(tmp_path):
    _, card = write_model(tmp_path / "best")
    broken = torch.nn.Linear(2, 2)
    broken.state_dict = dict  # has no tensors
    with pytest.raises(AttributeError):
        save_model(tmp_path / "best", broken, "no card")
    assert load_card(tmp_path / "best") == card
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_card_knows_the_hash_of_its_weights(tmp_path):
    one, two = (write_model(tmp_path / str(seed), seed)[1] for seed in (0, 1))
    assert len(one.sha256) == 64
    assert one.sha256 != two.sha256


def test_pretrained_model_is_read_back_without_asking_for_weights(tmp_path, monkeypatch):
    write_model(tmp_path / "best", backbone="test_resnet")
    card = load_card(tmp_path / "best")
    trial = card.trial.model_copy(update={"pretrained": True}).model_dump()
    change_card(tmp_path / "best", trial=trial)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_model(tmp_path / "best")[1].trial.pretrained


@pytest.mark.parametrize("read", [load_model, load_card])
def test_missing_folder_is_refused(tmp_path, read):
    assert line_of(tmp_path / "gone", read) == (
        "MODEL: no such model folder; give RUN/best or a folder written by `export`"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (CARD, "MODEL: holds no model.json; give RUN/best or a folder written by `export`"),
        (WEIGHTS, "MODEL: holds no model.safetensors; export the model again"),
    ],
)
def test_missing_file_is_refused(tmp_path, name, line):
    write_model(tmp_path)
    (tmp_path / name).unlink()
    assert line_of(tmp_path) == line


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Invalid JSON"), (b'{"classes": [', "Invalid JSON"), (b"\xff\xfe\x00", "utf-8"),
        (b"[]", "should be an object"), (b"{}", "classes: Field required"),
    ],
)  # fmt: skip
def test_damaged_card_is_refused_with_the_reason(tmp_path, content, why):
    write_model(tmp_path)
    (tmp_path / CARD).write_bytes(content)
    line = line_of(tmp_path)
    assert line.startswith("MODEL/model.json: is damaged (")
    assert line.endswith("); export the model again")
    assert why in line


def test_card_that_is_no_json_is_refused_in_tidy_words(tmp_path):
    write_model(tmp_path)
    (tmp_path / CARD).write_bytes(b"")
    assert "(Invalid JSON: " in line_of(tmp_path)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"format": 2}, "format: "),
        ({"classes": ...}, "classes: "),
        ({"normalisation": {"mean": [0.5, 0.5], "std": [1, 1, 1]}}, "normalisation.mean.2: "),
        ({"resize": "stretched"}, "resize: "),
        ({"strange": 1}, "strange: "),
        ({"trial": {"width": 3}}, "trial.width: "),
    ],
)
def test_card_with_a_wrong_field_is_refused_with_its_name(tmp_path, changed, where):
    write_model(tmp_path)
    change_card(tmp_path, **changed)
    assert line_of(tmp_path).startswith(f"MODEL/model.json: is damaged ({where}")


def damage(path, other):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path, other):
    path.write_bytes(path.read_bytes()[:100])


def exchange(path, other):
    shutil.copy(other / path.name, path)


@pytest.mark.parametrize("harm", [damage, cut, exchange])
def test_damaged_or_exchanged_weights_are_refused(tmp_path, harm):
    write_model(tmp_path / "best")
    write_model(tmp_path / "other", seed=1)
    harm(tmp_path / "best" / WEIGHTS, tmp_path / "other")
    assert line_of(tmp_path / "best") == (
        "MODEL/model.safetensors: its SHA-256 is not the one in model.json, so it is damaged or was"
        " exchanged; export the model again"
    )


def test_exchanged_card_is_refused(tmp_path):
    write_model(tmp_path / "best")
    write_model(tmp_path / "other", seed=1)
    exchange(tmp_path / "best" / CARD, tmp_path / "other")
    assert "its SHA-256 is not the one in model.json" in line_of(tmp_path / "best")


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": ["a", "b"]},
        {"trial": {"width": 8}},
        {"trial": {"backbone": "no_such_net"}},
    ],
)
def test_card_that_does_not_fit_its_weights_is_refused(tmp_path, changed):
    write_model(tmp_path)
    change_card(tmp_path, **changed)
    assert line_of(tmp_path).startswith("MODEL/model.")


def test_card_that_does_not_fit_its_weights_is_refused_with_what_differs(tmp_path):
    write_model(tmp_path)
    change_card(tmp_path, classes=["a", "b"])
    assert "head.1.weight" in line_of(tmp_path)


def test_weights_that_are_no_safetensors_are_refused_whatever_their_hash(tmp_path, monkeypatch):
    write_model(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"nonsense" * 20)
    monkeypatch.setattr("trainables.model_folder._hash", lambda path: load_card(tmp_path).sha256)
    assert line_of(tmp_path).startswith("MODEL/model.safetensors: does not fit model.json (")
