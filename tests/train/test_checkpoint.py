"""Checkpoints: everything comes back, and a damaged one is found out."""

import pytest
import torch
from torch import nn

from holdfast.core import files
from holdfast.core.errors import HoldfastError
from holdfast.train import checkpoint
from holdfast.train.checkpoint import State, load_last, load_weights, save_best, save_last


def learner(width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer, torch.amp.GradScaler]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))
    return model, torch.optim.AdamW(model.parameters()), torch.amp.GradScaler("cpu", enabled=True)


def learn(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.arange(50.0).view(2, 1, 5, 5)).square().sum().backward()
    optimizer.step()


def test_everything_comes_back(tmp_path) -> None:
    model, optimizer, scaler = learner()
    learn(model, optimizer)
    scaler.load_state_dict({**scaler.state_dict(), "scale": 512.0})
    state = State(epoch=2, position=3, step=19, loss_sum=0.1 + 0.2, seen=7, best={"loss": 1 / 3, "epoch": 1})
    save_last(tmp_path, model, optimizer, scaler, state)
    learn(model, optimizer)

    other, its_optimizer, its_scaler = learner()
    found = load_last(tmp_path, other, its_optimizer, its_scaler)
    learn(other, its_optimizer)

    assert found == state
    assert its_scaler.state_dict()["scale"] == 512
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_one_checkpoint_of_each_kind_stays(tmp_path) -> None:
    model, optimizer, scaler = learner()

    for step in range(3):
        learn(model, optimizer)
        save_last(tmp_path, model, optimizer, scaler, State(step=step))
        save_best(tmp_path, model, {"epoch": step, "loss": 1.0})

    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == [
        "best", "best.json", "last", "last.json",
    ]  # fmt: skip
    assert load_weights(tmp_path, learner()[0])["epoch"] == 2


@pytest.mark.parametrize("writes", [0, 1])
def test_a_writer_killed_at_any_file_leaves_the_checkpoint_before(writes, tmp_path, monkeypatch) -> None:
    model, optimizer, scaler = learner()
    save_last(tmp_path, model, optimizer, scaler, State(step=1))
    left = [writes]

    def killed(write):
        def wrapped(*args):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            write(*args)

        return wrapped

    monkeypatch.setattr(checkpoint, "write_bytes", killed(files.write_bytes))
    monkeypatch.setattr(checkpoint, "write_json", killed(files.write_json))
    learn(model, optimizer)

    with pytest.raises(KeyboardInterrupt):
        save_last(tmp_path, model, optimizer, scaler, State(step=2))

    assert load_last(tmp_path, *learner()).step == 1


def test_a_fresh_run_begins_at_the_beginning(tmp_path) -> None:
    assert load_last(tmp_path / "none", *learner()) == State()


def test_a_changed_byte_is_found_out(tmp_path) -> None:
    model = learner()[0]
    save_best(tmp_path, model, {"epoch": 1})
    (path,) = tmp_path.glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(HoldfastError, match="is damaged: its digest is another one"):
        load_weights(tmp_path, model)


def test_missing_tensors_are_found_out(tmp_path) -> None:
    model = learner()[0]
    save_best(tmp_path, model, {"epoch": 1})
    next(tmp_path.glob("*.safetensors")).unlink()

    with pytest.raises(HoldfastError, match=r"best\.json is damaged: .*No such file"):
        load_weights(tmp_path, model)


def test_weights_of_another_network_are_refused(tmp_path) -> None:
    save_best(tmp_path, learner(3)[0], {"epoch": 1})

    with pytest.raises(HoldfastError, match="is of another network: size mismatch"):
        load_weights(tmp_path, learner(4)[0])
