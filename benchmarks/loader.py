"""The training loader against decoding from memory, its upper bound, and against torch's loader over files.

    python -m benchmarks.loader

Every side decodes all samples with the same function, in an order drawn anew for each epoch, into the same
batches; nothing stays decoded from one epoch to the next. "Memory" is a list of files' bytes and one thread
per core, each of which makes whole batches. "torch" is a `Dataset` over the files with two workers that live
on from epoch to epoch. The sides take turns, and the median over the turns of the ratio counts.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import soundfile
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from holdfast.config.prepare import AudioPrepare, ImagePrepare, TextPrepare
from holdfast.config.schema import AugmentConfig
from holdfast.core.cores import cores
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, Version, ingest, open_version
from holdfast.modality import Preparation, learn_tokenizer, prepare, probe
from holdfast.train.loader import training_batches
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples

Row = tuple[str, float, float | None]
Epoch = Callable[[int], None]

_TURNS = 5
_BATCH = 64
_COUNTS = {"JPEG": 1500, "photo": 300, "text": 3000, "sound": 600}
_LEAST = {"JPEG": 0.94, "photo": 0.94, "text": 0.95, "sound": 0.95}


def main() -> list[Row]:
    """Samples a second of the loader, as a share of each other side's; more is better."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, least in _LEAST.items():
            version, preparation = _stored(Path(folder), kind)
            with version:
                sides = {"loader": _loader(version, preparation), "memory": _memory(version, preparation)}
                if preparation.modality == "image":
                    sides["torch"] = _torch(version, preparation, Path(folder) / kind)
                speed, cpu = _turns(sides, kind)
            rows.append((f"{kind} a second, loader / decoding from memory, at least", speed["memory"], least))
            rows.append((f"CPU a {kind}, loader / decoding from memory", cpu["memory"], 1.06))
            if "torch" in sides:
                least_of_torch = 1.4 if kind == "JPEG" else None
                rows.append(
                    (f"{kind} a second, loader / torch over files, at least", speed["torch"], least_of_torch)
                )
                rows.append((f"CPU a {kind}, loader / torch over files", cpu["torch"], None))
    return rows


