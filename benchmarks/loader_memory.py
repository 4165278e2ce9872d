"""How much memory the loader takes while it loads, and whether more samples make it more."""

import sys
from pathlib import Path

import psutil

from benchmarks.commands import run
from holdfast.config.prepare import ImagePrepare
from holdfast.config.schema import AugmentConfig
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, ingest, open_version
from holdfast.data.pull import pull
from holdfast.modality import prepare, probe
from holdfast.train.loader import training_batches
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples

_BATCH = 64
_TIMES = 4
_THREADS = 2


def main(folder: Path) -> list[tuple[str, float, float | None]]:
    """MB that an epoch adds to a process that has loaded all libraries and opened the version.

    Args:
        folder: holds the pictures in `JPEG`, and their version in `store`.
    """
    few = len(list((folder / "JPEG").rglob("*.jpg")))
    _copies(folder / "JPEG", folder / "many")
    ingest(folder / "many", folder / "store", "many", options=SourceOptions(), probe=probe)
    pull(folder / "far", Ref("many"), folder / "store", lazy=True)
    small, large, lazy = (
        _added(folder / place, name)
        for place, name in (("store", "jpeg"), ("store", "many"), ("far", "many"))
    )
    pictures = f"{few * _TIMES:,} JPEG of 224 pixels"
    return [
        (f"MB that loading {pictures} adds", large, None),
        (f"the same / {few:,} of them", large / small, 1.2),
        (f"MB that loading {pictures} of a remote adds", lazy, None),
    ]


def _copies(source: Path, target: Path) -> None:
    """Each picture several times, told apart by bytes behind its end, which decoders do not look at."""
    for path in sorted(source.rglob("*.jpg")):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        for number in range(_TIMES):
            place.with_stem(f"{place.stem}_{number}").write_bytes(path.read_bytes() + bytes([number]))


def _added(store: Path, name: str) -> float:
    return float(run([sys.executable, "-m", "benchmarks.loader_memory", store, name]).output.split()[-1])


def _load(store: Path, name: str) -> float:
    """MB that two epochs add at most."""
    process = psutil.Process()
    with open_version(store, Ref(name)) as version:
        samples = Samples(version, prepare(ImagePrepare(size=224)), cache_mb=0, threads=_THREADS)
        before = most = 0
        for epoch in range(3):
            plan = split_evenly(order(version.targets, "single", "shuffle", key=(0, epoch)), _BATCH)
            for _ in training_batches(samples, plan if epoch else plan[:1], AugmentConfig(), key=(0, epoch)):
                most = max(most, process.memory_info().rss)
            before = before or process.memory_info().rss
    return (most - before) / 2**20


if __name__ == "__main__":
    print(_load(Path(sys.argv[1]), sys.argv[2]))
