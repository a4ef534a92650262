"""Tests of augmentation: what a specification asks for, and what it does to whole batches."""

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from spaces import TrialSpec
from tests.trainables.test_affine import smooth_images
from tests.trainables.test_operations import drawn_images, seeded
from trainables.augment import AugmentPolicy, augment, augment_policy
from trainables.operations import OPERATIONS, RANGES

SPEC = TrialSpec(
    augment_ops=2, augment_magnitude=9, augment_trivial=True, augment_crop=0.4, augment_zoom=0.2,
    augment_rotate=50, augment_erase=0.1, augment_blur=0.02, augment_noise=0.05, flips=False,
    augment_channels=0.3, augment_solarize=0.4, augment_posterize=0.5,
)  # fmt: skip
EVERYTHING = augment_policy(SPEC)
# In the order in which they draw.
FRAMES = [{"crop": 0.2}, {"flips": True}, {"rotate": 20.0}, {"zoom": 0.1}]
PIXELS = [
    {"solarize": 0.5}, {"posterize": 0.5}, {"channels": 0.5}, {"blur": 0.05}, {"noise": 0.1},
    {"erase": 0.3},
]  # fmt: skip
PARTS = [*FRAMES, {"ops": 3, "magnitude": 20.0}, {"trivial": 1.0}, *PIXELS]


def frames_seen(policy: AugmentPolicy, repeated: Tensor | None = None) -> Tensor:
    """Return 500 derivatives [2, 2] of the place seen by the place it is shown at."""
    places = (torch.arange(64) + 0.5) / 64
    ramps = torch.stack(
        [places.expand(64, 64), places[:, None].expand(64, 64), torch.zeros(64, 64)]
    )
    shown = augment(ramps.expand(500, -1, -1, -1), policy, seeded(), repeated)[:, :2]
    right = shown[:, :, 32, 33] - shown[:, :, 32, 32]
    below = shown[:, :, 33, 32] - shown[:, :, 32, 32]
    return 64 * torch.stack([right, below], dim=2)


def degrees(frames: Tensor) -> Tensor:
    """Return by how much each frame is turned counter-clockwise, after undoing a mirror."""
    mirrored = torch.stack([frames.det().sign(), torch.ones(len(frames))], dim=1)
    turned = frames * mirrored[:, :, None]
    return torch.atan2(turned[:, 1, 0], turned[:, 0, 0]).rad2deg()


def is_uniform(values: Tensor, low: float, high: float) -> bool:
    """Whether Kolmogorov-Smirnov says so; it errs for one seed in 10,000, and seeds are fixed."""
    return stats.kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 1e-4


def test_policy_of_the_default_specification_is_flips():
    assert augment_policy(TrialSpec()) == AugmentPolicy(flips=True, magnitude=9)


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (0, {"ops": 0, "trivial": 0, "magnitude": 0, "rotate": 0, "noise": 0}),
        (0.5, {"ops": 2, "trivial": 0.5, "magnitude": 4.5, "rotate": 25, "crop": 0.2}),
        (1, {"ops": 2, "trivial": 1, "magnitude": 9, "rotate": 50, "zoom": 0.2, "erase": 0.1}),
        (4, {"ops": 2, "trivial": 1, "magnitude": 30, "rotate": 180, "crop": 1, "blur": 0.08}),
        (4, {"zoom": 0.8, "erase": 0.4, "channels": 1, "solarize": 1, "posterize": 1}),
    ],
)
def test_policy_scales_with_strength_within_the_bounds_of_each_field(strength, expected):
    policy = augment_policy(SPEC.model_copy(update={"augment_strength": strength}))
    assert {name: getattr(policy, name) for name in expected} == pytest.approx(expected)


def test_strength_zero_leaves_images_and_generator_as_they_are():
    images, generator = smooth_images(), seeded()
    policy = augment_policy(SPEC.model_copy(update={"augment_strength": 0.0}))
    assert augment(images, policy, generator) is images
    assert torch.equal(generator.get_state(), seeded().get_state())


@pytest.mark.parametrize("part", [*PARTS, None], ids=str)
def test_augment_keeps_format_range_and_input_and_follows_its_seed(part):
    policy = AugmentPolicy(**part) if part else replace(EVERYTHING, flips=True)
    images = smooth_images(32)
    last = images.contiguous(memory_format=torch.channels_last)
    from_last, from_first = augment(last, policy, seeded()), augment(images, policy, seeded())
    assert from_last.is_contiguous(memory_format=torch.channels_last)
    assert from_first.is_contiguous()
    torch.testing.assert_close(from_last, from_first, atol=1e-5, rtol=0)
    assert torch.equal(images, smooth_images(32))
    assert 0 <= from_first.min() <= from_first.max() <= 1
    assert torch.equal(augment(images, policy, seeded()), from_first)
    assert not torch.equal(augment(images, policy, seeded(1)), from_first)


def test_augment_of_one_image_does_not_depend_on_the_others():
    images = smooth_images(16)
    others = images.clone()
    others[:5], others[6:] = 0.5, 0.25
    kept, changed = (augment(batch, EVERYTHING, seeded())[5] for batch in (images, others))
    torch.testing.assert_close(changed, kept)


def test_augment_draws_for_every_image_on_its_own():
    images = smooth_images(1).expand(64, -1, -1, -1)
    assert len(augment(images, EVERYTHING, seeded()).flatten(1).unique(dim=0)) == 64


