"""Predicts parts: reads ahead, decodes and runs the graph in threads, and writes each part when it is whole.

What is said of an input hangs on the plan alone: the same inputs run through the graph together, always on
one thread, so that neither the number of workers nor a kill can change a bit of it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.bundle import Bundle
from holdfast.core.ahead import ahead
from holdfast.core.errors import BundleError, InputError
from holdfast.core.files import digest_bytes
from holdfast.serve.engine import Engine
from holdfast.workflows.batch_answers import Answers, likeliest, table_of
from holdfast.workflows.batch_parts import Plan
from holdfast.workflows.batch_reader import Reader, Row

_READERS = 16
"""Threads that wait for files from a network."""
_AHEAD_BYTES = 256 * 2**20
"""They have fewer files under way where these are large."""
_GROUP, _GROUP_BYTES = 8, 2 * 2**20
"""Small files go from thread to thread by several batches at a time."""


class _Group(NamedTuple):
    """Some batches of one part, with their bytes once these are read."""

    part: int
    rows: list[Row]
    data: list[bytes | InputError]


class Worker:
    """An engine that is loaded once, for one plan."""

    def __init__(self, plan: Plan, bundle: Bundle, *, threads: int) -> None:
        """Load the graph.

        Args:
            plan: of the predictions.
            bundle: the model.
            threads: that decode and run the graph, each for itself.
        """
        self._plan = plan
        self._threads = threads
        self._engine = Engine(bundle, threads=1, batch=plan.batch)

    def run(self, parts: Iterable[int]) -> Iterator[int]:
        """Predict parts and write them.

        Yields:
            How many more inputs are done, again and again.

        Raises:
            DataError: if nothing can be read any more, for want of a login, say.
        """
        written: Future[None] | None = None
        with Reader(self._plan.origins) as reader, ThreadPoolExecutor(1) as writing:
            for part, groups in groupby(self._answered(reader, parts), lambda it: it[0].part):
                answers, names = list[Answers](), list[str]()
                for group, answer in groups:
                    answers += answer
                    names += [self._plan.origins[row["origin"]].head + row["name"] for row in group.rows]
                    yield len(group.rows)
                if written:
                    written.result()
                written = writing.submit(self._write, part, names, answers)
            if written:
                written.result()

    def _write(self, part: int, names: list[str], answers: list[Answers]) -> None:
        self._plan.write(part, table_of(names, answers, self._engine.labels, self._engine.task))

    def _answered(self, reader: Reader, parts: Iterable[int]) -> Iterator[tuple[_Group, list[Answers]]]:
        def fetch(group: _Group) -> _Group:
            return group._replace(data=[_read(reader, row) for row in group.rows])

        def answer(group: _Group) -> tuple[_Group, list[Answers]]:
            batches = (group.data[start : start + batch] for start in range(0, len(group.rows), batch))
            return group._replace(data=[]), [self._answer(data) for data in batches]

        batch = self._plan.batch
        with parquet.ParquetFile(self._plan.inputs) as inputs:
            readers = self._readers(inputs) if reader.waits else self._threads
            with ThreadPoolExecutor(readers) as reading, ThreadPoolExecutor(self._threads) as running:
                fetched = ahead(reading, fetch, self._groups(inputs, parts), most=readers)
                yield from ahead(running, answer, fetched, most=2 * self._threads)

    def _readers(self, inputs: Any) -> int:
        """How many threads read from a network: fewer if the files are large."""
        mean = pc.mean(inputs.read(["size"])["size"]).as_py() or 0
        return max(2, min(_READERS, int(_AHEAD_BYTES / (mean * self._plan.batch + 1))))

    def _groups(self, inputs: Any, parts: Iterable[int]) -> Iterator[_Group]:
        batch = self._plan.batch
        for part in parts:
            rows = inputs.read_row_group(part).to_pylist()
            start, held = 0, 0
            for end in range(batch, len(rows) + batch, batch):
                held += sum(row["size"] for row in rows[end - batch : end])
                if held >= _GROUP_BYTES or end - start >= _GROUP * batch or end >= len(rows):
                    yield _Group(part, rows[start:end], [])
                    start, held = end, 0

    def _answer(self, data: list[bytes | InputError]) -> Answers:
        digests = [None if isinstance(it, InputError) else digest_bytes(it) for it in data]
        decoded = [it if isinstance(it, InputError) else self._decode(it) for it in data]
        good = {index: it for index, it in enumerate(decoded) if not isinstance(it, InputError)}
        rows = np.full((len(data), len(self._engine.labels)), np.nan)
        try:
            rows[list(good)] = self._engine.predict_parts(list(good.values())).probabilities
        except BundleError:  # what the graph says of one of them is no number
            for index, it in good.items():
                rows[index] = self._alone(it)
        errors = [it.message if isinstance(it, InputError) else None for it in decoded]
        chosen: list[list[str]] = [[] for _ in data]
        for index in good:
            if np.isnan(rows[index, 0]):
                errors[index] = "the probabilities that the model gives for it are not numbers"
            else:
                (chosen[index],) = self._engine.labels_of(rows[index : index + 1])
        return Answers(digests, errors, chosen, *likeliest(rows))

    def _decode(self, data: bytes) -> np.ndarray | InputError:
        try:
            return self._engine.decode(data)
        except InputError as error:
            return error

    def _alone(self, sample: np.ndarray) -> np.ndarray | float:
        try:
            alone: np.ndarray = self._engine.predict_parts([sample]).probabilities[0]
        except BundleError:
            return np.nan
        return alone


def _read(reader: Reader, row: Row) -> bytes | InputError:
    try:
        return reader.read(row)
    except InputError as error:
        return error
