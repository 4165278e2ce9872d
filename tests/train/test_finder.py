"""Finding a learning rate and a batch size."""

import pytest
import torch

from holdfast.core.errors import HoldfastError
from holdfast.train import finder
from holdfast.train.finder import BatchCost, find_batch, find_rate, suggest_batch, suggest_rate


def test_the_loss_falls_then_bursts_and_the_suggested_rate_lies_between(toy) -> None:
    data = toy("image")
    config = data.config("optim.name=sgd", "optim.clip=0")

    found = find_rate(config, data.version, data.preparation(config), low=1e-4, high=1e4, steps=60)

    assert found.rates == sorted(found.rates)
    assert min(found.losses) < 0.9 * found.losses[0]
    assert len(found.rates) < 60 or found.losses[-1] > min(found.losses)
    assert 1e-4 < found.suggested < found.rates[found.losses.index(min(found.losses))]


def test_the_same_configuration_gives_the_same_curve_and_leaves_torch_as_it_was(toy) -> None:
    data = toy("image")
    config, threads = data.config(), torch.get_num_threads()

    curves = [find_rate(config, data.version, data.preparation(config), steps=12) for _ in range(2)]

    assert curves[0] == curves[1]
    assert torch.get_num_threads() == threads


def test_no_rate_is_suggested_where_the_loss_never_fell() -> None:
    assert suggest_rate([1e-3, 1e-2], [1.0, 2.0]) is None
    assert suggest_rate([], []) is None


@pytest.mark.parametrize(("low", "high", "steps"), [(0.0, 1.0, 20), (1.0, 0.1, 20), (1e-6, 1.0, 9)])
def test_a_range_that_is_none_is_refused(low, high, steps, toy) -> None:
    data = toy("image")

    with pytest.raises(ValueError, match="low < high"):
        find_rate(data.config(), data.version, None, low=low, high=high, steps=steps)


def test_batches_double_until_the_data_ends(toy) -> None:
    data = toy("image")
    config = data.config()

    costs, best = find_batch(config, data.version, data.preparation(config), largest=20)

    assert [cost.batch for cost in costs] == [2, 4, 8, 16]
    assert all(cost.samples_s == pytest.approx(cost.batch / cost.seconds, rel=0.2) for cost in costs)
    assert best in (2, 4, 8, 16)


@pytest.mark.parametrize("error", [MemoryError(), torch.cuda.OutOfMemoryError(), "cannot allocate memory"])
def test_a_batch_that_does_not_fit_ends_the_search(error, toy, monkeypatch) -> None:
    data, learn = toy("image"), finder.learn
    error = RuntimeError(f"DefaultCPUAllocator: {error}") if isinstance(error, str) else error

    def with_little_memory(learner, batch, **rest) -> float:
        if len(batch.places) > 4:
            raise error
        return learn(learner, batch, **rest)

    monkeypatch.setattr(finder, "learn", with_little_memory)
    costs, _ = find_batch(data.config(), data.version, data.preparation(data.config()))

    assert [cost.batch for cost in costs] == [2, 4]


def test_where_not_even_two_samples_fit_it_says_what_to_do(toy, monkeypatch) -> None:
    data = toy("image")

    def without_memory(*args, **rest) -> float:
        raise MemoryError

    monkeypatch.setattr(finder, "learn", without_memory)
    with pytest.raises(HoldfastError, match=r"not even two samples.*\n.*prepare\.size"):
        find_batch(data.config(), data.version, data.preparation(data.config()))


def test_a_small_batch_that_is_nearly_as_fast_is_preferred() -> None:
    costs = [BatchCost(size, 1.0, speed, None) for size, speed in ((8, 50.0), (16, 95.0), (32, 100.0))]

    assert suggest_batch(costs) == 16
