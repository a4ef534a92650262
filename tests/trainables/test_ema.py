import copy

import pytest
import torch
from torch import nn

from trainables.ema import build_ema


def small_network(seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    return network.to(memory_format=torch.channels_last)


def walk(model, generator):
    """Move the weights by chance, and let the batch norm see a batch."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
        model(torch.randn(8, 3, 4, 4, generator=generator))


def averaged_over(steps, decay, model, ema, *, first=1):
    """Return the averages in float64, of which the decay is TensorFlow's, two steps later."""
    generator = torch.Generator().manual_seed(first)
    expected = {name: t.double() for name, t in ema.module.state_dict().items()}
    for step in range(first, first + steps):
        walk(model, generator)
        ema.update(model, step)
        keep = min(decay, (1 + (step - 2)) / (10 + (step - 2)))
        for name, tensor in model.state_dict().items():
            expected[name] = keep * expected[name] + (1 - keep) * tensor.double()
    return expected


@pytest.mark.parametrize("decay", [0.05, 0.5, 0.999])
def test_average_of_weights_and_buffers_is_the_recursion_in_float64(decay):
    model = small_network()
    ema = build_ema(model, decay)
    assert build_ema(model, 0.0) is None
    expected = averaged_over(25, decay, model, ema)
    found = ema.module.state_dict()
    assert found.pop("1.num_batches_tracked") == 25  # a count is copied
    for name, tensor in found.items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=1e-5, atol=1e-5)
    assert found["0.weight"].is_contiguous(memory_format=torch.channels_last)


def test_average_that_was_read_back_goes_on_to_the_last_bit():
    model = small_network()
    ema = build_ema(model, 0.9)
    averaged_over(5, 0.9, model, ema)
    read, again = build_ema(small_network(1), 0.9), copy.deepcopy(model)
    read.module.load_state_dict(ema.module.state_dict())
    for which, average in ((model, ema), (again, read)):
        averaged_over(5, 0.9, which, average, first=6)
    assert all(
        map(torch.equal, ema.module.state_dict().values(), read.module.state_dict().values())
    )
