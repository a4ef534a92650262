import numpy as np
import pytest
import torch

from trainables.sampling import epoch_order

LABELS = np.repeat([0, 2, 3], [70, 25, 5])
"""The second class has no image."""


def order_of(sampling, labels=LABELS, generator=None):
    return epoch_order(labels, sampling, generator or torch.Generator().manual_seed(0))


def test_natural_order_is_torchs_permutation_and_repeats_nothing():
    order = order_of("natural")
    expected = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(order.positions, expected)
    assert not order.repeated.any()


@pytest.mark.parametrize("counts", [(70, 25, 5), (1, 1, 1), (1, 7, 3), (2, 30, 1), (1, 0, 0)])
def test_balanced_order_has_every_class_as_often(counts):
    labels = np.repeat([0, 2, 3], counts)
    order = order_of("balanced", labels)
    seen = np.bincount(labels[order.positions], minlength=4)[np.unique(labels)]
    assert len(order.positions) == len(order.repeated) == len(labels)
    assert seen.max() - seen.min() <= 1


def test_image_comes_again_only_when_all_of_its_class_have_come():
    order = order_of("balanced")
    for label in (0, 2, 3):
        images = order.positions[LABELS[order.positions] == label]
        count = int((LABELS == label).sum())
        for start in range(0, len(images), count):
            one_round = images[start : start + count]
            assert len(set(one_round)) == len(one_round)


def test_images_that_came_before_are_marked():
    order = order_of("balanced")
    before = [p in order.positions[:i] for i, p in enumerate(order.positions)]
    np.testing.assert_array_equal(order.repeated, before)
    assert 0 < order.repeated.sum() < len(LABELS)


def test_classes_are_mixed_and_take_turns_in_getting_one_more():
    generator, more, first, neighbours = torch.Generator().manual_seed(0), set(), [], 0
    for _ in range(60):
        labels = LABELS[order_of("balanced", generator=generator).positions]
        more.add(int(np.bincount(labels).argmax()))
        first += list(labels[:10])
        neighbours += int((labels[1:] == labels[:-1]).sum())
    assert more == {0, 2, 3}  # one of three would be missed for one seed in 10^10
    assert 0.25 < neighbours / (60 * 99) < 0.4  # 0.327 are expected, with a deviation of 0.006
    # 200 of each class are expected; 5 standard deviations, for one seed in 580,000.
    assert np.ptp(np.bincount(first)[[0, 2, 3]]) < 5 * (2 * 600 / 3) ** 0.5


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_order_follows_from_the_generator_alone(sampling):
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    one, other = (order_of(sampling, generator=generator) for _ in range(2))
    np.testing.assert_array_equal(one.positions, order_of(sampling).positions)
    assert not np.array_equal(one.positions, other.positions)
    assert torch.equal(torch.get_rng_state(), state)
