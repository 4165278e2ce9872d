"""The training loop, plain and whole.

Nothing in it is drawn from a stream of random numbers that goes on: the order of samples, their
changes, dropout and mixing are functions of seed, epoch and step. So a run that was killed at any
moment ends with the same weights, bit for bit, as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from holdfast.config.schema import Config, TrainConfig
from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.media import Task
from holdfast.core.progress import Progress, progress
from holdfast.data import Version
from holdfast.evaluate import HEADLINE, measure
from holdfast.modality import Preparation
from holdfast.modality.text import TextPreparation
from holdfast.models import Classifier, build
from holdfast.tracking import Run
from holdfast.train import augment
from holdfast.train.average import follow, make_average
from holdfast.train.checkpoint import State, load_last, load_weights, save_best, save_last
from holdfast.train.device import Device, pick_device, repeatable
from holdfast.train.loader import Batch, Samples, padding, plain_batches, training_batches
from holdfast.train.losses import Loss, as_shares, make_loss
from holdfast.train.optim import learning_rate, make_optimizer, set_learning_rate
from holdfast.train.sampler import order, split_evenly

CHECKPOINTS = "checkpoints"
"""Folder of a run that holds them."""
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


@dataclass(frozen=True)
class Learner:
    """The network and how it learns."""

    config: Config
    device: Device
    model: Classifier
    loss: Loss
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: nn.Module | None
    """Of the weights; what is measured and kept where there is one."""

    @property
    def best(self) -> Classifier:
        """The network to measure and keep."""
        return self.model if self.average is None else cast(Classifier, self.average)


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
        DataError: if there are fewer than two samples to train on, or one cannot be decoded.
        HoldfastError: if the loss is no number any more, or a checkpoint is damaged.
    """
    train, valid = version.indices("train"), version.validation()
    if len(train) < 2:
        raise DataError(f"{version.info.name} has {len(train)} samples to train on", hint="add more samples")
    device = pick_device(config.device)
    run.update(device=device.torch.type, precision=device.precision, threads=device.threads)
    with repeatable(device):
        learner = make_learner(config, version, preparation, device)
        state = load_last(
            run.folder / CHECKPOINTS, learner.model, learner.optimizer, learner.scaler, learner.average
        )
        run.rewind(state.step)
        if not _is_over(state, config.train):
            samples = Samples(version, preparation, cache_mb=config.train.cache_mb, threads=device.threads)
            samples.warm(np.concatenate([train, valid]))
            _train(learner, samples, train, valid, state, run, on_epoch)
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


def load_best(run: Path, config: Config, version: Version, preparation: Preparation) -> Classifier:
    """The network with the weights of a run's best epoch, on the CPU, ready to predict.

    Args:
        run: the run's folder.
        config: that of the run.
        version: the data that it was trained on; says how many labels there are.
        preparation: that of the run; says how many tokens there are.

    Raises:
        HoldfastError: if the run has no finished epoch, or its weights are damaged.
    """
    with torch.random.fork_rng(devices=[]):
        model = _network(config, version, preparation)
    load_weights(run / CHECKPOINTS, model)
    return model.eval()


def make_learner(config: Config, version: Version, preparation: Preparation, device: Device) -> Learner:
    """A network with fresh weights, which hang on the seed alone, and its optimiser."""
    torch.manual_seed(config.train.seed)
    model = _network(config, version, preparation)
    model.to(device.torch)
    targets = version.targets[version.indices("train")]
    return Learner(
        config,
        device,
        model,
        make_loss(config.loss, version.info.task, targets, len(version.info.labels), device.torch),
        make_optimizer(config.optim, model),
        torch.amp.GradScaler(device.torch.type, enabled=device.precision == "fp16"),
        make_average(model) if config.train.ema else None,
    )


def _train(
    learner: Learner,
    samples: Samples,
    train: np.ndarray,
    valid: np.ndarray,
    state: State,
    run: Run,
    on_epoch: Callable[[int, dict[str, float]], None] | None,
) -> None:
    """The epochs that are left. `state` says where training stands, and is on disk every so often."""
    dials, version = learner.config.train, samples.version
    shares = as_shares(version.targets, version.info.task, len(version.info.labels))
    done = state.epoch * len(train) + state.seen
    with progress("train", dials.epochs * len(train), done=done, unit="samples") as bar:
        while not _is_over(state, dials):
            key = (dials.seed, state.epoch)
            drawn = train[order(version.targets[train], version.info.task, dials.sampler, key=key)]
            plan = split_evenly(drawn, dials.batch)
            batches = training_batches(
                samples,
                plan,
                shares,
                learner.config.augment,
                key=key,
                start=state.position,
                workers=dials.workers,
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
    learner: Learner, batches: Iterable[Batch], state: State, run: Run, bar: Progress, *, count: int
) -> None:
    """The steps of an epoch of `count` batches, or those that are left of it."""
    config, dials = learner.config, learner.config.train
    before = time.monotonic()
    for batch in batches:
        rate = learning_rate(config.optim, state.step, dials.epochs * count)
        loss = learn(learner, batch, rate=rate, step=state.step, epoch=state.epoch)
        _check_finite(loss, state, config)
        now = time.monotonic()
        state.add(loss, len(batch.places), now - before)
        before = now
        bar.advance(len(batch.places), _note(state, dials))
        if state.step % _LOG_EVERY == 0:
            run.log(state.step, loss=state.mean_loss, rate=rate)
        # After the last step there is a checkpoint once the epoch is measured and logged. One before that
        # would make a run that is taken up there log the epoch a second time.
        if state.position < count and state.seconds - state.saved >= dials.checkpoint_s:
            _save(learner, state, run)


