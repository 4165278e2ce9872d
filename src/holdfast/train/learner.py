"""What learns: the network with its loss and optimiser, one step of it, and how good it is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.config.schema import Config
from holdfast.data import Version
from holdfast.evaluate import measure
from holdfast.modality import Preparation
from holdfast.modality.text import TextPreparation
from holdfast.models import Classifier, MelFront, build
from holdfast.models.lora import merged
from holdfast.tracking.record import CHECKPOINTS
from holdfast.train import sounds
from holdfast.train.augment import uniforms
from holdfast.train.average import follow, make_average
from holdfast.train.checkpoint import load_weights
from holdfast.train.device import Device
from holdfast.train.dropout import roll_dropouts, seed_of, spread_dropouts
from holdfast.train.loader import Batch, padding, plain_batches
from holdfast.train.losses import Loss, as_shares, make_loss
from holdfast.train.norm import join_norms
from holdfast.train.optim import make_optimizer, set_learning_rate
from holdfast.train.profile import OFF, Profile
from holdfast.train.samples import Samples
from holdfast.train.team import ALONE, Team

_PRIMED_AT_ONCE = 32
"""Samples; the same however large a batch is, so that the sums come out the same."""


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
    team: Team = ALONE
    profile: Profile = OFF

    @property
    def best(self) -> Classifier:
        """The network to measure and keep."""
        return self.model if self.average is None else cast(Classifier, self.average)


def make_learner(
    config: Config, version: Version, preparation: Preparation, device: Device, team: Team = ALONE
) -> Learner:
    """A network with fresh weights, which hang on the seed alone, and its optimiser."""
    torch.manual_seed(config.train.seed)
    model = _network(config, version, preparation)
    join_norms(model, team)
    spread_dropouts(model)
    model.to(device.torch)
    return learner_of(model, config, version, device, team, average=bool(config.train.ema))


def learner_of(
    model: Classifier, config: Config, version: Version, device: Device, team: Team = ALONE, *, average: bool
) -> Learner:
    """What a network needs to go on learning: loss, optimiser and, if asked for, the average of its weights.

    Args:
        model: on the device already.
    """
    targets = version.targets[version.indices("train")]
    return Learner(
        config,
        device,
        model,
        make_loss(config.loss, version.info.task, targets, len(version.info.labels), device.torch),
        make_optimizer(config.optim, model),
        torch.amp.GradScaler(device.torch.type, enabled=device.precision == "fp16"),
        make_average(model) if average else None,
        team,
    )


def prime(learner: Learner, samples: Samples, rows: np.ndarray) -> None:
    """Let the network learn from the training split what no gradient teaches, such as counts."""
    info, targets = samples.version.info, samples.version.targets[rows]

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for inputs, places in plain_batches(samples, rows, _PRIMED_AT_ONCE):
            shares = as_shares(targets[places], info.task, len(info.labels))
            yield inputs.to(learner.device.torch), torch.from_numpy(shares).to(learner.device.torch)

    learner.model.prime(batches)
    if learner.average is not None:
        learner.average.load_state_dict(learner.model.state_dict())


def learn(learner: Learner, batch: Batch, *, rate: float, step: int, epoch: int) -> float:
    """One step: change the weights so that the batch's loss gets smaller; returns the loss before that."""
    config, device, team = learner.config, learner.device, learner.team
    roll_dropouts(learner.model, (config.train.seed, step), batch.rows, batch.total)
    torch.manual_seed(seed_of(config.train.seed, step, 0, team.rank))  # for what else a network draws
    with learner.profile.phase("forward"):
        features, shares = _features(learner, batch, epoch)
        with device.autocast():
            logits, _ = learner.model.classify(features)
        loss = learner.loss(logits, shares) * (len(shares) / batch.total)
    with learner.profile.phase("backward"):
        learner.optimizer.zero_grad(set_to_none=True)
        learner.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        mean_loss = team.total_gradients(learner.model.parameters(), loss)
    with learner.profile.phase("step"):
        if config.optim.clip:
            learner.scaler.unscale_(learner.optimizer)
            nn.utils.clip_grad_norm_(learner.model.parameters(), config.optim.clip)
        set_learning_rate(learner.optimizer, rate)
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
        if learner.average is not None:
            follow(learner.average, learner.model, decay=config.train.ema, step=step)
    return mean_loss


def _features(learner: Learner, batch: Batch, epoch: int) -> tuple[Tensor, Tensor]:
    """What the network's front makes of a batch, and its targets; spectra are changed on the way."""
    inputs, shares = batch.inputs.to(learner.device.torch), batch.shares.to(learner.device.torch)
    front, dials, key = learner.model.front, learner.config.augment, (learner.config.train.seed, epoch, 1)
    if learner.config.prepare.modality != "audio":
        return learner.model.features(inputs), shares
    first = int(batch.places[-1]) + 1 - batch.rows.stop
    places = first + np.arange(batch.rows.stop - len(inputs), batch.rows.stop) % batch.total
    if isinstance(front, MelFront):
        mel = front.mel(inputs)
        rolls = uniforms((*key, 0), places, sounds.spectrum_rolls(*mel.shape[1:]))
        features = front.levels(sounds.change_spectra(mel, dials, rolls))
    else:
        features = learner.model.features(inputs)
    if features.ndim < 4:  # waves; the first one is only there to be mixed with
        return features[-len(batch.places) :], shares[-len(batch.places) :]
    features = sounds.mask_spectra(features, dials, uniforms((*key, 1), places, sounds.MASK_ROLLS))
    if not dials.mix_spectra:
        return features, shares
    rng = np.random.default_rng([*key, first])
    weights = rng.beta(dials.mix_spectra, dials.mix_spectra, batch.total)[batch.rows]
    return sounds.mix_spectra(features, shares, weights)


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
    part = learner.team.part(len(rows))
    for inputs, places in plain_batches(samples, rows[part], learner.config.train.batch):
        logits, _ = model(inputs.to(learner.device.torch))
        probabilities = logits.double().softmax(1) if task == "single" else logits.double().sigmoid()
        np.add.at(sums[part], places, probabilities.cpu().numpy())
        np.add.at(counts[part], places, 1)
    model.train()
    sums, counts = learner.team.total_array(sums), learner.team.total_array(counts)
    if not np.isfinite(sums).all():
        return {"loss": math.nan}
    values = measure(sums / counts[:, None], samples.version.targets[rows])
    values["loss"] = values.pop("log_loss")
    return {name: value for name, value in values.items() if value is not None}


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
    return merged(model).eval()


def _network(config: Config, version: Version, preparation: Preparation) -> Classifier:
    words = preparation.vocab_size if isinstance(preparation, TextPreparation) else None
    labels = len(version.info.labels)
    return build(config.model, config.prepare, labels, words, pad=padding(preparation))
