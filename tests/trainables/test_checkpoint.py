import pytest
import torch
from torch import nn

from spaces import EpochRecord
from tests.trainables.builders import trial_spec
from trainables.checkpoint import TrainingState
from trainables.optimizer import build_optimizer
from trainables.schedule import build_scheduler

RECORD = EpochRecord(
    epoch=2, seconds=1.5, train_loss=0.1, learning_rate=1 / 3, images_per_s=9.0, val_loss=0.7
)


def training_state(seed=0, **changed):
    """Return the state of a small network, of which nothing is trained yet."""
    torch.manual_seed(seed)
    spec = trial_spec(**changed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    optimizer = build_optimizer(model.to(memory_format=torch.channels_last), spec)
    scheduler = build_scheduler(optimizer, spec, objective="val_loss", steps=20)
    generator = torch.Generator().manual_seed(seed)
    return TrainingState(model=model, optimizer=optimizer, scheduler=scheduler, generator=generator)


def take_steps(state, count):
    """Train on noise of the state's generator; return the losses."""
    losses = []
    for _ in range(count):
        images = torch.rand(8, 3, 4, 4, generator=state.generator)
        loss = (state.model(images) * torch.rand(8, 2)).square().mean()
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.scheduler.step(*([loss.item()] if "Plateau" in str(state.scheduler) else []))
        state.step += 1
        losses.append(loss.item())
    return losses


def read_back(folder, state, **changed):
    """Return what is read of a state that was saved, into a state of another seed."""
    state.save(folder / "deep" / "last.safetensors")
    read = training_state(seed=1, **changed)
    read.load(folder / "deep" / "last.safetensors")
    return read


@pytest.mark.parametrize("record", [RECORD, None])
def test_state_that_was_read_back_has_its_records_step_and_moments(tmp_path, record):
    state = training_state()
    take_steps(state, 3)
    state.record, state.best = record, record
    read = read_back(tmp_path, state)
    assert (read.record, read.best, read.step) == (record, record, 3)
    for parameter, slots in read.optimizer.state.items():  # laid out alike in memory
        assert slots["exp_avg"].stride() == slots["exp_avg_sq"].stride() == parameter.stride()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lion"])
@pytest.mark.parametrize("schedule", ["plateau", "onecycle", "cosine", "constant"])
def test_state_that_was_read_back_goes_on_to_the_last_bit(tmp_path, schedule, optimizer):
    spec = {"schedule": schedule, "optimizer": optimizer, "weight_decay": 0.1}
    state = training_state(**spec)
    take_steps(state, 3)
    state.save(tmp_path / "last.safetensors")
    expected = take_steps(state, 5)
    read = training_state(seed=1, **spec)
    read.load(tmp_path / "last.safetensors")  # and with it torch's generator
    assert take_steps(read, 5) == expected


def test_state_of_an_untrained_model_can_be_saved(tmp_path):
    state = training_state()
    expected, found = state.model.state_dict(), read_back(tmp_path, state).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_saving_that_fails_leaves_the_old_state(tmp_path):
    state = training_state()
    state.save(tmp_path / "last.safetensors")
    before = (tmp_path / "last.safetensors").read_bytes()
    state.step = object()
    with pytest.raises(TypeError):
        state.save(tmp_path / "last.safetensors")
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_equal_states_are_equal_files(tmp_path):
    for name in ("one", "two"):
        state = training_state()
        take_steps(state, 2)
        state.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
