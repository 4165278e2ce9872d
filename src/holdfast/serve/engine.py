"""The engine: from the bytes of samples to probabilities, through a bundle's graph. Needs no torch."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from holdfast.bundle import Bundle, Manifest
from holdfast.config.protection import LimitConfig
from holdfast.core.cores import cores
from holdfast.core.errors import BundleError, InputError
from holdfast.core.media import Task
from holdfast.evaluate.decision import labels_of
from holdfast.modality import Preparation, prepare, restricted

_INPUTS = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class Predictions:
    """What the engine says of n samples.

    Attributes:
        probabilities: float64 of shape (n, labels), the mean over each sample's parts.
        embeddings: float64 of shape (n, width), likewise; where the graph's last layer looks from.
        parts: for each sample, float32 of shape (parts, labels): one row, or one per window of a sound.
    """

    probabilities: np.ndarray
    embeddings: np.ndarray
    parts: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.parts)


class Engine:
    """Answers for one bundle, from any number of threads at once.

    An answer does not depend on what else is asked: alone, in a batch, or beside other threads, its
    probabilities differ by less than 1e-6.

    A call that is alone runs on all cores; calls that overlap run on one core each, as neither is best
    for both. onnxruntime on two cores with a convolution net of 2.8 ms a picture, in pictures a second:

        graph runs on    1 caller   2 callers   8 callers
        one core each         362         713         711
        both cores            646         543         705

    The price is that the weights are in memory twice. Batches of 8 instead of 1 gained 9 % for one caller
    on both cores, and nothing for several, so nothing waits for a batch to fill. Threads wait for
    each other awake within a run on all cores (a ResNet-50 in eight bits: 16 ms instead of 18), and sleep
    otherwise: spinning cost up to 43 % for two callers.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0, batch: int = 8) -> None:
        """Load the graph and run it once.

        Args:
            bundle: an opened bundle.
            threads: for decoding and for the graph; 0 takes all cores.
            batch: most parts in one run of the graph; more need more memory.

        Raises:
            BundleError: if the graph cannot be loaded, or does not do what the manifest says.
        """
        self._bundle = bundle
        self._threads = threads or cores()
        self._batch = 1 if bundle.alone else batch
        self._preparation: Preparation = prepare(bundle.manifest.prepare, bundle.tokenizer)
        self._narrow = _load(bundle, 1)
        self._wide = _load(bundle, self._threads) if self._threads > 1 else self._narrow
        self._width = _check(bundle, self._wide)
        entry = self._wide.get_inputs()[0]
        self._kind, self._shape = (
            _INPUTS[entry.type],
            [n if isinstance(n, int) else None for n in entry.shape],
        )
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        self.abstention = bundle.abstention
        self._lock = threading.Lock()
        self._calls = 0

    @property
    def threads(self) -> int:
        """How many threads decode and run the graph."""
        return self._threads

    @property
    def batch(self) -> int:
        """Most parts in one run of the graph: 1 where an answer would depend on what else is in it."""
        return self._batch

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    @property
    def preparation(self) -> Preparation:
        """What decodes samples for the graph."""
        return self._preparation

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return self._width

    @property
    def bundle(self) -> Bundle:
        """The bundle that answers."""
        return self._bundle

    @property
    def labels(self) -> list[str]:
        """In the order of the columns of the probabilities."""
        return self.manifest.labels

    @property
    def task(self) -> Task:
        """One label a sample, or any number."""
        return self.manifest.task

    @property
    def thresholds(self) -> np.ndarray | None:
        """For many labels, the probability from which each is given; shape (labels,)."""
        found = self.manifest.thresholds
        return None if found is None else np.array(found)

    def restrict(self, limits: LimitConfig) -> None:
        """From now on, refuse samples that are larger than this, whatever the bundle says."""
        self._preparation = restricted(
            self._preparation,
            max_pixels=limits.max_pixels,
            max_s=limits.max_s,
            max_chars=limits.max_chars,
        )

    def predict(self, items: Sequence[bytes]) -> Predictions:
        """Decode samples in threads and run them through the graph.

        While one batch of samples runs, the next one is decoded; no more than two are in memory.

        Raises:
            InputError: if a sample cannot be decoded. Among several samples, the message names its index.
        """
        slabs = [items[start : start + self._batch] for start in range(0, len(items), self._batch)]
        answers = []
        ahead: list[Future[np.ndarray]] = self._submit(slabs[0]) if slabs else []
        for number in range(len(slabs)):
            decoded = [
                _result(future, None if len(items) == 1 else number * self._batch + offset)
                for offset, future in enumerate(ahead)
            ]
            ahead = self._submit(slabs[number + 1]) if number + 1 < len(slabs) else []
            answers.append(self.predict_parts(decoded))
        return _joined(answers) if answers else self.predict_parts([])

    def decode(self, data: bytes) -> np.ndarray:
        """One sample as the graph takes it; shape (parts, ...).

        Raises:
            InputError: if it cannot be decoded.
        """
        return self._preparation.decode(data)

    def predict_parts(self, decoded: Sequence[np.ndarray], *, alone: bool | None = None) -> Predictions:
        """Run decoded samples through the graph.

        Args:
            decoded: what `decode` gave for each sample.
            alone: whether all cores are free for it; None lets the engine find out by its other calls.
        """
        flat = [part for sample in decoded for part in sample]
        probabilities = np.empty((len(flat), len(self.labels)), np.float32)
        embeddings = np.empty((len(flat), self._width), np.float32)
        # Parts of like length run together, so that short texts are not padded to the length of long ones.
        order = sorted(range(len(flat)), key=lambda index: len(flat[index]))
        with self._session(alone) as session:
            for start in range(0, len(order), self._batch):
                rows = order[start : start + self._batch]
                batch = self._preparation.collate([flat[row] for row in rows])
                probabilities[rows], embeddings[rows] = _run(session, batch)
        if not np.isfinite(probabilities).all():
            raise BundleError(
                f"{self._bundle.model} gives probabilities that are not numbers",
                hint="train again: the weights are broken, or a sample is far outside what they know",
            )
        ends = np.cumsum([len(sample) for sample in decoded]).tolist()
        bounds = list(zip([0, *ends], ends, strict=False))
        return Predictions(
            _means(probabilities, bounds),
            _means(embeddings, bounds),
            [probabilities[start:end] for start, end in bounds],
        )

    def spans(self, parts: int) -> list[tuple[float, float]] | None:
        """The seconds from and to of each window of a sound; None for what has no windows."""
        return self._preparation.spans(parts)

    def labels_of(self, probabilities: np.ndarray) -> list[list[str]]:
        """The labels that are given to each row of probabilities; exactly one where the task is single."""
        chosen = labels_of(probabilities, self.task, self.thresholds)
        if self.task == "single":
            return [[self.labels[index]] for index in chosen]
        return [[self.labels[index] for index in np.flatnonzero(row)] for row in chosen]

    @property
    def longest(self) -> int:
        """The most tokens of a text; 0 where all parts are of one size."""
        prepare = self.manifest.prepare
        return prepare.max_tokens if prepare.modality == "text" else 0

    def blank(self, rows: int, length: int = 0) -> np.ndarray:
        """Input of the right shape that says nothing, to measure with; of so many tokens if it is text."""
        shape, kind = self._shape, self._kind
        return np.zeros((rows, *(length if size is None else size for size in shape[1:])), kind)

    def run_narrow(self, batch: np.ndarray) -> None:
        """Run a batch on one core, to measure it."""
        _run(self._narrow, batch)

    def run_wide(self, batch: np.ndarray) -> None:
        """Run a batch on all cores, to measure it."""
        _run(self._wide, batch)

    def close(self) -> None:
        """End the decoding threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, items: Sequence[bytes]) -> list["Future[np.ndarray]"]:
        return [self._pool.submit(self.decode, item) for item in items]

    @contextmanager
    def _session(self, alone: bool | None) -> Iterator[Any]:
        """The session for one call: all cores for a call that is alone, one core for one that is not."""
        with self._lock:
            alone = self._calls == 0 if alone is None else alone
            self._calls += 1
        try:
            yield self._wide if alone else self._narrow
        finally:
            with self._lock:
                self._calls -= 1


def _load(bundle: Bundle, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Within a run its threads may wait for each other awake, but not after it, nor where there is one thread.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(threads > 1)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.use_env_allocators", "1" if _share_memory() else "0")
    try:
        return onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each failure, and no base for them
        raise BundleError(
            f"onnxruntime cannot load {bundle.model}: {error}", hint="update onnxruntime, or export again"
        ) from error


@cache
def _share_memory() -> bool:
    """Let all sessions of this process have one store of memory, which grows by what is asked for.

    Else each of them keeps as much as it ever needed, rounded up: for a ResNet-50 in eight bits 15 MB more.
    """
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_asked, default = 1, -1
    try:
        onnxruntime.create_and_register_allocator(
            memory, onnxruntime.OrtArenaCfg(0, as_asked, default, default)
        )
    except Exception:  # somebody else in this process has done so already, or this release cannot
        return False
    return True


def _check(bundle: Bundle, session: Any) -> int:
    """Run the graph once on nothing, compare it with the manifest, and give the embedding's width."""
    inputs = {entry.name: entry for entry in session.get_inputs()}
    outputs = [entry.name for entry in session.get_outputs()]
    if list(inputs) != ["input"] or not {"probabilities", "embedding"} <= set(outputs):
        raise BundleError(
            f"{bundle.model} takes {list(inputs)} and gives {outputs}; "
            "it should take 'input' and give 'probabilities' and 'embedding'",
            hint="export it again",
        )
    entry = inputs["input"]
    if entry.type not in _INPUTS:
        raise BundleError(
            f"{bundle.model} takes {entry.type}, not one of {list(_INPUTS)}", hint="export it again"
        )
    shape = [size if isinstance(size, int) else 1 for size in entry.shape]
    probabilities, embedding = _run(session, np.zeros(shape, _INPUTS[entry.type]))
    if probabilities.shape != (1, len(bundle.manifest.labels)):
        raise BundleError(
            f"{bundle.model} gives probabilities of shape {probabilities.shape} for one sample, "
            f"but the manifest has {len(bundle.manifest.labels)} labels",
            hint="export it again",
        )
    return int(embedding.shape[1])


def _run(session: Any, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, embedding = session.run(["probabilities", "embedding"], {"input": batch})
    return probabilities, embedding


def _result(future: "Future[np.ndarray]", index: int | None) -> np.ndarray:
    try:
        return future.result()
    except InputError as error:
        if index is None:
            raise
        raise InputError(f"item {index}: {error.message}", hint=error.hint) from error


def _means(rows: np.ndarray, bounds: list[tuple[int, int]]) -> np.ndarray:
    """The mean of each run of rows, added up in one order whatever the batch was."""
    if all(end - start == 1 for start, end in bounds):
        return rows.astype(np.float64)
    means = np.empty((len(bounds), rows.shape[1]))
    for index, (start, end) in enumerate(bounds):
        means[index] = rows[start:end].mean(axis=0, dtype=np.float64)
    return means


def _joined(answers: list[Predictions]) -> Predictions:
    return Predictions(
        np.concatenate([answer.probabilities for answer in answers]),
        np.concatenate([answer.embeddings for answer in answers]),
        [part for answer in answers for part in answer.parts],
    )
