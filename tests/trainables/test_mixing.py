import pytest
import torch
from scipy import stats
from torch.nn.functional import one_hot
from torchvision.transforms import v2

from trainables.mixing import blend, draw_share, mix, outside_box

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
TARGETS = one_hot(LABELS, 3).float()
NEXT = torch.arange(6).roll(1)
"""The partners that torchvision gives."""


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def random_images(height=12, width=20):
    return torch.rand(6, 3, height, width, generator=seeded())


def flat_images(device="cpu"):
    """Return images, each of one value, by which it is known again: its number."""
    return torch.arange(6.0, device=device).view(6, 1, 1, 1).expand(6, 3, 8, 8)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_blend_by_a_share_is_torchvisions_mixup(share):
    images, parameters = random_images(), {"labels": TARGETS, "batch_size": 6, "lam": share}
    mixed = blend(images, TARGETS, NEXT, torch.full((12, 20), share))
    reference = v2.MixUp(num_classes=3)
    torch.testing.assert_close(mixed.images, reference.transform(images, parameters))
    torch.testing.assert_close(mixed.targets, reference.transform(TARGETS, parameters))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [(12, 20), (32, 32), (7, 5)])
def test_blend_outside_a_box_is_torchvisions_cutmix(size, seed):
    images, reference = random_images(*size), v2.CutMix(num_classes=3)
    torch.manual_seed(seed)
    parameters = reference.make_params([images]) | {"labels": TARGETS, "batch_size": 6}
    torch.manual_seed(seed)  # the same draws again, in torchvision's order
    share = reference._dist.sample(()).double()
    x, y = torch.randint(size[1], ()), torch.randint(size[0], ())
    mixed = blend(images, TARGETS, NEXT, outside_box(share, x, y, size))
    assert torch.equal(mixed.images, reference.transform(images, parameters))
    torch.testing.assert_close(mixed.targets, reference.transform(TARGETS, parameters))


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0, 10.0])
def test_share_is_beta_distributed(alpha):
    generator = seeded()
    shares = torch.stack([draw_share(alpha, generator) for _ in range(2000)]).numpy()
    # A right distribution would fail for one seed in 10,000.
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-4


def test_share_of_a_tiny_alpha_is_a_fair_choice_between_none_and_all():
    generator = seeded()
    shares = torch.stack([draw_share(1e-4, generator) for _ in range(400)])
    assert ((shares < 1e-3) | (shares > 1 - 1e-3)).float().mean() > 0.98  # 0.9993 are expected
    # A fair choice is 5 standard deviations off for one seed in 1,700,000.
    assert 150 < int((shares > 0.5).sum()) < 250


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_targets_say_how_much_of_which_image_is_seen(alphas):
    generator, eye = seeded(), torch.eye(6)
    for _ in range(20):
        images, targets = mix(
            flat_images(), eye, mixup=alphas[0], cutmix=alphas[1], generator=generator
        )
        torch.testing.assert_close(images.mean(dim=(1, 2, 3)), targets @ torch.arange(6.0))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(targets.sum(dim=0), torch.ones(6))  # each is a partner once


def test_batch_is_mixed_by_one_of_the_two_and_by_either_as_often():
    generator, cut = seeded(), 0
    for _ in range(400):
        images, _ = mix(flat_images(), TARGETS, mixup=1.0, cutmix=1.0, generator=generator)
        cut += bool((images == images.round()).all())
    # A fair choice is 5 standard deviations off for one seed in 1,700,000.
    assert 150 < cut < 250


def test_partners_are_random():
    generator, seen = seeded(), torch.zeros(6, 6)
    for _ in range(600):
        seen += mix(flat_images(), torch.eye(6), mixup=1e-9, cutmix=0, generator=generator).targets
    # Each of 30 pairs comes 50 times on average; one is 36 off for one seed in 47,000.
    assert (seen - 50)[~torch.eye(6, dtype=torch.bool)].abs().max() < 36


def test_batch_is_left_alone_where_nothing_is_asked_for():
    generator, images = seeded(), flat_images()
    before = generator.get_state()
    mixed = mix(images, TARGETS, mixup=0.0, cutmix=0.0, generator=generator)
    assert mixed.images is images
    assert mixed.targets is TARGETS
    assert torch.equal(generator.get_state(), before)


def test_only_the_given_generator_is_asked():
    state = torch.get_rng_state()
    images = random_images().contiguous(memory_format=torch.channels_last)
    once, again = (
        mix(images, TARGETS, mixup=0.3, cutmix=0.3, generator=seeded(5)) for _ in range(2)
    )
    assert torch.equal(once.images, again.images)
    assert once.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.gpu
def test_batch_is_mixed_on_a_gpu():
    mixed = mix(
        flat_images("cuda"), torch.eye(6).cuda(), mixup=0.3, cutmix=0.3,
        generator=seeded(device="cuda"),
    )  # fmt: skip
    assert mixed.images.is_cuda
    expected = mixed.targets @ torch.arange(6.0, device="cuda")
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), expected)
