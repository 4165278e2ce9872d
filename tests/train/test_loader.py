"""Batches: the same whether samples are kept or decoded each time, and from any batch on."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from holdfast.config.schema import AugmentConfig
from holdfast.train.loader import Batch, plain_batches, training_batches
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples
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
    batches_of(data, kept)

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


def test_plain_batches_hold_every_window_of_every_recording(toy) -> None:
    data = toy("audio")
    samples, rows = samples_of(data), data.version.indices("train")[:7]

    found = list(plain_batches(samples, rows, 4))

    counts = np.bincount(np.concatenate([places for _, places in found]))
    assert counts.tolist() == [len(parts) for parts in samples.each(rows)]
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


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sampler=st.sampled_from(["shuffle", "weighted", "groups"]),
    worlds=st.tuples(st.sampled_from([1, 2, 3, 8]), st.sampled_from([1, 2, 3, 8])),
    count=st.integers(8, 60),
    batch=st.integers(8, 24),
    seed=st.integers(0, 2**40),
    stop=st.integers(0, 8),
)
def test_processes_show_what_was_drawn_and_nothing_twice_also_when_others_go_on(
    toy, sampler, worlds, count, batch, seed, stop
) -> None:
    data = toy("image")
    rows = data.version.indices("train")[:count]
    key = (seed, 1)
    places = order(data.version.targets[rows], "single", sampler, key=key, groups=data.version.groups[rows])
    plan = split_evenly(rows[places], batch)
    assume(min(map(len, plan)) >= max(worlds))
    stop, samples = min(stop, len(plan)), samples_of(data)

    shown: Counter[bytes] = Counter()
    for size, start, end in ((worlds[0], 0, stop), (worlds[1], stop, len(plan))):
        for rank in range(size):
            team = Team(rank, size)
            made = training_batches(samples, plan, AugmentConfig(), key=key, start=start, team=team)
            for part in islice(made, end - start):
                shown.update(picture.numpy().tobytes() for picture in part.inputs)

    pictures = [parts[0].tobytes() for parts in samples.each(np.concatenate(plan))]
    assert shown == Counter(pictures)
    if sampler == "shuffle":
        assert sorted(places) == list(range(len(rows)))