@pytest.mark.parametrize(("parts", "tolerance"), [(PIXELS, 1e-6), (FRAMES, 0.03)])
def test_augment_by_all_parts_equals_one_part_after_the_other(parts, tolerance):
    # Resampled once or once a part differs little in smooth images, away from the mirrored rim.
    images, generator = smooth_images(32, 64, 64), seeded()
    one_by_one = images
    for part in parts:
        one_by_one = augment(one_by_one, AugmentPolicy(**part), generator)
    together = augment(
        images, AugmentPolicy(**{k: v for p in parts for k, v in p.items()}), seeded()
    )
    centre = (..., slice(24, 40), slice(24, 40))
    torch.testing.assert_close(together[centre], one_by_one[centre], atol=tolerance, rtol=0)


@pytest.mark.parametrize("trivial", [False, True])
def test_augment_by_one_operation_equals_that_operation(trivial):
    images = smooth_images(64)
    policy = AugmentPolicy(trivial=1e-9) if trivial else AugmentPolicy(ops=1, magnitude=30)
    candidates = torch.stack(
        [
            OPERATIONS[name](images, torch.full((64,), sign * ends.at(0 if trivial else 30)))
            for name, ends in RANGES.items()
            for sign in (1.0, -1.0 if ends.signed else 1.0)
        ]
    )
    nearest = (candidates - augment(images, policy, seeded())).abs().amax((2, 3, 4)).amin(dim=0)
    assert nearest.max() < 1e-4


def test_augment_resamples_once_whatever_the_policy(monkeypatch):
    calls = []
    sample = torch.nn.functional.grid_sample

    def counted(*arguments, **options):
        calls.append(len(arguments[0]))
        return sample(*arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", counted)
    repeated = torch.ones(8, dtype=torch.bool)
    augment(smooth_images(8), replace(EVERYTHING, flips=True), seeded(), repeated)
    assert calls == [8]


def test_flips_mirror_each_image_in_one_of_four_ways():
    # 64 images miss one of the four ways with odds of 4 * (3/4)^64 = 4e-8, and the seed is fixed.
    images = smooth_images(1).expand(64, -1, -1, -1)
    flipped = augment(images, AugmentPolicy(flips=True), seeded())
    ways = [images[0].flip(axes) for axes in ((), (1,), (2,), (1, 2))]
    close = torch.stack([(flipped - way).abs().amax((1, 2, 3)) < 1e-4 for way in ways])
    assert close.sum(dim=0).eq(1).all()
    assert close.any(dim=1).all()


@pytest.mark.parametrize("most", [1.0, 90.0, 180.0])
def test_rotation_is_by_any_angle_up_to_the_most(most):
    assert is_uniform(degrees(frames_seen(AugmentPolicy(rotate=most))), -most, most)


def test_zoom_is_even_on_a_log_scale():
    factors = frames_seen(AugmentPolicy(zoom=0.5)).det().abs().sqrt()
    assert is_uniform(factors.log() / torch.tensor(1.5).log(), -1, 1)


def test_crop_enlarges_up_to_the_area_left_out():
    areas = frames_seen(AugmentPolicy(crop=0.5)).det()
    assert 0.5 <= areas.min() < 0.55
    assert areas.max() <= 1 + 1e-4


def test_repeated_images_are_turned_and_mirrored_and_the_others_left():
    repeated = torch.arange(500) % 2 == 0
    frames = frames_seen(AugmentPolicy(), repeated)
    torch.testing.assert_close(frames[1::2], torch.eye(2).expand(250, 2, 2), atol=1e-3, rtol=0)
    assert is_uniform(degrees(frames[::2]), -180, 180)
    mirrored = int((frames[::2].det() < 0).sum())
    # Binomial test below 1e-4: odds of one seed in 10,000, and the seed is fixed.
    assert stats.binomtest(mirrored, 250, 0.5).pvalue > 1e-4


def test_blur_and_noise_are_even_up_to_the_most():
    spot = torch.zeros(500, 3, 65, 65)
    spot[:, :, 32, 32] = 1
    blurred = augment(spot, AugmentPolicy(blur=0.08), seeded())[:, 0].sum(dim=1)
    sigma = (blurred * (torch.arange(65) - 32) ** 2).sum(dim=1).sqrt()
    # Below half a pixel the sampled Gaussian is narrower than its sigma.
    assert is_uniform(sigma[sigma > 1], 1, 0.08 * 65)
    noisy = augment(torch.full((500, 3, 40, 40), 0.5), AugmentPolicy(noise=0.1), seeded())
    assert is_uniform(noisy.std(dim=(1, 2, 3)), 0, 0.1)


@pytest.mark.parametrize("name", ["solarize", "posterize", "channels"])
def test_operation_by_chance_changes_that_part_of_the_images(name):
    images = drawn_images().repeat(50, 1, 1, 1)[..., ::4, ::4] / 255
    changed = (augment(images, AugmentPolicy(**{name: 0.3}), seeded()) != images).flatten(1).any(1)
    # Binomial test below 1e-4: one seed in 10,000; a threshold above all values changes nothing.
    missed = 0.1 if name == "solarize" else 0.0
    least = stats.binomtest(int(changed.sum()), 400, 0.3 * (1 - missed), "less").pvalue
    assert min(least, stats.binomtest(int(changed.sum()), 400, 0.3, "greater").pvalue) > 1e-4


def test_posterized_images_have_two_to_seven_bits():
    images = (torch.arange(256) / 255).expand(300, 3, 2, 256)
    levels = augment(images, AugmentPolicy(posterize=1.0), seeded())
    assert {len(image.unique()) for image in levels} == {4, 8, 16, 32, 64, 128}
