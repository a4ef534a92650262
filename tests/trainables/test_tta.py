import pytest
import torch
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from tests.trainables.test_affine import smooth_images
from trainables.tta import averaged, tta_views

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Corner(nn.Module):
    """A model whose scores are the three channels of the pixel in the upper left corner."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, images):
        self.asked += 1
        return 5 * images[:, :, 0, 0]


def views_of(kind, images=IMAGES):
    return [view(images) for view in tta_views(kind)]


def set_of(views):
    return {tuple(view.flatten().tolist()) for view in views}


@pytest.mark.parametrize(
    ("kind", "number"), [("none", 1), ("flips", 2), ("turns", 8), ("full", 16)]
)
def test_views_are_as_many_as_said_all_different_and_the_image_first(kind, number):
    views = views_of(kind)
    assert len(views) == number
    assert torch.equal(views[0], IMAGES)
    assert len(set_of(views)) == number


def test_turns_only_change_places_and_are_closed_under_turning():
    found = set_of(views_of("turns"))
    again, mirrored = (set_of(views_of("turns", i)) for i in (IMAGES.mT, IMAGES.flip(2)))
    assert found == again == mirrored


def test_full_zooms_and_shifts_the_turns_as_torchvision_does():
    images = smooth_images(2, 32, 32)
    views = views_of("full", images)
    for turned, moved in zip(views[:8], views[8:], strict=True):
        expected = reference.affine(
            turned, angle=0, translate=[2, 0], scale=1.1, shear=[0, 0],
            interpolation=InterpolationMode.BILINEAR,
        )  # fmt: skip
        inside = (..., slice(None), slice(2, None))  # torchvision fills what comes from outside
        torch.testing.assert_close(moved[inside], expected[inside], atol=1e-5, rtol=0)


def test_views_keep_the_memory_format():
    views = views_of("full", IMAGES.contiguous(memory_format=torch.channels_last))
    assert all(view.is_contiguous(memory_format=torch.channels_last) for view in views)


def test_average_is_the_mean_of_the_probabilities_not_of_the_scores():
    corners = [IMAGES[:, :, row, column] for row in (0, -1) for column in (0, -1)]
    expected = sum((5 * corner).softmax(dim=1) for corner in corners) / 4
    torch.testing.assert_close(averaged(Corner(), IMAGES, "turns"), expected)


def test_average_of_one_view_is_a_single_forward_pass():
    model = Corner()
    found = averaged(model, IMAGES, "none")
    assert torch.equal(found, (5 * IMAGES[:, :, 0, 0]).softmax(dim=1))
    assert model.asked == 1
