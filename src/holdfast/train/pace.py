"""Which threads and which precision are fastest here, measured on real steps of the network itself."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from holdfast.config.schema import Config, DeviceConfig
from holdfast.data import Version
from holdfast.modality import Preparation
from holdfast.tracking import Run
from holdfast.train.device import Device, pick_device, repeatable
from holdfast.train.learner import learn, make_learner
from holdfast.train.loader import training_batches
from holdfast.train.sampler import split_evenly
from holdfast.train.samples import Samples

_WORTH_S = 20.0
"""Where the whole training takes less than this, measuring would cost more than it saves."""
_BUDGET = 0.05
"""Share of the whole training, as the first step foretells it, that measuring may take."""
_ROUNDS = 3
_CLEARLY = 1.2
"""How many times faster a choice must be than the one before it: a little may be chance."""


@dataclass(frozen=True)
class Pace:
    """The device that was chosen, and why.

    Attributes:
        device: the fastest.
        seconds: of a step, by the name of each choice; empty where nothing was measured.
    """

    device: Device
    seconds: dict[str, float]


def settle_device(config: Config, version: Version, preparation: Preparation, run: Run) -> Device:
    """The device of a run: what the settings say, what the run began with, or else what is fastest here.

    It is written into the run's facts, for only the same threads and precision give the same weights.
    """
    device = pick_device(config.device, config.launch.processes)
    facts = run.info.facts
    if facts.get("device") == device.torch.type and {"precision", "threads"} <= facts.keys():
        return replace(device, precision=facts["precision"], threads=facts["threads"])
    rows, dials = version.indices("train"), config.train
    steps = dials.epochs * -(-len(rows) // dials.batch)
    options = choices(config.device, device)
    pace = Pace(device, {})
    if len(options) > 1:
        with repeatable(device):
            pace = find_pace(options, _stepper(config, version, preparation, device), steps=steps)
    chosen = pace.device
    run.update(
        device=chosen.torch.type, precision=chosen.precision, threads=chosen.threads, step_s=pace.seconds
    )
    return chosen


def choices(config: DeviceConfig, device: Device) -> list[Device]:
    """What the settings leave open on a CPU, plainest first; on a GPU `pick_device` knows already.

    >>> import torch
    >>> cpu = Device(torch.device("cpu"), "fp32", 2)
    >>> [name_of(choice) for choice in choices(DeviceConfig(), cpu)]
    ['fp32 on 2 threads', 'fp32 on 1 thread', 'bf16 on 2 threads', 'bf16 on 1 thread']
    >>> [name_of(choice) for choice in choices(DeviceConfig(threads=2, precision="fp32"), cpu)]
    ['fp32 on 2 threads']
    """
    if device.torch.type != "cpu":
        return [device]
    threads = [device.threads, *([1] if config.threads == 0 and device.threads > 1 else [])]
    precisions = ["fp32", "bf16"] if config.precision == "auto" else [device.precision]
    return [
        replace(device, precision=precision, threads=count) for precision in precisions for count in threads
    ]


def find_pace(options: Sequence[Device], step: Callable[[Device], None], *, steps: int) -> Pace:
    """Take turns with real steps on each choice and keep the fastest; noise is taken out by the minimum.

    Args:
        options: the plainest first; it is kept unless another one is clearly faster.
        step: one training step on a device; must not change what is trained later.
        steps: how many the training has; a short one is not measured.
    """
    first = options[0]
    if len(options) == 1:
        return Pace(first, {})
    step(first)  # the first one also loads and allocates
    whole = _timed(step, first) * steps
    if whole < _WORTH_S:
        return Pace(first, {})
    best: dict[Device, float] = {}
    began = time.perf_counter()
    for turn in range(1 + _ROUNDS):
        for option in options:
            seconds = _timed(step, option)
            # the first turn warms up, but counts where there is no time for another
            best[option] = seconds if turn <= 1 else min(best[option], seconds)
        if time.perf_counter() - began > _BUDGET * whole:
            break
    chosen = first
    for option in options[1:]:
        if best[chosen] >= _CLEARLY * best[option]:
            chosen = option
    return Pace(chosen, {name_of(option): seconds for option, seconds in best.items()})


def name_of(device: Device) -> str:
    """Such as "bf16 on 1 thread"."""
    return f"{device.precision} on {device.threads} thread{'s' if device.threads > 1 else ''}"


def _stepper(
    config: Config, version: Version, preparation: Preparation, device: Device
) -> Callable[[Device], None]:
    """Steps of a network of its own, over and over on the first batch."""
    rows = version.indices("train")
    samples = Samples(version, preparation, cache_mb=0, threads=1)
    plan = split_evenly(rows, config.train.batch)[:1]
    [batch] = training_batches(samples, plan, config.augment, key=(0, 0), side=config.model.side)
    learner = make_learner(config, version, preparation, device)

    def step(option: Device) -> None:
        with repeatable(option):
            learn(replace(learner, device=option), batch, rate=config.optim.lr, step=0, epoch=0)

    return step


def _timed(step: Callable[[Device], None], device: Device) -> float:
    began = time.perf_counter()
    step(device)
    return time.perf_counter() - began