def _turns(sides: dict[str, Epoch], kind: str) -> tuple[dict[str, float], dict[str, float]]:
    """Median ratios of the loader to each side: samples a second, and CPU seconds a sample."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(1 + _TURNS):
        names = list(sides)[:: 1 if turn % 2 else -1]
        for name in names:
            began, used = time.perf_counter(), _cpu()
            sides[name](turn)
            seconds[name].append((time.perf_counter() - began, _cpu() - used))
    if __name__ == "__main__":
        for name, spent in seconds.items():
            wall, cpu = np.median(spent[1:], axis=0)
            count = _COUNTS[kind]
            print(f"{kind:>5}, {name:>6}: {count / wall:,.0f} a second, {1e3 * cpu / count:.3f} ms CPU each")
    ratios = {
        name: [
            (theirs[0] / ours[0], ours[1] / theirs[1])
            for ours, theirs in zip(seconds["loader"][1:], spent[1:], strict=True)  # the first one warms up
        ]
        for name, spent in seconds.items()
    }
    return tuple(  # type: ignore[return-value]
        {name: statistics.median(pair[part] for pair in pairs) for name, pairs in ratios.items()}
        for part in range(2)
    )


def _cpu() -> float:
    """CPU seconds of this process and of its workers."""
    alive = psutil.Process().children(recursive=True)
    return time.process_time() + sum(sum(child.cpu_times()[:2]) for child in alive)


def _loader(version: Version, preparation: Preparation) -> Epoch:
    samples = Samples(version, preparation, cache_mb=0, threads=cores())

    def epoch(number: int) -> None:
        plan = _plan(version, number)
        seen = sum(
            len(batch.inputs) for batch in training_batches(samples, plan, AugmentConfig(), key=(0, number))
        )
        assert seen == len(version)

    return epoch


def _memory(version: Version, preparation: Preparation) -> Epoch:
    data, targets = [version.read(index) for index in range(len(version))], version.targets

    def made(indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [preparation.decode(data[index])[0] for index in indices.tolist()]
        return torch.from_numpy(preparation.collate(parts)), torch.from_numpy(targets[indices])

    def epoch(number: int) -> None:
        with ThreadPoolExecutor(cores()) as pool:
            seen = sum(len(inputs) for inputs, _ in pool.map(made, _plan(version, number)))
        assert seen == len(version)

    return epoch


class _Files(Dataset[tuple[torch.Tensor, int]]):
    """What many write: a list of files with their labels."""

    def __init__(self, paths: Sequence[Path], preparation: Preparation) -> None:
        self.paths, self.preparation = paths, preparation
        self.labels = [int(path.parent.name) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = self.preparation.decode(self.paths[index].read_bytes())[0]
        return torch.from_numpy(picture), self.labels[index]


def _torch(version: Version, preparation: Preparation, folder: Path) -> Epoch:
    files = _Files([folder / name for name in version.names], preparation)
    loader = DataLoader(files, batch_size=_BATCH, shuffle=True, num_workers=2, persistent_workers=True)

    def epoch(number: int) -> None:  # noqa: ARG001 - it draws an order of its own
        assert sum(len(inputs) for inputs, _ in loader) == len(version)

    return epoch


def _plan(version: Version, epoch: int) -> list[np.ndarray]:
    return split_evenly(order(version.targets, "single", "shuffle", key=(0, epoch)), _BATCH)


def _stored(folder: Path, kind: str) -> tuple[Version, Preparation]:
    made, count = _MAKERS[kind], _COUNTS[kind]
    for number, data in enumerate(made(count)):
        path = folder / kind / str(number % 2) / f"{number}{_SUFFIXES[kind]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    ingest(folder / kind, folder / "store", kind.lower(), options=SourceOptions(), probe=probe)
    version = open_version(folder / "store", Ref(kind.lower()))
    if kind in ("JPEG", "photo"):
        return version, prepare(ImagePrepare(size=224))
    if kind == "sound":
        return version, prepare(AudioPrepare(window_s=2, hop_s=2))
    texts = (version.read(index).decode() for index in range(500))
    return version, prepare(TextPrepare(), learn_tokenizer(texts, 2000))


def _pictures(count: int, width: int, height: int) -> Iterator[bytes]:
    """Pictures with about as much detail as a photograph."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        layers = [
            Image.fromarray(rng.normal(128, deviation, (rows, rows, 3)).clip(0, 255).astype(np.uint8))
            for rows, deviation in ((8, 60), (width // 4, 20))
        ]
        file = io.BytesIO()
        Image.blend(*(layer.resize((width, height)) for layer in layers), 0.5).save(file, "JPEG")
        yield file.getvalue()


def _texts(count: int) -> Iterator[bytes]:
    """Texts of 200 words from a vocabulary of 5000."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(5000)]
    for _ in range(count):
        yield " ".join(words[place] for place in rng.zipf(1.3, 200) % 5000).encode()


def _sounds(count: int) -> Iterator[bytes]:
    """Two seconds of noise in FLAC, 22,050 samples a second."""
    for seed in range(count):
        file = io.BytesIO()
        noise = np.random.default_rng(seed).normal(0, 0.1, 44_100)
        soundfile.write(file, np.convolve(noise, np.ones(8) / 8, "same"), 22_050, format="FLAC")
        yield file.getvalue()


_MAKERS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "JPEG": lambda count: _pictures(count, 224, 224),
    "photo": lambda count: _pictures(count, 500, 375),
    "text": _texts,
    "sound": _sounds,
}
_SUFFIXES = {"JPEG": ".jpg", "photo": ".jpg", "text": ".txt", "sound": ".flac"}


if __name__ == "__main__":
    for title, ratio, _ in main():
        print(f"{title}  {ratio:.3f}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
