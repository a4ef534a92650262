import json

import pytest
import torch

from spaces import DataSpec
from tests.spaces.builders import refusal
from tests.trainables.builders import NAMES, trial_spec
from trainables import model_folder
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
    return refusal(ModelFolderError, read, folder).replace(f"{folder}", "MODEL")


@pytest.mark.parametrize("backbone", ["custom_cnn", "test_resnet", "test_vit", "test_convnext"])
def test_model_that_was_read_back_gives_identical_scores(tmp_path, backbone):
    model, card = write_model(tmp_path / "best", backbone=backbone, head_width=8, dropout=0.5)
    read, read_card = load_model(tmp_path / "best")
    images = torch.rand(3, 3, 32, 32)
    model = model.to(memory_format=torch.channels_last)
    assert torch.equal(read(images), model(images))
    assert read_card == card
    assert not read.training


def test_model_that_takes_the_place_of_another_keeps_the_log_of_evaluations(tmp_path):
    for seed in (0, 1):
        write_model(tmp_path / "best", seed)
        with (tmp_path / "best" / "evaluations.jsonl").open("a") as log:
            log.write(f"{seed}\n")
    assert (tmp_path / "best" / "evaluations.jsonl").read_text() == "0\n1\n"


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


def test_pretrained_model_is_read_back_without_asking_for_weights(tmp_path, monkeypatch):
    write_model(tmp_path / "best", backbone="test_resnet")
    card = load_card(tmp_path / "best")
    trial = card.trial.model_copy(update={"pretrained": True}).model_dump()
    change_card(tmp_path / "best", trial=trial)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_model(tmp_path / "best")[1].trial.pretrained


@pytest.mark.parametrize("read", [load_model, load_card])
def test_missing_folder_is_refused(tmp_path, read):
    line = "MODEL: no such model folder; give RUN/best or a folder written by `export`"
    assert line_of(tmp_path / "gone", read) == line


@pytest.mark.parametrize(
    ("name", "content", "start"),
    [
        (CARD, None, "MODEL: holds no model.json; give RUN/best or a folder written by `export`"),
        (WEIGHTS, None, "MODEL: holds no model.safetensors; export the model again"),
        (CARD, b"", "MODEL/model.json: is damaged (Invalid JSON: "),
        (CARD, b'{"classes": [', "MODEL/model.json: is damaged (Invalid JSON: "),
        (CARD, b"\xff\xfe\x00", "MODEL/model.json: is damaged ('utf-8' "),
        (CARD, b"[]", "MODEL/model.json: is damaged (Input should be an object"),
        (CARD, b"{}", "MODEL/model.json: is damaged (classes: Field required"),
    ],
)
def test_missing_file_or_damaged_card_is_refused_with_the_reason(tmp_path, name, content, start):
    write_model(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    line = line_of(tmp_path)
    assert line.startswith(start)
    assert line.endswith(("; export the model again", "written by `export`"))


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"format": 2}, CARD, "is damaged (format: "),
        ({"classes": ...}, CARD, "is damaged (classes: "),
        ({"normalisation": {"mean": [0, 0], "std": [1, 1, 1]}}, CARD, "(normalisation.mean.2: "),
        ({"resize": "stretched"}, CARD, "is damaged (resize: "),
        ({"strange": 1}, CARD, "is damaged (strange: "),
        ({"trial": {"width": 3}}, CARD, "is damaged (trial.width: "),
        ({"classes": ["a", "b"]}, WEIGHTS, "head.1.weight"),
        ({"trial": {"width": 8}}, WEIGHTS, "does not fit model.json ("),
        ({"trial": {"backbone": "no_such_net"}}, WEIGHTS, "no_such_net"),
    ],
)
def test_card_with_a_wrong_field_is_refused_with_what_is_wrong(tmp_path, changed, name, words):
    write_model(tmp_path)
    change_card(tmp_path, **changed)
    line = line_of(tmp_path)
    assert line.startswith(f"MODEL/{name}: ")
    assert words in line


@pytest.mark.parametrize("harm", ["flipped", "cut", "exchanged weights", "exchanged card"])
def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path, harm):
    _, one = write_model(tmp_path / "best")
    _, two = write_model(tmp_path / "other", seed=1)
    assert one.sha256 != two.sha256
    path = tmp_path / "best" / (CARD if "card" in harm else WEIGHTS)
    whole, other = path.read_bytes(), (tmp_path / "other" / path.name).read_bytes()
    harmed = {"flipped": whole[:-1] + bytes([whole[-1] ^ 1]), "cut": whole[:100]}
    path.write_bytes(harmed.get(harm, other))
    assert line_of(tmp_path / "best") == (
        "MODEL/model.safetensors: its SHA-256 is not the one in model.json, so it is damaged or was"
        " exchanged; export the model again"
    )


def test_weights_that_are_no_safetensors_are_refused_whatever_their_hash(tmp_path, monkeypatch):
    write_model(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"nonsense" * 20)
    monkeypatch.setattr(model_folder, "_hash", lambda path: load_card(tmp_path).sha256)
    assert line_of(tmp_path).startswith("MODEL/model.safetensors: does not fit model.json (")
