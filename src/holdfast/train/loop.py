"""The training loop, plain and whole.

Nothing in it is drawn from a stream of random numbers that goes on: the order of samples, their
changes, dropout and mixing are functions of seed, epoch and step. So a run that was killed at any
moment ends with the same weights, bit for bit, as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from holdfast.config.schema import Config, TrainConfig
from holdfast.core.errors import ConfigError, DataError, HoldfastError
from holdfast.core.media import Task
from holdfast.core.progress import Progress, progress
from holdfast.data import Version
from holdfast.evaluate import HEADLINE
from holdfast.modality import Preparation
from holdfast.tracking import Run
from holdfast.tracking.record import CHECKPOINTS
from holdfast.train.checkpoint import State, load_last, save_best, save_last
from holdfast.train.device import repeatable
from holdfast.train.job import Job
from holdfast.train.launch import launched, own_device
from holdfast.train.learner import Learner, learn, make_learner, prime, validate
from holdfast.train.loader import Batch, training_batches
from holdfast.train.optim import learning_rate
from holdfast.train.pace import settle_device
from holdfast.train.pictures import side_of
from holdfast.train.profile import Profile
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples
from holdfast.train.team import Onlooker, Team
from holdfast.train.thaw import thaw
from holdfast.train.windows import choose_windows

_LOG_EVERY = 10
"""Steps from one line of the log to the next."""


@dataclass(frozen=True)
class Fit:
    """How a training went.

    Attributes:
        best: metrics of the best epoch on the validation split, with its number from 1 as `epoch`.
        epochs: finished ones.
        steps: batches learnt from.
        seconds: spent, over all the times that the run was taken up.
        stopped_early: whether it ended before the last epoch of the configuration.
        threads: of the CPU; the same weights come only from the same number.
        device: cpu, cuda or mps.
        precision: fp32, bf16 or fp16.
    """

    best: dict[str, float]
    epochs: int
    steps: int
    seconds: float
    stopped_early: bool
    threads: int
    device: str
    precision: str


def fit(
    config: Config,
    version: Version,
    preparation: Preparation,
    run: Run,
    *,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """Train until the last epoch, or until nothing gets better, from where the run stands.

    The weights of the best epoch and of the last step lie in the run's folder afterwards.

    Args:
        config: every dial.
        version: the data; its train split is learnt from, its valid split picks the best epoch.
        preparation: how samples are decoded.
        run: takes metrics and checkpoints; one that has checkpoints already is taken up.
        on_epoch: called after each epoch with its number from 1 and its metrics.

    Raises:
        ConfigError: if the network or the device cannot be had.
        DataError: if there are fewer than two samples to train on, or fewer than `min_samples` of a label,
            or one cannot be decoded.
        TeamError: if one of several processes is lost; the run can be taken up again.
        HoldfastError: if the loss is no number any more, or a checkpoint is damaged.
    """
    train = version.indices("train")
    _needs_samples(version, train, config.train.min_samples)
    _check_parts(config, len(train))
    device = settle_device(config, version, preparation, run)
    job = Job(config, version, preparation, device, run.folder)
    with launched(job) as team:
        return fit_in(team, job, run, on_epoch)


def fit_in(
    team: Team,
    job: Job,
    run: Run | Onlooker,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """What `fit` does, in each process of a team. All of them go the same way; only the lead writes."""
    config, version = job.config, job.version
    train, valid = version.indices("train"), version.validation()
    device = own_device(job.device, team)
    with repeatable(device):
        learner = make_learner(config, version, job.preparation, device, team)
        state = load_last(
            run.folder / CHECKPOINTS, learner.model, learner.optimizer, learner.scaler, learner.average
        )
        run.rewind(state.step)
        if not _is_over(state, config.train):
            room = config.train.cache_mb / team.size
            threads = config.train.workers or device.threads
            samples = Samples(version, job.preparation, cache_mb=room, threads=threads)
            if state.step == 0:
                prime(learner, samples, train)
            _choose_windows(samples, train, config, run)
            if config.train.profile and team.leads:
                learner = replace(learner, profile=Profile(run.folder, device.torch))
            _train(learner, samples, train, valid, state, run, on_epoch)
            if told := learner.profile.report():
                run.update(profile=told)
    return Fit(
        best=state.best or {},
        epochs=state.epoch,
        steps=state.step,
        seconds=state.seconds,
        stopped_early=state.epoch < config.train.epochs,
        threads=device.threads,
        device=device.torch.type,
        precision=device.precision,
    )


def _needs_samples(version: Version, train: np.ndarray, least: int) -> None:
    name, targets = version.info.name, version.targets[train]
    if len(train) < 2:
        raise DataError(f"{name} has {len(train)} samples to train on", hint="add more samples")
    labels = version.info.labels
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=len(labels))
    few = [f"{label} {count}" for label, count in zip(labels, counts.tolist(), strict=True) if count < least]
    if few:
        raise DataError(
            f"{name} has fewer than {least} samples to train on of these labels: {', '.join(few)}",
            hint="add samples of them, leave these labels out of the source, or lower train.min_samples",
        )


def _choose_windows(samples: Samples, train: np.ndarray, config: Config, run: Run | Onlooker) -> None:
    """Leave out windows that are too quiet or too flat, and say how many."""
    parts = zip(train.tolist(), samples.each(train), strict=True)
    samples.windows = choose_windows(parts, config.prepare)
    if samples.windows.total:
        run.update(**samples.windows.facts)


def _train(
    learner: Learner,
    samples: Samples,
    train: np.ndarray,
    valid: np.ndarray,
    state: State,
    run: Run | Onlooker,
    on_epoch: Callable[[int, dict[str, float]], None] | None,
) -> None:
    """The epochs that are left. `state` says where training stands, and is on disk every so often."""
    dials, version = learner.config.train, samples.version
    done = state.epoch * len(train) + state.seen
    with progress("train", dials.epochs * len(train), done=done, unit="samples") as bar:
        while not _is_over(state, dials):
            learner.team.check_same(learner.model)
            thaw(learner.model, learner.config.model, state.epoch, dials.epochs)
            key = (dials.seed, state.epoch)
            targets, groups = version.targets[train], version.groups[train]
            drawn = train[order(targets, version.info.task, dials.sampler, key=key, groups=groups)]
            plan = split_evenly(drawn, dials.batch)
            batches = training_batches(
                samples,
                plan,
                learner.config.augment,
                key=key,
                start=state.position,
                side=side_of(learner.config, state.epoch),
                team=learner.team,
            )
            learn_epoch(learner, batches, state, run, bar, count=len(plan))
            began = time.monotonic()
            values = {"train_loss": state.mean_loss, **validate(learner, samples, valid)}
            _check_finite(values.get("loss", 0.0), state, learner.config)
            state.seconds += time.monotonic() - began
            run.log(state.step, epoch=state.epoch + 1, **values)
            _end_epoch(learner, values, state, run, version.info.task)
            if on_epoch:
                on_epoch(state.epoch, values)


def learn_epoch(
    learner: Learner,
    batches: Iterable[Batch],
    state: State,
    run: Run | Onlooker,
    bar: Progress,
    *,
    count: int,
) -> None:
    """The steps of an epoch of `count` batches, or those that are left of it."""
    config, dials = learner.config, learner.config.train
    before = time.monotonic()
    for batch in learner.profile.waiting(batches):
        rate = learning_rate(config.optim, state.step, dials.epochs * count)
        loss = learn(learner, batch, rate=rate, step=state.step, epoch=state.epoch)
        _check_finite(loss, state, config)
        now = time.monotonic()
        state.add(loss, batch.total, now - before)
        before = now
        bar.advance(batch.total, _note(state, dials))
        if state.step % _LOG_EVERY == 0:
            run.log(state.step, loss=state.mean_loss, rate=rate)
        # After the last step there is a checkpoint once the epoch is measured and logged. One before that
        # would make a run that is taken up there log the epoch a second time.
        if state.position < count and state.seconds - state.saved >= dials.checkpoint_s:
            _save(learner, state, run)


def _end_epoch(
    learner: Learner, values: dict[str, float], state: State, run: Run | Onlooker, task: Task
) -> None:
    """Keep the weights if they are the best so far, decide whether to go on, and save where we stand."""
    dials = learner.config.train
    state.epoch += 1
    state.position, state.seen, state.loss_sum = 0, 0, 0.0
    if state.best is None or rank(values, dials, task) > rank(state.best, dials, task):
        state.best, state.waited = {**values, "epoch": state.epoch}, 0
        if learner.team.leads:
            save_best(run.folder / CHECKPOINTS, learner.best, state.best)
    else:
        state.waited += 1
    out_of_patience = 0 < dials.patience <= state.waited
    out_of_time = dials.max_minutes is not None and state.seconds >= 60 * dials.max_minutes
    state.stopped = learner.team.lead_says(out_of_patience or out_of_time)
    _save(learner, state, run)


def _save(learner: Learner, state: State, run: Run | Onlooker) -> None:
    state.saved = state.seconds
    if not learner.team.leads:
        return
    folder = run.folder / CHECKPOINTS
    save_last(folder, learner.model, learner.optimizer, learner.scaler, state, learner.average)


def rank(values: dict[str, float], dials: TrainConfig, task: Task) -> tuple[float, float]:
    """Better epochs rank higher: by the metric, then by the loss; without validation later ones do."""
    if "loss" not in values:
        return values.get("epoch", math.inf), 0.0
    name = HEADLINE[task] if dials.monitor == "auto" else dials.monitor
    score = -values["loss"] if name == "loss" else values.get(name, -math.inf)
    return score, -values["loss"]


def _is_over(state: State, dials: TrainConfig) -> bool:
    return state.stopped or state.epoch >= dials.epochs


def _check_parts(config: Config, samples: int) -> None:
    """Each process needs a sample of each batch."""
    smallest, processes = samples // -(-samples // config.train.batch), config.launch.processes
    if smallest < processes:
        raise ConfigError(
            f"launch.processes: {processes} processes cannot share a batch of {smallest}",
            hint="take fewer processes, or a larger train.batch",
        )


def _check_finite(loss: float, state: State, config: Config) -> None:
    if not math.isfinite(loss):
        raise HoldfastError(
            f"the loss is {loss} at step {state.step} of epoch {state.epoch + 1}: training has diverged",
            hint=f"try a smaller optim.lr (now {config.optim.lr:g}), a longer optim.warmup, optim.clip=1, "
            "or device.precision=fp32",
        )


def _note(state: State, dials: TrainConfig) -> str:
    """What stands beside the bar."""
    note = f"epoch {state.epoch + 1}/{dials.epochs}  loss {state.mean_loss:.3f}"
    if state.best and "accuracy" in state.best:
        note += f"  best accuracy {state.best['accuracy']:.3f}  macro_f1 {state.best['macro_f1']:.3f}"
    return note
