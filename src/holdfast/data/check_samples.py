"""Single samples that are doubtful: blank or silent, far from all others, named for what they are not."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow
from pyarrow import compute

from holdfast.data.codes import names_of
from holdfast.data.facts import measures
from holdfast.data.finding import Finding
from holdfast.data.plan import some
from holdfast.data.relatives import BLANK, SHOWN
from holdfast.data.version import Version

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WAV": (".wav",),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga"),
    "MP3": (".mp3",),
}
_RARE = 0.01
"""What is true of more than this share of the samples is no outlier."""
_FAR = 6.0
"""Standard deviations, as told by the nearer half of that side: 2 of 1,000,000,000 normal values."""
_SILENT_DB = -70.0


class _Scale(NamedTuple):
    """How a measure is told, and how far from the middle is never unusual."""

    word: str
    ratio: bool
    """Whether it is compared by ratios, as sizes are, rather than by differences."""
    least: float


_SCALES = {
    "bytes": _Scale("bytes", True, 8),
    "pixels": _Scale("pixels", True, 4),
    "aspect": _Scale("times as wide as high", True, 2.5),
    "seconds": _Scale("seconds", True, 4),
    "chars": _Scale("characters", True, 8),
    "brightness": _Scale("of 255 in brightness", False, 80),
    "loudness": _Scale("dB in loudness", False, 20),
}


def sample_findings(version: Version, signatures: pyarrow.Table | None) -> Iterator[Finding]:
    """What is to be said of single samples.

    Args:
        version: what is looked at.
        signatures: of its samples; None leaves out what only decoding tells.
    """
    measured = measures(version, signatures)
    yield from _wrong_names(version)
    yield from _nothing_in_it(version, measured)
    for name, scale in _SCALES.items():
        if name in measured:
            yield from _unusual(version, name, scale, measured[name])


def _wrong_names(version: Version) -> Iterator[Finding]:
    """Files whose bytes are of another format than their names say."""
    if "format" not in version.table.column_names:
        return
    ending = compute.struct_field(
        compute.extract_regex(version.table.column("name"), r"(?P<suffix>\.[A-Za-z0-9]+)$"), "suffix"
    )
    suffixes = np.asarray(compute.fill_null(compute.utf8_lower(ending), ""), dtype=str)
    formats = np.asarray(compute.fill_null(version.table.column("format"), ""), dtype=str)
    known = np.isin(suffixes, [suffix for group in _SUFFIXES.values() for suffix in group])
    wrong = known & np.isin(formats, list(_SUFFIXES))
    for name, group in _SUFFIXES.items():
        wrong &= ~((formats == name) & np.isin(suffixes, group))
    rows = np.flatnonzero(wrong)
    if len(rows):
        shown = rows[:5]
        told = [
            f"{name} is {formats[row]}" for name, row in zip(names_of(version, shown), shown, strict=True)
        ]
        yield Finding(
            "info",
            "files of another format than their names say",
            f"{len(rows):,} files, such as {some(told, width=80)}; they are read by what they are",
            len(rows),
            examples=_one_by_one(rows),
        )


def _nothing_in_it(version: Version, measured: dict[str, np.ndarray]) -> Iterator[Finding]:
    tests = {
        "contrast": ("blank pictures", "show one even colour", BLANK),
        "loudness": ("silent recordings", f"are quieter than {_SILENT_DB:.0f} dB", _SILENT_DB),
        "words": ("texts without words", "hold marks only", 1),
    }
    for name, (title, told, least) in tests.items():
        rows = np.flatnonzero(measured[name] < least) if name in measured else np.zeros(0, dtype=int)
        if len(rows):
            yield Finding(
                "warning",
                title,
                f"{len(rows):,} {told}: {some(names_of(version, rows[:6]), width=80)}",
                len(rows),
                examples=_one_by_one(rows),
            )


def _unusual(version: Version, name: str, scale: _Scale, values: np.ndarray) -> Iterator[Finding]:
    rows = outliers(values, ratio=scale.ratio, least=scale.least)
    if not 0 < len(rows) <= max(1, _RARE * len(values)):
        return
    middle = float(np.nanmedian(values))
    worst = rows[np.argsort(-np.abs(values[rows] - middle))]
    shown = [
        f"{n} ({_short(values[r])})" for n, r in zip(names_of(version, worst[:5]), worst[:5], strict=True)
    ]
    yield Finding(
        "info",
        f"unusual {name}",
        f"{len(rows):,} samples lie far from all others, where the middle one has {_short(middle)} "
        f"{scale.word}: {some(shown, width=80)}",
        len(rows),
        examples=_one_by_one(worst),
    )


def outliers(values: np.ndarray, *, ratio: bool, least: float) -> np.ndarray:
    """Rows whose value is far from the middle: more than 6 standard deviations.

    Args:
        values: shape (n,); NaN counts for nothing.
        ratio: compare ratios to the middle instead of differences.
        least: a ratio (or difference) to the middle below this is never far.

    >>> outliers(np.array([9.0, 10, 11, 10, 12, 8, 10, 11, 9, 4000]), ratio=True, least=4).tolist()
    [9]
    """
    there = np.isfinite(values) & ((values > 0) | (not ratio))
    if there.sum() < 10:
        return np.zeros(0, dtype=np.int64)
    scaled = np.log(values, where=there, out=np.full(len(values), np.nan)) if ratio else values
    away = scaled - np.median(scaled[there])
    far = np.zeros(len(values), dtype=bool)
    for side in (-1, 1):
        on_it = there & (side * away >= 0)
        spread = 1.4826 * np.median(np.abs(away[on_it]))
        limit = max(_FAR * spread, np.log(least) if ratio else least)
        far |= on_it & (np.abs(away) > limit)
    return np.flatnonzero(far)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _one_by_one(rows: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple((int(row),) for row in rows[:SHOWN])
