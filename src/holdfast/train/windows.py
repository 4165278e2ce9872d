"""Which windows of a recording training may draw: those that are loud enough and not flat."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from holdfast.config.schema import AudioPrepare, Prepare
from holdfast.models import MelFront


@dataclass(frozen=True)
class Windows:
    """The windows that training draws from.

    Attributes:
        drawn: for each sample that lost windows, the numbers of those that are left; at least one.
        total: windows of all samples.
        quiet: of these, how many are left out as softer than `min_rms`.
        flat: how many are left out as flatter than `min_mel_std`, but not too soft.
        rescued: samples none of whose windows was good enough; their loudest one is kept.
    """

    drawn: Mapping[int, np.ndarray] = field(default_factory=dict)
    total: int = 0
    quiet: int = 0
    flat: int = 0
    rescued: int = 0

    @property
    def facts(self) -> dict[str, int]:
        """The counts, for the facts of a run."""
        return {
            "windows": self.total,
            "windows_too_quiet": self.quiet,
            "windows_too_flat": self.flat,
            "recordings_kept_for_their_loudest_window": self.rescued,
        }

    def pick(self, index: int, parts: np.ndarray, roll: float) -> np.ndarray:
        """One window of a sample, by a roll from 0 to 1, out of its windows of shape (windows, samples)."""
        drawn = self.drawn.get(index)
        choice = int(roll * len(parts)) if drawn is None else drawn[int(roll * len(drawn))]
        window: np.ndarray = parts[choice]
        return window


def choose_windows(samples: Iterable[tuple[int, np.ndarray]], prepare: Prepare) -> Windows:
    """The windows that pass `min_rms` and `min_mel_std`; all of them where both are off.

    Args:
        samples: their numbers and their windows, of shape (windows, samples).
        prepare: has the limits.
    """
    drawn: dict[int, np.ndarray] = {}
    if not isinstance(prepare, AudioPrepare) or not (prepare.min_rms or prepare.min_mel_std):
        return Windows()
    front = MelFront(prepare).train()
    counts = np.zeros(4, dtype=int)
    for index, windows in samples:
        loudness = np.sqrt(np.square(windows).mean(axis=1))
        quiet = loudness < prepare.min_rms
        with torch.inference_mode():
            deviation = front.deviation(torch.from_numpy(windows)).numpy()
        flat = (deviation < prepare.min_mel_std) & ~quiet
        left = np.flatnonzero(~quiet & ~flat)
        counts += [len(windows), quiet.sum(), flat.sum(), not len(left)]
        if len(left) < len(windows):
            drawn[index] = left if len(left) else np.array([loudness.argmax()])
    return Windows(drawn, *counts.tolist())
