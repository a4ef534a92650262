import pytest

from spaces import TrialSpec
from tests.spaces.builders import sentences_of


def sentences(**raw: object) -> list[str]:
    return sentences_of(TrialSpec, raw)


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [
        ("width", 4, 512), ("head_width", 0, 4096), ("dropout", 0.0, 0.999),
        ("image_size", 16, 1024), ("epochs", 1, 10_000), ("batch_size", 2, 65_536),
        ("learning_rate", 1e-12, 10.0), ("weight_decay", 0.0, 1.0), ("plateau_patience", 0, 100),
        ("early_stopping", 0, 100), ("label_smoothing", 0.0, 0.999), ("augment_ops", 0, 8),
        ("augment_magnitude", 0, 30),
    ],
)  # fmt: skip
def test_field_takes_both_ends_of_its_range(field, lowest, highest):
    assert sentences(**{field: lowest}) == sentences(**{field: highest}) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 3), ("width", 516), ("head_width", -1), ("dropout", 1.0),
        ("dropout", -0.01), ("image_size", 7), ("image_size", 1025), ("epochs", 0),
        ("batch_size", 1), ("learning_rate", 0.0), ("weight_decay", -1e-9),
        ("plateau_patience", -1), ("early_stopping", -1), ("label_smoothing", 1),
        ("augment_ops", 9), ("augment_magnitude", 30.5), ("backbone", 3), ("pretrained", 1),
        ("optimizer", "rms"), ("schedule", "linear"), ("stem_stride", 3), ("cutmix", -1),
        ("ema", 1), ("class_weights", None), ("flips", "no"),
        ("validation_views", "dirty"), ("dropout", float("nan")), ("learning_rate", float("inf")),
    ],
)  # fmt: skip
def test_value_outside_the_rule_is_refused_by_field_and_value(field, value):
    (line,) = sentences(**{field: value})
    assert line.startswith(f"{field} is ")
    assert ", but must be " in line


@pytest.mark.parametrize("field", list(TrialSpec.model_fields))
def test_every_field_is_documented_and_its_remedy_is_itself_valid(field):
    info = TrialSpec.model_fields[field]
    assert info.description
    assert sentences(**{field: info.default}) == []
    assert sentences(**{field: (info.examples or [info.default])[0]}) == []


def test_word_that_is_no_option_or_no_backbone_gets_the_nearest():
    assert sentences(schedule="plateu")[0].endswith("; did you mean 'plateau'?")
    assert sentences(schedule="onecycel")[0].endswith("; did you mean 'onecycle'?")
    found = sentences_of(TrialSpec, {"backbone": "resnet8"}, {"backbones": ["resnet18"]})
    assert found == [
        "backbone is 'resnet8', but must be custom_cnn or a timm model; did you mean 'resnet18'?"
    ]
