import pytest
import torch

from trainables.custom_cnn import CustomCnn


@pytest.mark.parametrize("size", [16, 20, 33])
@pytest.mark.parametrize("width", [4, 12])
def test_network_makes_four_widths_of_features_of_pictures_of_any_size(width, size):
    network = CustomCnn(width)
    features = network(torch.rand(2, 3, size, size))
    assert features.shape == (2, 4 * width)
    assert network.num_features == 4 * width


def test_network_halves_the_resolution_four_times():
    assert CustomCnn(4).stages(torch.rand(1, 3, 64, 64)).shape == (1, 16, 4, 4)


def test_features_do_not_depend_on_where_a_small_thing_lies():
    network = CustomCnn(4).eval()
    here, there = torch.zeros(1, 3, 192, 192), torch.zeros(1, 3, 192, 192)
    here[:, :, 88:92, 88:92] = 1
    there[:, :, 104:108, 104:108] = 1  # farther by the side of one position
    torch.testing.assert_close(network(here), network(there))


def test_every_parameter_gets_a_gradient():
    network = CustomCnn(4)
    network(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_parameters_are_grouped_by_the_resolution_of_their_stage():
    network = CustomCnn(4)
    stage_of, stages = network.group_matcher(), {}
    for name, parameter in network.named_parameters():
        if name.endswith("0.weight") and parameter.ndim == 4:
            stages.setdefault(stage_of(name), set()).add(len(parameter) // 4)
    assert stages == {0: {1}, 1: {2}, 2: {3}, 3: {4}}
