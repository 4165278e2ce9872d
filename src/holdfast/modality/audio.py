"""Recordings: WAV, FLAC, Ogg and MP3 to windows of mono sound at one rate."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from holdfast.core.errors import InputError
from holdfast.core.media import Modality
from holdfast.modality.container import container_of, is_cut_off, playable
from holdfast.modality.sniff import first_bytes

_BLOCK = 1 << 18
"""Values decoded at a time, of all channels: a header may speak of a thousand of them."""
_UNKNOWN = 1 << 60
"""FLAC from a pipe does not say how many frames it has; libsndfile then says more than this."""
_RATES = (1000, 768_000)
_SILENT = "recording without any sound in it"
_TOO_LONG = "cut it into shorter recordings; a server takes longer ones at /jobs than at /predict"
_LOUDEST = 1e6
"""Files of floats may hold any number; the power of a spectrum overflows from about 1e15 on."""


class Piece(NamedTuple):
    """Some windows of a recording.

    Attributes:
        windows: float32 of shape (windows, rate * window_s).
        seconds: of the recording that are decoded so far.
        of_s: seconds that it has in all; 0 where its header does not say.
    """

    windows: np.ndarray
    seconds: float
    of_s: float


@dataclass(frozen=True)
class AudioPreparation:
    """Windows of mono sound, float32, shape (windows, rate * window_s)."""

    rate: int
    window_s: float
    hop_s: float
    max_s: float

    @property
    def modality(self) -> Modality:
        """Always "audio"."""
        return "audio"

    @property
    def window(self) -> int:
        """Audio samples in one window."""
        return round(self.rate * self.window_s)

    @property
    def hop(self) -> int:
        """Audio samples from the start of a window to the start of the next."""
        return max(1, round(self.rate * self.hop_s))

    def decode(self, data: bytes) -> np.ndarray:
        """The mean of the channels, resampled, in overlapping windows; the last is filled up with silence.

        Raises:
            InputError: if it is not a recording, is damaged, or is longer than `max_s` seconds.
        """
        sound, facts = _read(data, self.max_s)
        return self.windows(_resampled(sound, int(facts["rate"]), self.rate))

    def windows(self, sound: np.ndarray) -> np.ndarray:
        """Mono sound at `rate`, float32, shape (frames,), in the windows of `decode`."""
        return _windows(sound, self.window, self.hop)

    def pieces(self, data: bytes, max_s: float, most: int) -> Generator[Piece, None, None]:
        """The windows of `decode`, the very same, but few at a time: a recording of hours in little memory.

        Args:
            max_s: longer recordings are refused, as far as they are decoded.
            most: windows in one piece.

        Raises:
            InputError: as `decode` does; if it is truncated, perhaps at its end only.
        """
        left, made, frames = np.zeros(0, dtype=np.float32), 0, 0
        with _opened(data, max_s) as it:
            resample = _Resampler(it.rate, self.rate)
            for block in _blocks(it, max_s):
                check_levels(block)
                frames += len(block)
                left = np.concatenate([left, resample(block)])
                while len(left) >= (enough := self.window + (most - 1) * self.hop):
                    yield Piece(self.windows(left[:enough]), frames / it.rate, it.promised / it.rate)
                    made, left = made + most, left[most * self.hop :]
        _check_length(frames, it, max_s)
        if not frames:
            raise InputError(_SILENT)
        left = np.concatenate([left, resample(None)])
        if made and len(left) <= self.window - self.hop:  # the last window held them already
            return
        last = self.windows(left)
        for start in range(0, len(last), most):
            yield Piece(last[start : start + most], frames / it.rate, frames / it.rate)

    def collate(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Windows of shape (rate * window_s,) as one batch."""
        return np.stack(parts)

    def spans(self, parts: int) -> list[tuple[float, float]]:
        """Start and end of each window in seconds; the last may end after the recording does.

        >>> AudioPreparation(16000, window_s=5, hop_s=2.5, max_s=60).spans(3)
        [(0.0, 5.0), (2.5, 7.5), (5.0, 10.0)]
        """
        starts = (part * self.hop for part in range(parts))
        return [(start / self.rate, (start + self.window) / self.rate) for start in starts]


def audio_facts(data: bytes, max_s: float) -> dict[str, int | float | str]:
    """Seconds, rate, channels and format of the file; decodes it whole.

    Raises:
        InputError: as `AudioPreparation.decode` does.
    """
    return _read(data, max_s)[1]


def read_sound(data: bytes, max_s: float) -> tuple[np.ndarray, int]:
    """The mean of all channels, float32, shape (frames,), and the rate of the file in frames a second.

    Raises:
        InputError: as `AudioPreparation.decode` does.
    """
    sound, facts = _read(data, max_s)
    return sound, int(facts["rate"])


