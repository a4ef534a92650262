import pytest

from spaces import backbone_family


@pytest.mark.parametrize(
    ("backbone", "family"),
    [
        ("custom_cnn", "custom_cnn"), ("mobilenetv3_small_100", "mobilenetv3"),
        ("mobilenetv3_large_100.ra_in1k", "mobilenetv3"),
        ("tf_mobilenetv3_large_minimal_100", "mobilenetv3"),
        ("efficientnet_b0", "efficientnet"), ("resnet18", "resnet18"),
        ("resnet18.a1_in1k", "resnet18"), ("legacy_seresnet18", "seresnet18"), ("tf", "tf"),
    ],
)  # fmt: skip
def test_family_is_the_first_word_behind_a_prefix(backbone, family):
    assert backbone_family(backbone) == family
