import numpy as np
import pytest
import torch
from timm.optim.lion import Lion
from torch import nn
from torch.optim import SGD, Adam, AdamW

from tests.trainables.builders import trial_spec
from trainables.classifier import build_classifier
from trainables.optimizer import build_optimizer


def optimizer_of(model=None, **changed):
    return build_optimizer(model or nn.Linear(2, 2), trial_spec(**changed))


def classifier_of(spec):
    statistics = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    return build_classifier(spec, num_classes=3, image_size=32, **statistics)


def steps_of(optimizer, weight, gradients):
    """Return the weight after each step."""
    after = []
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        after.append(weight.detach().clone().numpy())
    return np.stack(after)


def lion_by_numpy(weight, gradients, rate, decay):
    """Return the weight after each step in float64: algorithm 2 of Chen et al., 2023."""
    weight, momentum, after = weight.astype(np.float64), 0.0, []
    for gradient in gradients.astype(np.float64):
        update = np.sign(0.9 * momentum + 0.1 * gradient)
        weight = weight - rate * (update + decay * weight)
        momentum = 0.99 * momentum + 0.01 * gradient
        after.append(weight)
    return np.stack(after)


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", Adam), ("adamw", AdamW), ("sgd", SGD), ("lion", Lion)]
)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_optimizer_is_of_the_kind_and_has_the_rate_asked_for(name, kind, weight_decay):
    optimizer = optimizer_of(optimizer=name, learning_rate=0.125, weight_decay=weight_decay)
    assert type(optimizer) is kind
    assert {group["lr"] for group in optimizer.param_groups} == {0.125}
    assert all(group.get("fused", kind is Lion) for group in optimizer.param_groups)


@pytest.mark.parametrize(("name", "reference"), [("adamw", AdamW), ("sgd", SGD), ("lion", None)])
def test_steps_are_those_of_the_reference(name, reference):
    draws = np.random.default_rng(0).normal(size=(9, 4, 3)).astype(np.float32)
    layer = nn.Linear(3, 4, bias=False)
    layer.weight.data = torch.tensor(draws[0])
    optimizer = optimizer_of(layer, optimizer=name, learning_rate=0.01, weight_decay=0.1)
    found = steps_of(optimizer, layer.weight, draws[1:])
    if reference:
        options = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
        weight = torch.tensor(draws[0]).double().requires_grad_()
        other = reference([weight], lr=0.01, weight_decay=0.1, **options)
        expected = steps_of(other, weight, draws[1:].astype(np.float64))
    else:
        expected = lion_by_numpy(draws[0], draws[1:], 0.01, 0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backbone", ["custom_cnn", "test_resnet", "test_convnext", "test_vit"])
@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_norms_and_biases_do_not_decay_and_all_other_weights_do(backbone, layer_decay):
    spec = trial_spec(backbone=backbone, head_width=8, weight_decay=0.1, layer_decay=layer_decay)
    model = classifier_of(spec)
    groups = build_optimizer(model, spec).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for module in model.modules():
        weights = isinstance(module, (nn.Conv2d, nn.Linear))
        for name, parameter in module.named_parameters(recurse=False):
            if weights or name == "bias" or "norm" in type(module).__name__.lower():
                assert decay[id(parameter)] == (0.1 if weights and name == "weight" else 0.0)


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_what_a_timm_model_says_must_not_decay_does_not_decay(layer_decay):
    spec = trial_spec(backbone="test_vit", weight_decay=0.1, layer_decay=layer_decay)
    model = classifier_of(spec)
    groups = build_optimizer(model, spec).param_groups
    spared = {id(p) for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    named = dict(model.backbone.named_parameters())
    asked = model.backbone.no_weight_decay() & named.keys()
    assert [name for name in asked if id(named[name]) not in spared] == []


@pytest.mark.parametrize(
    ("backbone", "num_layers", "away"),
    [
        ("custom_cnn", 4, {
            "stages.0.1": 4, "stages.0.2": 4, "stages.1": 3, "stages.2": 2, "stages.3": 1,
        }),
        ("mobilenetv3_small_050", 14, {
            "conv_stem": 14, "blocks.0.0": 13, "blocks.2.1.conv_pw": 9, "blocks.5.0.conv": 2,
            "conv_head": 1,
        }),
        ("vit_tiny_patch16_224", 13, {
            "patch_embed": 13, "blocks.0": 12, "blocks.10.mlp": 2, "blocks.11": 1, "norm": 1,
        }),
    ],
)  # fmt: skip
def test_rate_decays_with_every_layer_away_from_the_head(backbone, num_layers, away):
    spec = trial_spec(backbone=backbone, layer_decay=0.75, head_width=8, learning_rate=0.01)
    model = classifier_of(spec)
    groups = build_optimizer(model, spec).param_groups
    assert groups[0]["lr"] == 0.01  # that of the head, which is recorded
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sorted(set(rate.values())) == pytest.approx(
        [0.01 * 0.75**n for n in range(num_layers, -1, -1)]
    )
    for path, layers in {"head": 0, **{f"backbone.{p}": n for p, n in away.items()}}.items():
        found = [rate[id(parameter)] for parameter in model.get_submodule(path).parameters()]
        assert found == pytest.approx([0.01 * 0.75**layers] * len(found))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lion"])
def test_weights_without_a_gradient_stay_as_they_are(optimizer):
    spec = trial_spec(optimizer=optimizer, weight_decay=0.1)
    model = classifier_of(spec)
    fitted = build_optimizer(model, spec)
    model.backbone.requires_grad_(False)
    before = [parameter.clone() for parameter in model.backbone.parameters()]
    for _ in range(2):
        model(torch.rand(4, 3, 32, 32)).sum().backward()
        fitted.step()
        fitted.zero_grad()
    assert all(map(torch.equal, before, model.backbone.parameters()))
