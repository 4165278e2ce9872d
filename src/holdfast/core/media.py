"""Which file names hold which modality."""

from pathlib import PurePath
from typing import Literal

Modality = Literal["image", "text", "audio"]
Task = Literal["single", "multi"]
"""One label a sample, or any number of them."""

SUFFIXES: dict[Modality, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    "audio": (".wav", ".flac", ".ogg", ".oga", ".mp3"),
    "text": (".txt", ".md"),
}
"""In lower case, with their dots."""

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
"""Suffixes of tables, whose rows are samples."""

MAX_PIXELS, MAX_S, MAX_CHARS = 50_000_000, 1800.0, 1_000_000
"""What a picture, a recording and a text may hold, unless the settings say otherwise."""


def modality_of(name: str) -> Modality | None:
    """The modality that a file's name speaks of, or None.

    >>> modality_of("Redwing (2).OGG")
    'audio'
    """
    suffix = PurePath(name).suffix.lower()
    for modality, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return modality
    return None


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table.

    >>> is_table("Labels.CSV"), is_table("a.jpg")
    (True, False)
    """
    return PurePath(name).suffix.lower() in TABLES
