import pytest
import timm
import torch

from spaces import UserError
from tests.trainables.builders import trial_spec
from trainables.backbone import BackboneError, WeightsError, backbone_names, build_backbone

MOBILENETS = ("mobilenetv3_small_050", "tf_mobilenetv3_small_075", "mobilenetv3_large_100")


def side(backbone, **changed):
    """Return the positions along a side of the last features of 64-pixel images."""
    with torch.device("meta"):
        built, _ = build_backbone(trial_spec(backbone=backbone, **changed), 64)
        images = torch.zeros(1, 3, 64, 64)
        last = built.stages if backbone == "custom_cnn" else built.forward_features
        return last(images).shape[-1]


@pytest.mark.parametrize(
    ("changed", "positions"),
    [
        ({}, 2),
        ({"stem_stride": 1}, 4),
        ({"output_stride": 16}, 4),
        ({"output_stride": 8}, 8),
        ({"output_stride": 2}, 32),
        ({"stem_stride": 1, "output_stride": 8}, 8),
    ],
    ids=str,
)
@pytest.mark.parametrize("backbone", [*MOBILENETS, "efficientnet_b0"])
def test_strides_keep_the_resolution_of_small_images(backbone, changed, positions):
    assert side(backbone, **changed) == positions


@pytest.mark.parametrize(
    ("changed", "positions"), [({}, 4), ({"stem_stride": 1}, 8), ({"output_stride": 4}, 16)]
)
def test_strides_of_our_own_network_may_be_chosen_too(changed, positions):
    assert side("custom_cnn", **changed) == positions


def test_dilated_mobilenet_equals_timms_own_dilation_of_the_same_blocks():
    features = timm.create_model("mobilenetv3_small_100", features_only=True, output_stride=16)
    ours, _ = build_backbone(trial_spec(backbone="mobilenetv3_small_100", output_stride=16), 64)
    ours.load_state_dict(features.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64)
    last = ours.eval().blocks(ours.bn1(ours.conv_stem(images)))
    torch.testing.assert_close(last, features.eval()(images)[-1])


@pytest.mark.parametrize(
    ("backbone", "changed", "named"),
    [
        ("vit_tiny_patch16_224", {"stem_stride": 1}, "stem_stride 1"),
        ("convnext_atto", {"stem_stride": 2}, "stem_stride 2"),
        ("vit_tiny_patch16_224", {"output_stride": 8}, "output_stride 8"),
        ("resnet18", {"output_stride": 2}, "output_stride 2"),
    ],
)
def test_stride_that_a_backbone_lacks_is_refused_by_name(backbone, changed, named):
    with pytest.raises(BackboneError, match=f"{backbone}, which lacks {named} .*leave that out"):
        side(backbone, **changed)


@pytest.mark.parametrize("backbone", ["custom_cnn", "mobilenetv3_small_050"])
def test_momentum_of_batch_normalisation_and_drop_path_reach_every_block(backbone):
    spec = trial_spec(backbone=backbone, batch_norm_momentum=0.3, drop_path=0.5)
    modules = list(build_backbone(spec, 32)[0].modules())
    momenta = {m.momentum for m in modules if isinstance(m, torch.nn.BatchNorm2d)}
    rates = [m.drop_prob for m in modules if isinstance(m, timm.layers.DropPath)]
    assert momenta == {0.3}
    assert 0.3 < max(rates) <= 0.5
    assert rates == sorted(rates)


def test_weights_that_cannot_be_fetched_are_refused_with_the_remedies(monkeypatch):
    create = timm.create_model

    def refuse(name, *, pretrained=False, **options):
        if pretrained:
            raise ConnectionError("no route to host\nat all")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(WeightsError) as caught:
        build_backbone(trial_spec(backbone="test_resnet", pretrained=True), 32)
    assert str(caught.value) == (
        "pretrained weights of test_resnet cannot be fetched (ConnectionError); connect to the hub"
        " once, set HF_HUB_CACHE to a filled cache, give trial.weights: FILE, or set"
        " trial.pretrained: false"
    )
    assert issubclass(WeightsError, UserError)


def test_option_that_a_backbone_lacks_is_not_taken_for_a_lack_of_weights():
    spec = trial_spec(backbone="vgg11", pretrained=True, drop_path=0.1)
    with pytest.raises(BackboneError, match=r"vgg11, which lacks drop_path 0\.1"):
        build_backbone(spec, 32)


def test_names_of_backbones_are_ours_and_timms():
    assert {"custom_cnn", "mobilenetv3_small_100", "efficientnet_b0"} <= backbone_names()
