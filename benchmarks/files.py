"""Folders of texts to measure with, and the room that they take."""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.commands import run

_CLASSES = 100


def write_texts(folder: Path, files: int, size: int) -> Path:
    """Different texts of `size` bytes in a folder for each of 100 classes; the same ones each time."""
    chance = random.Random(0)
    words = " ".join(f"{chance.getrandbits(40):x}" for _ in range(2000 + size // 4)).encode()
    for label in range(_CLASSES):
        (folder / f"class_{label:03d}").mkdir(parents=True)
    for number in range(files):
        start = chance.randrange(len(words) - size)
        text = b"%d " % number + words[start : start + size]
        (folder / f"class_{number % _CLASSES:03d}" / f"{number:07d}.txt").write_bytes(text[:size])
    return folder


def copy_files(source: Path, folder: Path) -> None:
    """A copy with the times of the files as they are."""
    run(["cp", "-a", source, folder])


def disk_bytes(folder: Path) -> int:
    """What files take on disk, in whole blocks; what has several names counts once."""
    found = {(it.st_dev, it.st_ino): it.st_blocks * 512 for it in map(os.lstat, folder.rglob("*"))}
    return sum(found.values())


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on this disk, for the time being; `/tmp` may lie in memory."""
    Path("artifacts").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="artifacts", prefix="bench-") as folder:
        yield Path(folder).absolute()
