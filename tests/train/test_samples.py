"""Samples: decoded when first used, kept within a limit, in order from any number of threads."""

import threading
from collections import Counter

import numpy as np
import pytest

from holdfast.core.errors import DataError
from holdfast.train.loader import training_batches
from holdfast.train.sampler import split_evenly
from holdfast.train.samples import Samples
from holdfast.train.team import Team


def counted(toy, monkeypatch, *, cache_mb: float = 64, threads: int = 3) -> tuple[Samples, Counter]:
    """Samples, and how often each picture was decoded."""
    samples = Samples(toy.version, toy.preparation(toy.config()), cache_mb=cache_mb, threads=threads)
    seen: Counter = Counter()
    decode = samples.decode

    def counting(index: int, data: bytes) -> np.ndarray:
        seen[index] += 1
        return decode(index, data)

    monkeypatch.setattr(samples, "decode", counting)
    return samples, seen


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_batches_come_in_order_from_any_number_of_threads(toy, monkeypatch, threads) -> None:
    data = toy("image")
    samples, _ = counted(data, monkeypatch, threads=threads)
    plan = np.array_split(data.version.indices("train"), 9)

    made = list(samples.batches(plan, lambda place, parts: (place, np.concatenate(parts))))

    decode, read = samples.preparation.decode, data.version.read
    assert [place for place, _ in made] == list(range(9))
    for (_, parts), batch in zip(made, plan, strict=True):
        assert np.array_equal(parts, np.concatenate([decode(read(index)) for index in batch.tolist()]))


def test_nothing_is_decoded_before_it_is_near(toy, monkeypatch) -> None:
    data = toy("image")
    samples, seen = counted(data, monkeypatch, threads=2)
    rows = data.version.indices("train")
    plan = np.array_split(rows, len(rows) // 2)

    made = samples.batches(plan, lambda place, _: place)
    assert next(made) == 0
    made.close()

    assert 2 <= len(seen) <= 2 * 6 < len(rows)


def test_what_fits_is_decoded_once_and_the_rest_each_time(toy, monkeypatch) -> None:
    data = toy("image")
    rows = data.version.indices("train")
    one = data.preparation(data.config()).decode(data.version.read(0)).nbytes
    samples, seen = counted(data, monkeypatch, cache_mb=5.5 * one / 2**20)

    for _ in range(3):
        assert sum(1 for _ in samples.each(rows)) == len(rows)

    assert sorted(seen.values()) == [1] * 5 + [3] * (len(rows) - 5)


def test_an_epoch_decodes_only_the_samples_of_its_own_process(toy, monkeypatch) -> None:
    data = toy("image")
    rows = data.version.indices("train")
    teams = []
    for rank in range(2):
        samples, seen = counted(data, monkeypatch)
        plan = split_evenly(rows, 8)
        list(
            training_batches(
                samples, plan, data.config("augment.mixup=0").augment, key=(0, 0), team=Team(rank, 2)
            )
        )
        teams.append(seen)

    assert teams[0] + teams[1] == Counter(rows.tolist())


def test_a_sample_that_cannot_be_decoded_is_named(toy, monkeypatch) -> None:
    data = toy("image")
    samples, _ = counted(data, monkeypatch)
    rows = data.version.indices("train")
    bad = int(rows[-1])
    decode = samples.decode
    monkeypatch.setattr(samples, "decode", lambda index, raw: decode(index, b"no" if index == bad else raw))

    with pytest.raises(DataError, match="not an image") as error:
        list(samples.each(rows))

    assert str(data.version.names[bad]) in error.value.message


def test_no_thread_is_left_when_the_rest_is_not_wanted(toy, monkeypatch) -> None:
    data = toy("image")
    samples, _ = counted(data, monkeypatch)
    before = threading.active_count()

    for _ in samples.each(data.version.indices("train")):
        break

    assert threading.active_count() == before
