import logging

import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.trainables.builders import train_plan, trial_data, trial_spec
from trainables.backbone import WeightsError
from trainables.classifier import build_classifier
from trainables.model_folder import save_model
from trainables.training import model_card


def classifier(num_classes=3, mean=(0.5, 0.5, 0.5), **changed):
    parts = {"num_classes": num_classes, "image_size": 16, "mean": mean, "std": (0.2, 0.2, 0.2)}
    return build_classifier(trial_spec(**changed), **parts)


def same(one, two):
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def torch_file(path, tensors):
    torch.save(tensors, path)
    return path


def safetensors_file(path, tensors):
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda model, path: safetensors_file(path / "w.safetensors", model.state_dict()),
        lambda model, path: torch_file(path / "w.pt", model.state_dict()),
        lambda model, path: torch_file(path / "w.pth", {"state_dict": model.state_dict()}),
    ],
    ids=["safetensors", "state dict", "under state_dict"],
)
def test_file_of_a_whole_classifier_gives_it_back_with_its_normalisation(tmp_path, write):
    model = classifier(mean=(0.1, 0.2, 0.3))
    assert same(classifier(weights=str(write(model, tmp_path))), model)


def test_model_folder_gives_its_model_back(tmp_path):
    model, data = classifier(mean=(0.1, 0.2, 0.3)), trial_data()
    save_model(tmp_path / "best", model, model_card(model, train_plan(), data))
    assert same(classifier(weights=str(tmp_path / "best")), model)


def test_file_with_timms_names_fills_the_backbone_and_its_normalisation_is_timms(tmp_path):
    source = classifier(backbone="test_resnet").backbone
    file = safetensors_file(
        tmp_path / "w.safetensors", source.state_dict() | {"head.fc.weight": torch.zeros(9, 9)}
    )
    model = classifier(backbone="test_resnet", weights=str(file))
    assert same(model.backbone, source)
    assert model.mean.flatten().tolist() == pytest.approx(source.pretrained_cfg["mean"])


def test_positions_of_another_image_size_are_resampled_as_timm_does(tmp_path):
    source = timm.create_model("test_vit", img_size=32, num_classes=0)
    file = safetensors_file(tmp_path / "w.safetensors", source.state_dict())
    model = classifier(backbone="test_vit", weights=str(file))
    assert model.backbone.pos_embed.shape != source.pos_embed.shape
    assert torch.equal(model.backbone.norm.weight, source.norm.weight)


def test_file_without_counters_of_batches_is_taken(tmp_path):
    source = classifier()
    tensors = {n: t for n, t in source.state_dict().items() if "num_batches" not in n}
    file = safetensors_file(tmp_path / "w.safetensors", tensors)
    assert same(classifier(weights=str(file)), source)


def test_head_of_other_classes_is_skipped_and_named(tmp_path, caplog):
    file = safetensors_file(tmp_path / "w.safetensors", classifier(5).state_dict())
    with caplog.at_level(logging.INFO):
        model = classifier(3, weights=str(file))
    assert model.head[-1].weight.shape[0] == 3
    assert "head.1.bias, head.1.weight" in caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 8}, "has of another shape stages.0.1.0.weight"),
        ({"backbone": "test_resnet"}, "misses conv1.0.weight, .* and .* more"),
    ],
)
def test_weights_of_another_backbone_are_refused(tmp_path, changed, message):
    file = safetensors_file(tmp_path / "w.safetensors", classifier().state_dict())
    with pytest.raises(WeightsError, match=message):
        classifier(weights=str(file), **changed)


@pytest.mark.parametrize("content", [None, b"", b"no weights at all"])
def test_file_that_is_missing_or_no_weights_is_refused_in_one_line(tmp_path, content):
    file = tmp_path / "w.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pt, but") as caught:
        classifier(weights=str(file))
    assert "\n" not in str(caught.value)


def test_pickle_that_runs_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    with pytest.raises(WeightsError):
        classifier(weights=str(torch_file(tmp_path / "w.pt", {"x": Evil()})))
    assert not (tmp_path / "ran").exists()
