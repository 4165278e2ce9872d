"""Batches: the same whether samples are kept or decoded each time, and from any batch on."""

import numpy as np
import pytest
import torch

from holdfast.train.loader import Batch, Samples, plain_batches, training_batches
from holdfast.train.sampler import split_evenly
from holdfast.train.team import ALONE, Team


def samples_of(toy, cache_mb: float = 64) -> Samples:
    return Samples(toy.version, toy.preparation(toy.config()), cache_mb=cache_mb, threads=2)


def batches_of(toy, samples: Samples, start: int = 0, epoch: int = 1) -> list:
    plan = split_evenly(toy.version.indices("train"), 8)
    return list(training_batches(samples, plan, toy.config().augment, key=(0, epoch), start=start))


@pytest.mark.parametrize("kind", ["image", "audio", "text", "attributes"])
def test_an_epoch_is_the_same_from_any_batch_on_with_and_without_room(kind, toy) -> None:
    data = toy(kind)
    kept, fresh = samples_of(data), samples_of(data, cache_mb=0)
    kept.warm(data.version.indices("train"))

    whole, rest = batches_of(data, kept), batches_of(data, fresh, start=2)

    assert len(rest) == len(whole) - 2
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.inputs.equal(other.inputs)
        assert one.shares.equal(other.shares)
        assert np.array_equal(one.places, other.places)


def test_another_epoch_changes_samples_in_another_way(toy) -> None:
    data = toy("image")
    samples = samples_of(data)

    first, second = batches_of(data, samples, epoch=1)[0], batches_of(data, samples, epoch=2)[0]

    assert first.shares.equal(second.shares)
    assert not first.inputs.equal(second.inputs)


def test_memory_stays_within_its_limit(toy, monkeypatch) -> None:
    data = toy("image")
    one = samples_of(data).parts(0).nbytes
    samples = samples_of(data, cache_mb=5.5 * one / 2**20)

    samples.warm(data.version.indices("train"))

    read = []
    monkeypatch.setattr(
        samples.version,
        "read",
        lambda index: read.append(index) or data.version.__class__.read(data.version, index),
    )
    for index in data.version.indices("train").tolist():
        samples.parts(index)
    assert len(read) == len(data.version.indices("train")) - 5


def test_plain_batches_hold_every_window_of_every_recording(toy) -> None:
    data = toy("audio")
    samples, rows = samples_of(data), data.version.indices("train")[:7]

    found = list(plain_batches(samples, rows, 4))

    counts = np.bincount(np.concatenate([places for _, places in found]))
    assert counts.tolist() == [len(samples.parts(row)) for row in rows.tolist()]
    assert sum(len(inputs) for inputs, _ in found) == counts.sum()
    assert counts.max() > 1


@pytest.mark.parametrize("kind", ["image", "audio", "text"])
def test_the_parts_of_a_team_are_the_whole_batch(kind, toy) -> None:
    data = toy(kind)
    mixing = {"image": "augment.mixup=0.4", "audio": "augment.mixup=0.4", "text": "augment.cutmix=0.4"}[kind]
    config = data.config(mixing)
    samples = Samples(data.version, data.preparation(config), cache_mb=100, threads=1)
    plan = split_evenly(data.version.indices("train")[:11], 6)

    def made(team: Team) -> list[Batch]:
        return list(training_batches(samples, plan, config.augment, key=(0, 0), team=team))

    for whole, *parts in zip(made(ALONE), *(made(Team(rank, 2)) for rank in range(2)), strict=True):
        assert torch.equal(torch.cat([part.shares for part in parts]), whole.shares)
        assert np.concatenate([part.places for part in parts]).tolist() == whole.places.tolist()
        assert [part.total for part in parts] == [whole.total] * 2
        for part in parts:
            width = min(part.inputs.shape[1], whole.inputs.shape[1])  # texts are padded to the longest
            assert torch.equal(part.inputs[:, :width], whole.inputs[part.rows][:, :width])
