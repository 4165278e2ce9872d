"""From decoded samples to batches, augmented and mixed ahead of the training step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holdfast.config.schema import AugmentConfig
from holdfast.modality import Preparation
from holdfast.modality.text import TextPreparation
from holdfast.train import augment, sounds
from holdfast.train.losses import as_shares
from holdfast.train.mix import draw_mix, mix_batch, mix_shares
from holdfast.train.pictures import change_pictures, rolls_needed
from holdfast.train.samples import Samples
from holdfast.train.team import ALONE, Team


@dataclass(frozen=True)
class Batch:
    """What one training step learns from, or the part of it that is this process's.

    Attributes:
        inputs: decoded, augmented and mixed, as the graph takes them. Where spectra are to be mixed, the
            partner of the first one stands before it.
        shares: targets, float32, as many as there are inputs, shape (n, labels).
        places: where each sample stands in the epoch, shape (n,); random changes hang on it.
        rows: which of the whole batch they are.
        total: samples of the whole batch.
    """

    inputs: Tensor
    shares: Tensor
    places: np.ndarray
    rows: slice
    total: int


def training_batches(
    samples: Samples,
    plan: Sequence[np.ndarray],
    config: AugmentConfig,
    *,
    key: tuple[int, int],
    start: int = 0,
    side: int = 0,
    team: Team = ALONE,
) -> Iterator[Batch]:
    """The batches of an epoch from number `start` on, made in threads ahead of their use.

    Args:
        samples: where they come from.
        plan: indices of the samples of each batch of the epoch.
        config: how samples are changed and mixed.
        key: seed and epoch; the same ones give the same changes.
        start: batches that were seen before.
        side: pixels on each side of a changed picture; 0 is as many as it has.
        team: the processes that share each batch; only this one's part is made.
    """
    firsts = np.cumsum([0, *(len(part) for part in plan)])
    info, known = samples.version.info, samples.version.targets
    # The partner of each row is the one before it, which may be another process's, and have partners too
    partners = bool(config.backdrop) + bool(config.mixup or config.cutmix) + bool(config.mix_spectra)
    parts = [team.part(len(batch)) for batch in plan]
    rows_of = [
        np.arange(part.start - partners, part.stop) % len(batch)
        for part, batch in zip(parts, plan, strict=True)
    ]

    def make(place: int, decoded: list[np.ndarray]) -> Batch:
        number = start + place
        total, first, part, rows = len(plan[number]), firsts[number], parts[number], rows_of[number]
        indices = plan[number][rows]
        inputs = _augmented(samples, indices, decoded, config, (*key, 0), first + rows, side)
        targets = as_shares(known[indices], info.task, len(info.labels))
        if config.backdrop:
            rows, inputs, targets = rows[1:], inputs[1:], targets[1:]
        if mix := draw_mix(config, total, key=(*key, 2, number)):
            kind, pad, rows = samples.preparation.modality, padding(samples.preparation), rows[1:]
            inputs, own = mix_batch(inputs[1:], inputs[:-1], mix.part(rows), kind, pad=pad)
            targets = mix_shares(targets[1:], targets[:-1], own)
        places = np.arange(first + part.start, first + part.stop)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), places, part, total)

    wanted = [batch[rows] for batch, rows in zip(plan[start:], rows_of[start:], strict=True)]
    return samples.batches(wanted, make)


def _augmented(
    samples: Samples,
    indices: np.ndarray,
    decoded: list[np.ndarray],
    config: AugmentConfig,
    key: tuple[int, ...],
    places: np.ndarray,
    side: int,
) -> np.ndarray:
    """One batch of inputs; of a recording, one window by chance."""
    preparation = samples.preparation
    if preparation.modality == "image":
        rolls = augment.uniforms(key, places, rolls_needed(config))
        return change_pictures(_first_parts(preparation, decoded), config, rolls, side)
    if preparation.modality == "audio":
        rolls = augment.uniforms(key, places, sounds.SOUND_ROLLS)
        picks = zip(indices.tolist(), decoded, rolls[:, 0], strict=True)
        windows = [samples.windows.pick(index, parts, roll) for index, parts, roll in picks]
        return sounds.change_sounds(preparation.collate(windows), config, rolls)
    ids = _first_parts(preparation, decoded)
    if not config.drop_tokens:
        return ids
    rolls = augment.uniforms(key, places, ids.shape[1])
    return augment.change_texts(ids, config, rolls, pad=padding(preparation))


def _first_parts(preparation: Preparation, decoded: Sequence[np.ndarray]) -> np.ndarray:
    return preparation.collate([parts[0] for parts in decoded])


def plain_batches(samples: Samples, indices: np.ndarray, batch: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """All parts of samples as they are, in batches; beside each part the place in `indices` of its sample."""
    parts: list[np.ndarray] = []
    places: list[int] = []
    for place, decoded in enumerate(samples.each(indices)):
        for part in decoded:
            parts.append(part)
            places.append(place)
            if len(parts) == batch:
                yield torch.from_numpy(samples.preparation.collate(parts)), np.array(places)
                parts, places = [], []
    if parts:
        yield torch.from_numpy(samples.preparation.collate(parts)), np.array(places)


def padding(preparation: Preparation) -> int:
    """The token id that fills up texts."""
    return preparation.pad if isinstance(preparation, TextPreparation) else 0
