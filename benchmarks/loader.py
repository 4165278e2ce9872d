"""The training loader against decoding from memory, its upper bound, and against torch's loader over files.

    python -m benchmarks.loader

Every side decodes all samples with the same function, in an order drawn anew for each epoch, into the same
batches; nothing stays decoded from one epoch to the next. "Memory" is a list of files' bytes and one thread
per core, each of which makes whole batches. "torch" is a `Dataset` over the files with two workers that live
on from epoch to epoch. "s3" is the loader over a lazy version in moto's server on this machine, from its
second epoch on. The sides take turns, and the median over the turns of the ratio counts.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import soundfile
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks import loader_memory
from benchmarks.data_remote import s3
from holdfast.config.prepare import AudioPrepare, ImagePrepare, TextPrepare
from holdfast.config.schema import AugmentConfig
from holdfast.core.cores import cores
from holdfast.core.refs import Ref
from holdfast.data import SourceOptions, Version, ingest, open_version
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.modality import Preparation, learn_tokenizer, prepare, probe
from holdfast.train.loader import training_batches
from holdfast.train.sampler import order, split_evenly
from holdfast.train.samples import Samples

Row = tuple[str, float, float | None]
Epoch = Callable[[int], None]

_TURNS = 7
_BATCH = 64
_COUNTS = {"JPEG": 1500, "photo": 300, "text": 3000, "sound": 600}
_LEAST = {"JPEG": 0.94, "photo": 0.94, "text": 0.95, "sound": 0.95}


def main() -> list[Row]:
    """Samples a second of the loader, as a share of each other side's; more is better. Then its memory."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, least in _LEAST.items():
            with ExitStack() as stack:
                version, preparation = _stored(folder, kind)
                stack.enter_context(version)
                sides = {"loader": _loader(version, preparation), "memory": _memory(version, preparation)}
                if preparation.modality == "image":
                    sides["torch"] = _torch(version, preparation, folder / kind)
                if kind == "JPEG":
                    sides["s3"] = _loader(stack.enter_context(_lazy(folder, version)), preparation)
                spent = _turns(sides, kind)
            rows += _pair(kind, spent, "loader", "memory", least, "decoding from memory", most_cpu=1.06)
            if "torch" in spent:
                of_torch = 1.4 if kind == "JPEG" else None
                rows += _pair(kind, spent, "loader", "torch", of_torch, "torch over files")
            if "s3" in spent:
                rows += _pair(f"{kind} over s3://", spent, "s3", "memory", 0.9, "decoding from memory")
        return rows + loader_memory.main(folder)


def _pair(
    kind: str,
    spent: dict[str, np.ndarray],
    one: str,
    other: str,
    least: float | None,
    title: str,
    *,
    most_cpu: float | None = None,
) -> list[Row]:
    """Medians over the turns: samples a second of one side over the other's, and CPU seconds a sample."""
    wall, cpu = np.median(spent[one] / spent[other], axis=0)
    return [
        (f"{kind} a second, loader / {title}, at least", 1 / float(wall), least),
        (f"CPU a {kind}, loader / {title}", float(cpu), most_cpu),
    ]


def _turns(sides: dict[str, Epoch], kind: str) -> dict[str, np.ndarray]:
    """Seconds and CPU seconds of each side's epochs, shape (turns, 2), without the first, which warms up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(1 + _TURNS):
        names = list(sides)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began, used = time.perf_counter(), _cpu()
            sides[name](turn)
            seconds[name].append((time.perf_counter() - began, _cpu() - used))
    spent = {name: np.array(each[1:]) for name, each in seconds.items()}
    if __name__ == "__main__":
        for name, each in spent.items():
            wall, cpu = np.median(each, axis=0)
            count = _COUNTS[kind]
            print(f"{kind:>5}, {name:>6}: {count / wall:,.0f} a second, {1e3 * cpu / count:.3f} ms CPU each")
    return spent


@contextmanager
def _lazy(folder: Path, version: Version) -> Iterator[Version]:
    """The same version, whose bytes are in S3."""
    name = version.info.name
    with s3(folder) as address:
        os.environ["AWS_ENDPOINT_URL"] = address  # it goes with the server's other variables
        push(folder / "store", Ref(name), "s3://bucket/store")
        pull(folder / "lazy", Ref(name), "s3://bucket/store", lazy=True)
        with open_version(folder / "lazy", Ref(name)) as lazy:
            yield lazy


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
