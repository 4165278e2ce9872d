"""Landmarks of a recording: pairs of peaks in its spectrum, which other encodings keep (Wang 2003)."""

import numpy as np

from holdfast.data.near import Groups, Near

MARKS = 64
"""Most landmarks kept of one recording: those with the least mixed hash, so two copies keep the same ones."""
VOTES = 6
"""Landmarks that two recordings must share at one and the same shift in time."""
_WINDOW_S, _HOP_S = 0.064, 0.016
_BINS = (4, 516)
"""Of 15.6 Hz each, whatever the rate of the recording: 62 Hz to 8 kHz."""
_AROUND = (15, 21)
_PEAKS_PER_S = 25
_TALL = 1.5
_AHEAD = 6
_CANDIDATES = 60_000_000
_FRAMES_A_BUCKET = 4
_ODD = np.uint64(0x9E3779B97F4A7C15)


def marks(sound: np.ndarray, rate: int) -> np.ndarray:
    """Landmarks of a recording, uint32, shape (n, 2): a hash of two peaks and the frame of the first.

    Args:
        sound: mono, float, shape (frames,).
        rate: frames a second.

    >>> time = np.arange(16000) / 8000
    >>> len(marks(np.sin(2 * np.pi * (500 + 300 * np.sin(9 * time)) * time), 8000)) > VOTES
    True
    """
    frames, bins = _peaks(sound, rate)
    found = [np.zeros((0, 2), dtype=np.uint64)]
    for ahead in range(1, _AHEAD + 1):
        later, higher = frames[ahead:] - frames[:-ahead], bins[ahead:] - bins[:-ahead]
        fits = (later > 0) & (later < 64) & (np.abs(higher) < 128)
        first = frames[:-ahead][fits]
        hashes = (bins[:-ahead][fits] // 2) << 14 | (higher[fits] + 128) // 2 << 6 | later[fits]
        found.append(np.stack([hashes, first], axis=1).astype(np.uint64))
    every = np.concatenate(found)
    every = every[np.lexsort((every[:, 1], (every[:, 0] * _ODD) >> np.uint64(24)))]
    _, once = np.unique(every[:, 0], return_index=True)
    return np.asarray(every[np.sort(once)][:MARKS].astype(np.uint32))


def near_sounds(every: np.ndarray, sizes: np.ndarray) -> Near:
    """Groups of recordings that share at least 6 landmarks at one shift in time, directly or through others.

    Args:
        every: the landmarks of all recordings, one after another, as `marks` gives them, shape (all, 2).
        sizes: how many of them each recording has, shape (n,).
    """
    groups = Groups(len(sizes))
    if not len(every):
        return groups.near()
    pairs, crowded = _shared(every[:, 0], every[:, 1], np.repeat(np.arange(len(sizes)), sizes))
    for phase in (0, _FRAMES_A_BUCKET // 2):
        left, right = _voted(pairs, phase)
        groups.join(left, right)
    return Near(groups.near().groups, crowded)


def _peaks(sound: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame and bin of the tallest peaks of the spectrum, by frame."""
    from scipy.ndimage import maximum_filter

    size, hop = round(rate * _WINDOW_S), rate * _HOP_S
    count = int((len(sound) - size) // hop) + 1
    if count < 2:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    sound = sound - sound.mean()  # a constant is no sound, but would leak into the lowest bins
    starts = np.round(np.arange(count) * hop).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)[starts] * np.hanning(size)
    power = np.log(np.abs(np.fft.rfft(windows, axis=1)[:, slice(*_BINS)]) + 1e-5).astype(np.float32)
    tall = (maximum_filter(power, _AROUND) == power) & (power > np.median(power) + _TALL)
    frames, bins = np.nonzero(tall)
    most = max(8, int(count * _HOP_S * _PEAKS_PER_S))
    kept = np.sort(np.argsort(-power[frames, bins], kind="stable")[:most])
    return frames[kept], bins[kept]


def _shared(hashes: np.ndarray, frames: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, int]:
    """Landmarks of equal hash in two recordings: the two and the shift, shape (3, pairs); rows left out."""
    order = np.lexsort((owners, hashes))
    hashes, owners, shifts = hashes[order], owners[order], frames[order].astype(np.int64)
    places, lag, total = np.arange(len(hashes)), 1, 0
    found: list[np.ndarray] = []
    while True:
        places = places[places + lag < len(hashes)]
        places = places[hashes[places + lag] == hashes[places]]
        if not len(places):
            return _stacked(found), 0
        total += len(places)
        if total > _CANDIDATES:
            return _stacked(found), len(np.unique(owners[places]))
        left, right = owners[places], owners[places + lag]
        found.append(np.stack([left, right, shifts[places + lag] - shifts[places]])[:, left != right])
        lag += 1


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), dtype=np.int64)


def _voted(pairs: np.ndarray, phase: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of recordings for which enough landmarks give the same shift, to within 64 ms."""
    left, right, shift = pairs
    bucket = (shift + phase) // _FRAMES_A_BUCKET + 2**19
    codes = (left << 41) | (right << 20) | bucket
    found, votes = np.unique(codes, return_counts=True)
    kept = found[votes >= VOTES]
    return kept >> 41, (kept >> 20) & (2**21 - 1)
