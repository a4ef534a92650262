import pytest
import timm
import torch
from torch.nn import functional

from tests.spaces.builders import sweep_spec
from tests.trainables.builders import trial_spec
from trainables.backbone import BackboneError, WeightsError
from trainables.classifier import build_classifier, check_models

MEAN, STD = (0.5, 0.25, 0.125), (0.25, 0.5, 0.125)
TINY = timm.list_models("test_*")


def classifier(num_classes=3, image_size=32, seed=0, **changed):
    torch.manual_seed(seed)
    spec = trial_spec(**changed)
    parts = {"num_classes": num_classes, "image_size": image_size, "mean": MEAN, "std": STD}
    return build_classifier(spec, **parts).eval()


CREATE = timm.create_model


def refuse(name, *, pretrained=False, **options):
    """Stand for `timm.create_model` where there is no network and no cache."""
    if pretrained:
        raise ConnectionError("no route to host\nat all")
    return CREATE(name, **options)


@pytest.mark.parametrize("head_width", [0, 8])
@pytest.mark.parametrize("backbone", ["custom_cnn", *TINY])
def test_any_backbone_gives_a_score_per_class(backbone, head_width):
    model = classifier(5, backbone=backbone, head_width=head_width)
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 5)


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_100", "efficientnet_b0"])
def test_backbones_of_the_design_give_a_score_per_class(backbone):
    assert classifier(8, backbone=backbone)(torch.rand(1, 3, 32, 32)).shape == (1, 8)


def test_same_seed_gives_the_same_model_and_another_seed_another():
    first, again, other = (classifier(seed=seed).head[-1].weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_normalisation_is_part_of_the_model():
    model, images = classifier(), torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    expected = model.head(model.backbone((images - mean) / std))
    assert torch.equal(model(images), expected)


@pytest.mark.parametrize("size", [16, 48])
def test_images_of_another_size_are_resized_by_the_model(size):
    model, images = classifier(), torch.rand(2, 3, size, size)
    resized = functional.interpolate(images, (32, 32), mode="bilinear", antialias=True)
    assert torch.equal(model(images), model(resized))


def test_size_of_the_trial_goes_before_that_of_the_data():
    assert classifier(image_size=32).image_size == 32
    spec = trial_spec(image_size=24)
    parts = {"num_classes": 3, "image_size": 32, "mean": MEAN, "std": STD}
    assert build_classifier(spec, **parts).image_size == 24


@pytest.mark.parametrize(("dropout", "differ"), [(0.0, False), (0.5, True)])
def test_dropout_acts_in_training_only(dropout, differ):
    model = classifier(dropout=dropout, head_width=32)
    features = torch.rand(1, 16)
    assert torch.equal(model.head(features), model.head(features))
    model.head.train()
    assert torch.equal(model.head(features), model.head(features)) is not differ


def test_pretrained_backbone_brings_its_own_normalisation(monkeypatch):
    create = timm.create_model
    asked = []

    def untrained(name, *, pretrained, **options):
        asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", untrained)
    model = classifier(backbone="test_resnet", pretrained=True)
    cfg = timm.get_pretrained_cfg("test_resnet")
    assert asked == [True]
    torch.testing.assert_close(model.mean.flatten(), torch.tensor(cfg.mean))
    torch.testing.assert_close(model.std.flatten(), torch.tensor(cfg.std))


@pytest.mark.parametrize(
    ("trial", "space"),
    [
        ({"backbone": "test_resnet", "pretrained": True}, {}),
        ({"pretrained": True}, {"backbone": {"choice": ["test_resnet", "test_vit"]}}),
        ({"backbone": "test_vit"}, {"pretrained": {"choice": [True, False]}}),
    ],
)
def test_weights_that_a_sweep_may_ask_for_are_looked_for(monkeypatch, trial, space):
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(WeightsError, match="test_"):
        check_models(sweep_spec(trial=trial, space=space))


@pytest.mark.parametrize("trial", [{"backbone": "test_vit"}, {"backbone": "custom_cnn"}])
def test_sweep_that_asks_for_no_weights_needs_no_network(monkeypatch, trial):
    monkeypatch.setattr(timm, "create_model", refuse)
    check_models(sweep_spec(trial=trial))


@pytest.mark.parametrize(
    ("trial", "space"),
    [
        ({"backbone": "test_vit", "output_stride": 8}, {}),
        ({"backbone": "test_resnet"}, {"output_stride": {"choice": [8, 2]}}),
        ({"stem_stride": 1}, {"backbone": {"choice": ["custom_cnn", "test_convnext"]}}),
    ],
)
def test_stride_that_a_backbone_of_the_sweep_lacks_is_found_before_it_runs(trial, space):
    with pytest.raises(BackboneError, match="which lacks"):
        check_models(sweep_spec(trial=trial, space=space))


def test_local_weights_of_a_sweep_are_looked_at_before_it_runs(tmp_path):
    with pytest.raises(WeightsError, match="no such file or model folder"):
        check_models(sweep_spec(trial={"weights": str(tmp_path / "none.pt")}))


@pytest.mark.parametrize("layers", [1, 3])
def test_head_has_as_many_dense_layers_as_asked_for(layers):
    head = classifier(head_width=8, head_layers=layers).head
    assert sum(isinstance(module, torch.nn.Linear) for module in head) == layers + 1