def learn(learner: Learner, batch: Batch, *, rate: float, step: int, epoch: int) -> float:
    """One step: change the weights so that the batch's loss gets smaller; returns the loss before that."""
    config, device = learner.config, learner.device
    torch.manual_seed(_mixed_seed(config.train.seed, step))  # for dropout
    features = learner.model.features(batch.inputs.to(device.torch))
    shares = batch.shares.to(device.torch)
    if features.ndim == 4 and (config.augment.mask_freq or config.augment.mask_time):
        rolls = augment.uniforms((config.train.seed, epoch, 1), batch.places, augment.SPECTRUM_ROLLS)
        features = augment.mask_spectra(features, config.augment, rolls)
    with device.autocast():
        logits, _ = learner.model.classify(features)
    loss = learner.loss(logits, shares)
    learner.optimizer.zero_grad(set_to_none=True)
    learner.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    if config.optim.clip:
        learner.scaler.unscale_(learner.optimizer)
        nn.utils.clip_grad_norm_(learner.model.parameters(), config.optim.clip)
    set_learning_rate(learner.optimizer, rate)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    if learner.average is not None:
        follow(learner.average, learner.model, decay=config.train.ema, step=step)
    return loss.item()  # waits for the device; fine at this batch rate


@torch.inference_mode()
def validate(learner: Learner, samples: Samples, rows: np.ndarray) -> dict[str, float]:
    """Metrics over samples, with `loss` for the log loss; nothing for no samples.

    The probabilities of a recording are the mean over its windows, as they are in serving.
    """
    if not len(rows):
        return {}
    task, labels = samples.version.info.task, len(samples.version.info.labels)
    sums, counts = np.zeros((len(rows), labels)), np.zeros(len(rows))
    model = learner.best.eval()
    for inputs, places in plain_batches(samples, rows, learner.config.train.batch):
        logits, _ = model(inputs.to(learner.device.torch))
        probabilities = logits.double().softmax(1) if task == "single" else logits.double().sigmoid()
        np.add.at(sums, places, probabilities.cpu().numpy())
        np.add.at(counts, places, 1)
    model.train()
    if not np.isfinite(sums).all():
        return {"loss": math.nan}
    values = measure(sums / counts[:, None], samples.version.targets[rows])
    values["loss"] = values.pop("log_loss")
    return {name: value for name, value in values.items() if value is not None}


def _end_epoch(learner: Learner, values: dict[str, float], state: State, run: Run, task: Task) -> None:
    """Keep the weights if they are the best so far, decide whether to go on, and save where we stand."""
    dials = learner.config.train
    state.epoch += 1
    state.position, state.seen, state.loss_sum = 0, 0, 0.0
    if state.best is None or _rank(values, dials, task) > _rank(state.best, dials, task):
        state.best, state.waited = {**values, "epoch": state.epoch}, 0
        save_best(run.folder / CHECKPOINTS, learner.best, state.best)
    else:
        state.waited += 1
    out_of_patience = 0 < dials.patience <= state.waited
    out_of_time = dials.max_minutes is not None and state.seconds >= 60 * dials.max_minutes
    state.stopped = out_of_patience or out_of_time
    _save(learner, state, run)


def _save(learner: Learner, state: State, run: Run) -> None:
    state.saved = state.seconds
    folder = run.folder / CHECKPOINTS
    save_last(folder, learner.model, learner.optimizer, learner.scaler, state, learner.average)


def _rank(values: dict[str, float], dials: TrainConfig, task: Task) -> tuple[float, float]:
    """Better epochs rank higher: by the metric, then by the loss; without validation later ones do."""
    if "loss" not in values:
        return values.get("epoch", math.inf), 0.0
    name = HEADLINE[task] if dials.monitor == "auto" else dials.monitor
    score = -values["loss"] if name == "loss" else values.get(name, -math.inf)
    return score, -values["loss"]


def _is_over(state: State, dials: TrainConfig) -> bool:
    return state.stopped or state.epoch >= dials.epochs


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


def _network(config: Config, version: Version, preparation: Preparation) -> Classifier:
    words = preparation.vocab_size if isinstance(preparation, TextPreparation) else None
    labels = len(version.info.labels)
    return build(config.model, config.prepare, labels, words, pad=padding(preparation))


def _mixed_seed(seed: int, step: int) -> int:
    return (seed % 2**31) << 32 | step
