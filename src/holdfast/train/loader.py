"""From a dataset version to batches: decoded once, kept in memory, augmented ahead of the training step."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holdfast.config.schema import AugmentConfig
from holdfast.core.errors import DataError, InputError
from holdfast.core.progress import progress
from holdfast.data import Version
from holdfast.modality import Preparation
from holdfast.modality.text import TextPreparation
from holdfast.train import augment, sounds
from holdfast.train.losses import as_shares
from holdfast.train.mix import draw_mix, mix_batch, mix_shares
from holdfast.train.pictures import change_pictures, rolls_needed
from holdfast.train.team import ALONE, Team
from holdfast.train.windows import Windows

_AHEAD = 3
"""Batches made before they are asked for, and one more for each worker."""


class Samples:
    """Decoded samples by their index in a dataset version, kept in memory while there is room.

    Args:
        version: where they come from.
        preparation: how they are decoded.
        cache_mb: how much memory they may take; what does not fit is decoded each time.
        threads: how many decode at once.
    """

    def __init__(self, version: Version, preparation: Preparation, *, cache_mb: float, threads: int) -> None:
        self.version = version
        self.preparation = preparation
        self.windows = Windows()
        """Of recordings, those that training may draw."""
        self._kept: dict[int, np.ndarray] = {}
        self._room = cache_mb * 2**20
        self._threads = threads

    def parts(self, index: int) -> np.ndarray:
        """The parts of one sample, shape (parts, …).

        Raises:
            DataError: if it cannot be decoded; its name is in the message.
        """
        kept = self._kept.get(index)
        return self._decode(index) if kept is None else kept

    def warm(self, indices: np.ndarray) -> None:
        """Decode samples into memory until it is full."""
        waiting: deque[tuple[int, Future[np.ndarray]]] = deque()
        with (
            ThreadPoolExecutor(self._threads) as pool,
            progress("decode", len(indices), unit="samples") as bar,
        ):
            for index in indices.tolist():
                if self._room <= 0:
                    break
                waiting.append((index, pool.submit(self._decode, index)))
                if len(waiting) > 4 * self._threads:
                    self._keep(*waiting.popleft())
                    bar.advance()
            for index, decoded in waiting:
                self._keep(index, decoded)
                bar.advance()

    def _keep(self, index: int, decoded: "Future[np.ndarray]") -> None:
        parts = decoded.result()
        self._room -= parts.nbytes
        if self._room >= 0:
            self._kept[index] = parts

    def _decode(self, index: int) -> np.ndarray:
        try:
            return self.preparation.decode(self.version.read(index))
        except InputError as error:
            raise DataError(
                f"{self.version.names[index]}: {error.message}",
                hint="the limits of `prepare` may be tighter than when the data was added",
            ) from error


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
    workers: int = 1,
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
        workers: threads; any number of them makes the same batches.
        team: the processes that share each batch; only this one's part is made.
    """
    firsts = np.cumsum([0, *(len(part) for part in plan)])
    info, known = samples.version.info, samples.version.targets

    def make(number: int) -> Batch:
        total, first = len(plan[number]), firsts[number]
        part = team.part(total)
        mix = draw_mix(config, total, key=(*key, 2, number))
        # The partner of each row is the one before it, which may be another process's, and have partners too
        partners = bool(config.backdrop) + bool(mix) + bool(config.mix_spectra)
        rows = np.arange(part.start - partners, part.stop) % total
        indices = plan[number][rows]
        inputs = _augmented(samples, indices, config, (*key, 0), first + rows, side)
        targets = as_shares(known[indices], info.task, len(info.labels))
        if config.backdrop:
            rows, inputs, targets = rows[1:], inputs[1:], targets[1:]
        if mix:
            kind, pad, rows = samples.preparation.modality, padding(samples.preparation), rows[1:]
            inputs, own = mix_batch(inputs[1:], inputs[:-1], mix.part(rows), kind, pad=pad)
            targets = mix_shares(targets[1:], targets[:-1], own)
        places = np.arange(first + part.start, first + part.stop)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), places, part, total)

    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        try:
            for number in range(start, len(plan)):
                waiting.append(pool.submit(make, number))
                if len(waiting) > _AHEAD + workers - 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _augmented(
    samples: Samples,
    indices: np.ndarray,
    config: AugmentConfig,
    key: tuple[int, ...],
    places: np.ndarray,
    side: int,
) -> np.ndarray:
    """One batch of inputs; of a recording, one window by chance."""
    preparation = samples.preparation
    decoded = [samples.parts(index) for index in indices.tolist()]
    if preparation.modality == "image":
        rolls = augment.uniforms(key, places, rolls_needed(config))
        return change_pictures(_first_parts(preparation, decoded), config, rolls, side)
    if preparation.modality == "audio":
        rolls = augment.uniforms(key, places, sounds.SOUND_ROLLS)
        picks = zip(indices.tolist(), decoded, rolls[:, 0], strict=True)
        windows = [samples.windows.pick(index, parts, roll) for index, parts, roll in picks]
        return sounds.change_sounds(preparation.collate(windows), config, rolls)
    ids = _first_parts(preparation, decoded)
    rolls = augment.uniforms(key, places, ids.shape[1])
    return augment.change_texts(ids, config, rolls, pad=padding(preparation))


def _first_parts(preparation: Preparation, decoded: Sequence[np.ndarray]) -> np.ndarray:
    return preparation.collate([parts[0] for parts in decoded])


def plain_batches(samples: Samples, indices: np.ndarray, batch: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """All parts of samples as they are, in batches; beside each part the place in `indices` of its sample."""
    parts: list[np.ndarray] = []
    places: list[int] = []
    for place, index in enumerate(indices.tolist()):
        for part in samples.parts(index):
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
