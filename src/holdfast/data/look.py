"""Looks at every sample once: its digest, what it measures, and whether it can be used at all."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.ahead import ahead
from holdfast.core.cores import cores
from holdfast.core.errors import DataError, InputError
from holdfast.core.media import Modality
from holdfast.core.progress import progress
from holdfast.data.parquets import whole
from holdfast.data.plan import Plan, Quarantined
from holdfast.data.source import Source
from holdfast.data.spill import Spill

Fact = int | float | str
Probe = Callable[[Modality, bytes], Mapping[str, Fact]]
"""Decodes a sample whole and says what it measured; raises InputError if it cannot be decoded."""

_CHUNK = 256
_FIRST, _FEW = 32, 8
_BUSY = 0.7
_SMALL_BYTES = 32 * 2**10
_CHUNK_BYTES = 8 * 2**20
"""So much is held by each thread before it is put aside."""


@dataclass(frozen=True)
class Seen:
    """What was found out about samples, in columns.

    Attributes:
        rows: which rows of the plan these are, int64.
        digests: SHA-256 of each one's bytes, in hexadecimal.
        lengths: bytes, int64.
        kept: where the spill keeps the bytes, int64; -1 if it does not.
        facts: what the probe measured.
    """

    rows: np.ndarray
    digests: pyarrow.Array
    lengths: np.ndarray
    kept: np.ndarray
    facts: dict[str, pyarrow.Array]

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, places: np.ndarray) -> "Seen":
        """Only these, in this order."""
        taken = pyarrow.array(places)
        facts = {name: values.take(taken) for name, values in self.facts.items()}
        digests = self.digests.take(taken)
        return Seen(self.rows[places], digests, self.lengths[places], self.kept[places], facts)


def look(
    source: Source, plan: Plan, probe: Probe, spill: Spill, *, known: Seen | None = None
) -> tuple[Seen, list[Quarantined]]:
    """Read and decode samples in threads.

    Args:
        source: where they come from.
        plan: its rows.
        probe: decodes one.
        spill: takes their bytes as far as they fit.
        known: rows that need not be looked at again.

    Returns:
        All rows that are good, sorted by digest, then by name and labels; and those that are not.
    """
    todo = np.arange(len(plan.rows))
    if known is not None:
        todo = np.setdiff1d(todo, known.rows, assume_unique=True)
    looker = _Looker(source, plan, probe, spill)
    parts, quarantined = [] if known is None else [known], list(plan.quarantined)
    with progress("reading", len(todo), unit="samples") as bar:
        for found, bad in looker.all(todo):
            bar.advance(len(found) + len(bad))
            parts.append(found)
            quarantined += bad
    seen = _joined(parts)
    parts.clear()  # of a million samples they are a hundred megabytes
    return seen.at(_order(seen, plan)), sorted(quarantined, key=lambda item: (item.name, item.reason))


class _Looker:
    def __init__(self, source: Source, plan: Plan, probe: Probe, spill: Spill) -> None:
        self.source, self.modality, self.probe, self.spill = source, plan.modality, probe, spill
        self.names = plan.rows.column("name")
        self.texts = None if plan.has_files else plan.rows.column("text")

    def all(self, rows: np.ndarray) -> Iterator[tuple[Seen, list[Quarantined]]]:
        """What is found in each chunk: the first few samples alone, the others in as many threads as help."""
        busy, lengths = list[float](), list[np.ndarray]()
        for start in range(0, _FIRST, _FEW):
            wall, cpu = time.perf_counter(), time.thread_time()
            found, bad = self.chunk(rows[start : start + _FEW])
            busy.append((time.thread_time() - cpu) / max(1e-9, time.perf_counter() - wall))
            lengths.append(found.lengths)
            yield found, bad
        usual = sorted(busy)[len(busy) // 2]  # other processes take a core away from some of them
        chunks = (rows[start : start + _CHUNK] for start in range(_FIRST, len(rows), _CHUNK))
        threads = _threads(self.modality, np.concatenate(lengths), usual)
        if threads == 1:  # this one: what another one allocates, glibc asks of the system 8 KB at a time
            yield from map(self.chunk, chunks)
            return
        with ThreadPoolExecutor(threads) as pool:
            yield from ahead(pool, self.chunk, chunks, most=32)

    def chunk(self, rows: np.ndarray) -> tuple[Seen, list[Quarantined]]:
        seen, bad, held, held_bytes = _Chunk(), list[Quarantined](), list[bytes](), 0
        for row, name, data in self._payloads(rows):
            digest = ""
            try:
                if isinstance(data, InputError):
                    raise data
                digest = hashlib.sha256(data).hexdigest()
                if not data:
                    raise InputError("empty file")
                seen.facts.append(self.probe(self.modality, data))
            except InputError as error:
                bad.append(Quarantined(name, digest, error.message))
                continue
            seen.rows.append(row)
            seen.digests.append(digest)
            seen.lengths.append(len(data))
            held.append(data)
            held_bytes += len(data)
            if held_bytes > _CHUNK_BYTES:
                seen.kept.append(self.spill.keep(held))
                held, held_bytes = [], 0
        seen.kept.append(self.spill.keep(held))
        return seen.columns(), bad

    def _payloads(self, rows: np.ndarray) -> Iterator[tuple[int, str, bytes | InputError]]:
        places = pyarrow.array(rows)
        names = self.names.take(places).to_pylist()
        if self.texts is not None:
            yield from zip(rows.tolist(), names, self.texts.take(places).to_pylist(), strict=True)
            return
        read = self.source.read
        for row, name in zip(rows.tolist(), names, strict=True):
            try:
                data: bytes | InputError = read(name)
            except InputError as error:
                data = error
            yield row, name, data


def _threads(modality: Modality, lengths: np.ndarray, busy: float) -> int:
    """How many threads look at samples, by the bytes of a few and how much of the time they kept a core busy.

    Nearly all that is done for a small text in memory needs the interpreter's lock: threads that pass it to
    and fro took half as long again for 20,000 texts of 8 KB. Decoders, digests of long files and slow disks
    leave it to others.
    """
    if modality == "text" and busy > _BUSY and len(lengths) and lengths.mean() < _SMALL_BYTES:
        return 1
    return min(16, cores() + 1)


@dataclass
class _Chunk:
    rows: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    kept: list[np.ndarray] = field(default_factory=list)
    facts: list[Mapping[str, Fact]] = field(default_factory=list)

    def columns(self) -> Seen:
        keys = dict.fromkeys(key for facts in self.facts for key in facts)
        return Seen(
            np.array(self.rows, np.int64),
            pyarrow.array(self.digests, pyarrow.string()),
            np.array(self.lengths, np.int64),
            np.concatenate(self.kept),
            {key: _fact_column([facts.get(key) for facts in self.facts]) for key in keys},
        )


def _joined(parts: list[Seen]) -> Seen:
    numbers = (
        np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, np.int64)])
        for name in ("rows", "lengths", "kept")
    )
    rows, lengths, kept = numbers
    digests = pyarrow.concat_arrays([part.digests for part in parts] or [pyarrow.array([], pyarrow.string())])
    facts = {}
    for key in sorted({key for part in parts for key in part.facts}):
        columns = [part.facts.get(key, pyarrow.nulls(len(part))) for part in parts]
        kind = _widest({column.type for column in columns})
        facts[key] = pyarrow.concat_arrays([column.cast(kind) for column in columns])
    return Seen(rows, digests, lengths, kept, facts)


def _fact_column(values: list[Fact | None]) -> pyarrow.Array:
    kinds = {type(value) for value in values if value is not None}
    if str in kinds:
        return pyarrow.array([None if v is None else str(v) for v in values], pyarrow.string())
    return pyarrow.array(values, pyarrow.float64() if float in kinds else pyarrow.int64())


def _widest(kinds: set[pyarrow.DataType]) -> pyarrow.DataType:
    return next((k for k in (pyarrow.string(), pyarrow.float64()) if k in kinds), pyarrow.int64())


def _order(seen: Seen, plan: Plan) -> np.ndarray:
    rows = pyarrow.array(seen.rows)
    labels = pc.binary_join(whole(plan.rows.column("labels").take(rows)), "\0")
    keys = {"digest": seen.digests, "name": plan.rows.column("name").take(rows), "labels": labels}
    order = pc.sort_indices(pyarrow.table(keys), sort_keys=[(key, "ascending") for key in keys])
    return np.asarray(order.to_numpy())


def refuse_empty(seen: Seen, quarantined: list[Quarantined]) -> None:
    """Raise DataError if no sample is good; the reasons are counted."""
    if len(seen):
        return
    counts = pc.value_counts(pyarrow.array([item.reason for item in quarantined])).to_pylist()
    counts.sort(key=lambda entry: -entry["counts"])
    reasons = "\n".join(f"  {entry['counts']:,} × {entry['values']}" for entry in counts)
    raise DataError(
        f"none of {len(quarantined):,} samples can be used:\n{reasons}\nfor example {quarantined[0].name!r}",
        hint="open one of these files with another program to see what it is",
    )
