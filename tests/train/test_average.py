"""The average of the weights."""

import pytest
import torch
from torch import nn

from holdfast.train.average import follow, make_average


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def test_follows_the_weights_as_torch_does() -> None:
    model = network()
    average = make_average(model)
    theirs = torch.optim.swa_utils.AveragedModel(
        network(), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    theirs.update_parameters(network())  # its first update copies

    for step in range(200, 210):
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.1
        follow(average, model, decay=0.9, step=step)
        theirs.update_parameters(model)

    for own, other in zip(average.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_forgets_the_fresh_weights_early() -> None:
    model = network()
    average = make_average(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1

    for step in range(30):
        follow(average, model, decay=0.9999, step=step)

    left = [
        (new - old).abs().max().item()
        for old, new in zip(average.parameters(), model.parameters(), strict=True)
    ]
    assert max(left) < 1e-6


def test_running_statistics_follow_and_counts_are_copied() -> None:
    model = network()
    average = make_average(model)
    model(torch.full((2, 1, 3, 3), 5.0))

    follow(average, model, decay=0.5, step=100)

    assert average[1].num_batches_tracked == 1
    torch.testing.assert_close(average[1].running_mean, model[1].running_mean / 2)


def test_never_learns_itself() -> None:
    model = network()

    average = make_average(model)

    assert not any(weight.requires_grad for weight in average.parameters())
    assert all(weight.requires_grad for weight in model.parameters())
    with pytest.raises(RuntimeError):
        average(torch.ones(2, 1, 3, 3)).sum().backward()
