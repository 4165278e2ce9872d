"""How large a learning rate and a batch a network bears on this machine, found by a few steps of each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from time import perf_counter

import torch

from holdfast.config.schema import Config
from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.progress import progress
from holdfast.data import Version
from holdfast.modality import Preparation
from holdfast.train.device import Device, pick_device, repeatable
from holdfast.train.learner import learn, make_learner
from holdfast.train.loader import Batch, training_batches
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples

_SMOOTH = 0.9
_DIVERGED = 4.0
"""Times the smallest loss at which a rate is too high to go on."""
_NEARLY = 0.9
"""Share of the best throughput that is as good: a smaller batch makes more steps of the same samples."""


@dataclass(frozen=True)
class Rates:
    """What the loss did while the learning rate rose.

    Attributes:
        rates: of each step, rising.
        losses: after each step, smoothed.
        suggested: a tenth of the rate at which the loss was smallest; None if it never fell.
    """

    rates: list[float]
    losses: list[float]
    suggested: float | None


def find_rate(
    config: Config,
    version: Version,
    preparation: Preparation,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> Rates:
    """Raise the learning rate from step to step and watch the loss (Smith 2017, the range test).

    Below some rate nothing is learnt, above another the loss bursts; the schedule's peak belongs between.
    The network is a fresh one and is thrown away. Same configuration, same curve.

    Args:
        low: rate of the first step.
        high: rate of the last one, unless the loss has burst before.
        steps: more of them make a finer curve.

    Raises:
        DataError: if there are fewer than two samples to train on.
        ValueError: if the rates are not 0 < low < high, or there are fewer than 10 steps.
    """
    if not 0 < low < high or steps < 10:
        raise ValueError(f"need 0 < low < high and at least 10 steps, got {low:g}, {high:g} and {steps}")
    device = pick_device(config.device)
    rates, losses, mean = [], [], 0.0
    with repeatable(device), progress("find the learning rate", steps, unit="steps") as bar:
        learner = make_learner(config, version, preparation, device)
        for step, batch in enumerate(islice(_batches(config, version, preparation), steps)):
            rate = low * (high / low) ** (step / (steps - 1))
            loss = learn(learner, batch, rate=rate, step=step, epoch=0)
            if not math.isfinite(loss):
                break
            mean = _SMOOTH * mean + (1 - _SMOOTH) * loss
            rates.append(rate)
            losses.append(mean / (1 - _SMOOTH ** (step + 1)))  # without the pull of the zero it began at
            bar.advance()
            if losses[-1] > _DIVERGED * min(losses):
                break
    return Rates(rates, losses, suggest_rate(rates, losses))


def suggest_rate(rates: list[float], losses: list[float]) -> float | None:
    """A tenth of the rate at which the loss was smallest, with two digits; None if it never fell.

    >>> suggest_rate([0.001, 0.01, 0.1, 1.0], [2.0, 1.5, 1.2, 9.0])
    0.01
    """
    if not losses or min(losses) >= losses[0]:
        return None
    return float(f"{rates[losses.index(min(losses))] / 10:.1e}")


@dataclass(frozen=True)
class BatchCost:
    """What a step of one size of batch costs.

    Attributes:
        batch: samples in a step.
        seconds: of a step.
        samples_s: samples a second.
        memory_mb: most memory of the GPU in use; None on a CPU.
    """

    batch: int
    seconds: float
    samples_s: float
    memory_mb: float | None


def find_batch(
    config: Config, version: Version, preparation: Preparation, *, largest: int = 1024
) -> tuple[list[BatchCost], int]:
    """Double the batch until memory or the training split ends; give the cost of each size, and the best.

    The best is the smallest one that trains nearly as many samples a second as any: larger ones make fewer
    steps of the same samples and learn no faster. With another batch, another learning rate fits.

    Args:
        largest: where to stop at the latest.

    Raises:
        HoldfastError: if not even two samples fit into memory.
        DataError: if there are fewer than two samples to train on.
    """
    device = pick_device(config.device)
    most = min(largest, len(version.indices("train")))
    costs: list[BatchCost] = []
    with progress("find the batch size", unit="sizes") as bar:
        size = 2
        while size <= most:
            cost = _cost(config, version, preparation, device, size)
            if cost is None:
                break
            costs.append(cost)
            bar.advance(note=f"{size}: {cost.samples_s:,.0f} samples/s")
            size *= 2
    if not costs:
        raise HoldfastError(
            "not even two samples fit into memory", hint="try a smaller prepare.size or model.width"
        )
    return costs, suggest_batch(costs)


def suggest_batch(costs: list[BatchCost]) -> int:
    """The smallest batch with nearly the best throughput."""
    best = max(cost.samples_s for cost in costs)
    return next(cost.batch for cost in costs if cost.samples_s >= _NEARLY * best)


def _cost(
    config: Config, version: Version, preparation: Preparation, device: Device, size: int
) -> BatchCost | None:
    """The cost of this size; None if it does not fit into memory."""
    sized = config.model_copy(update={"train": config.train.model_copy(update={"batch": size})})
    on_gpu = device.torch.type == "cuda"
    try:
        with repeatable(device):
            if on_gpu:
                torch.cuda.reset_peak_memory_stats(device.torch)
            learner = make_learner(sized, version, preparation, device)
            [batch] = islice(_batches(sized, version, preparation), 1)
            seconds = []
            for _ in range(3):  # the first loads and allocates
                began = perf_counter()
                learn(learner, batch, rate=config.optim.lr, step=0, epoch=0)
                seconds.append(perf_counter() - began)
            memory = torch.cuda.max_memory_allocated(device.torch) / 2**20 if on_gpu else None
    except (torch.cuda.OutOfMemoryError, MemoryError):
        return None
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # so the CPU says that there is none left
            raise
        return None
    fastest = min(seconds[1:])
    return BatchCost(size, fastest, len(batch.places) / fastest, memory)


def _batches(config: Config, version: Version, preparation: Preparation) -> Iterator[Batch]:
    """Training batches without end, as an ordinary training of this configuration would see them."""
    rows, dials, task = version.indices("train"), config.train, version.info.task
    if len(rows) < 2:
        raise DataError(f"{version.info.name} has {len(rows)} samples to train on", hint="add more samples")
    threads = dials.workers or pick_device(config.device).threads
    samples = Samples(version, preparation, cache_mb=dials.cache_mb, threads=threads)
    for epoch in count():
        key = (dials.seed, epoch)
        drawn = rows[order(version.targets[rows], task, dials.sampler, key=key)]
        plan = split_evenly(drawn, dials.batch)
        yield from training_batches(samples, plan, config.augment, key=key)