def _read(data: bytes, max_s: float) -> tuple[np.ndarray, dict[str, int | float | str]]:
    """The mean of all channels at the file's own rate, and the facts of the file."""
    with _opened(data, max_s) as it:
        blocks = list(_blocks(it, max_s))
    sound = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    _check_length(len(sound), it, max_s)
    check_levels(sound)
    facts: dict[str, int | float | str]
    facts = {"seconds": len(sound) / it.rate, "rate": it.rate, "channels": it.channels, "format": it.format}
    return sound, facts


@dataclass(frozen=True)
class _Open:
    """A recording that is being decoded; it promises so many frames, or 0 where it does not say."""

    file: Any
    promised: int
    rate: int
    channels: int
    format: str


@contextmanager
def _opened(data: bytes, max_s: float) -> Iterator[_Open]:
    """A recording whose header promises a good one.

    Raises:
        InputError: if it does not, or if what is decoded within the block is broken.
    """
    import soundfile

    if not data:
        raise InputError("empty file")
    container = container_of(data)
    if container is None:
        raise InputError(f"not a recording (starts with {first_bytes(data)})")
    if is_cut_off(data, container):
        raise InputError("truncated recording")
    try:
        with soundfile.SoundFile(BytesIO(playable(data, container))) as file:
            promised = file.frames if file.frames < _UNKNOWN else 0
            _check_header(promised, file.samplerate, max_s)
            # Else soundfile seeks after each block, which spoils the end of Opus and fails on piped FLAC.
            file.seekable = lambda: False
            yield _Open(file, promised, file.samplerate, file.channels, container)
    except soundfile.LibsndfileError as error:
        raise InputError(f"broken recording ({error.error_string.strip(' .')})") from error


def _check_header(promised: int, rate: int, max_s: float) -> None:
    """Refuse before anything is decoded."""
    low, high = _RATES
    if not low <= rate <= high:
        raise InputError(f"recording with {rate:,} samples a second, outside {low:,} to {high:,}")
    if promised > max_s * rate:
        raise InputError(f"recording of {promised / rate:,.0f} s, longer than {max_s:,.0f} s", hint=_TOO_LONG)


def _blocks(it: _Open, max_s: float) -> Iterator[np.ndarray]:
    """The mean of the channels, float32, shape (frames,); stops soon after the most that is allowed."""
    frames, size = 0, _BLOCK // it.channels
    while frames <= max_s * it.rate and len(block := it.file.read(size, dtype="float32", always_2d=True)):
        frames += len(block)
        yield block.mean(axis=1) if block.shape[1] > 1 else block[:, 0]


def _check_length(frames: int, it: _Open, max_s: float) -> None:
    if frames < it.promised:
        raise InputError(f"truncated recording ({frames / it.rate:.1f} of {it.promised / it.rate:.1f} s)")
    if frames > max_s * it.rate:
        raise InputError(f"recording longer than {max_s:,.0f} s", hint=_TOO_LONG)


def check_levels(sound: np.ndarray) -> None:
    """Refuse a sound whose numbers no graph can reckon with.

    Raises:
        InputError: if it is empty, or has samples that are no numbers or far too large.
    """
    if not len(sound):
        raise InputError(_SILENT)
    loudest = float(np.abs(sound).max())  # NaN if there is one
    if not np.isfinite(loudest):
        raise InputError("recording with NaN or infinite samples")
    if loudest > _LOUDEST:
        raise InputError(f"recording with samples up to {loudest:.3g}, where full scale is 1")


def _resampled(sound: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    import soxr

    if rate_in == rate_out:
        return sound
    return np.asarray(soxr.resample(sound, rate_in, rate_out, quality="HQ"))


class _Resampler:
    """Does block by block what `_resampled` does at once."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        import soxr

        same = rate_in == rate_out
        self._stream = (
            None if same else soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
        )

    def __call__(self, block: np.ndarray | None) -> np.ndarray:
        """What comes out after this block; None ends it."""
        if self._stream is None:
            return np.zeros(0, dtype=np.float32) if block is None else block
        if block is None:
            return np.asarray(self._stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(block)))


def _windows(sound: np.ndarray, window: int, hop: int) -> np.ndarray:
    """As few windows as hold every audio sample, each a hop after the one before, shape (windows, window)."""
    count = 1 + max(0, -(-(len(sound) - window) // hop))
    padded = np.zeros((count - 1) * hop + window, dtype=np.float32)
    padded[: len(sound)] = sound[: len(padded)]
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop].copy()
