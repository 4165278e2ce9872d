"""Finished segments of a journal as Parquet: smaller, typed, and read by anything."""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq

from holdfast.monitor.journal import Record, unique, with_truths
from holdfast.monitor.retention import PARQUET
from holdfast.monitor.segments import FINISHED, records_in
from holdfast.monitor.stores import Store

_META = b"holdfast"
_PIECE_BYTES = 128 << 20
"""Lines of JSON that become one file: what is in memory at once is some times as much."""
_TIME = pyarrow.timestamp("ms", tz="UTC")
_NUMBERS = pyarrow.map_(pyarrow.string(), pyarrow.float64())
_TEXTS = pyarrow.list_(pyarrow.string())
_INPUT = pyarrow.struct(
    [
        ("tar", pyarrow.string()),
        ("file", pyarrow.string()),
        ("offset", pyarrow.int64()),
        ("bytes", pyarrow.int64()),
    ]
)
_TRUTH = pyarrow.struct([("labels", _TEXTS), ("time", _TIME), ("by", pyarrow.string())])
PREDICTIONS = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("time", _TIME),
        ("request", pyarrow.string()),
        ("model", pyarrow.string()),
        ("digest", pyarrow.string()),
        ("modality", pyarrow.string()),
        ("task", pyarrow.string()),
        ("name", pyarrow.string()),
        ("labels", _TEXTS),
        ("probabilities", _NUMBERS),
        ("uncertainty", pyarrow.float64()),
        ("features", _NUMBERS),
        ("embedding", pyarrow.list_(pyarrow.float32())),
        ("seconds", pyarrow.float64()),
        ("input", _INPUT),
        ("truth", _TRUTH),
    ]
)
"""`truth`: what was known when the file was written; later words are in later files of feedback."""
FEEDBACK = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("prediction", pyarrow.string()),
        ("time", _TIME),
        ("labels", _TEXTS),
        ("by", pyarrow.string()),
    ]
)


def pieces(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Paths of finished segments, of one day and at most so many bytes at a time."""
    piece: list[str] = []
    for path in sorted(path for path in sizes if path.endswith(".jsonl")):
        other_day = bool(piece) and Path(piece[0]).parent != Path(path).parent
        if piece and (other_day or sum(sizes[it] for it in piece) + sizes[path] > _PIECE_BYTES):
            yield piece
            piece = []
        piece.append(path)
    if piece:
        yield piece


def write_piece(store: Store, paths: list[str], truths: Mapping[str, Record]) -> dict[str, Any]:
    """Turn segments into Parquet, then remove them; the inputs stay where they are.

    The file of predictions is written last and names the segments in its footer. Done again after a kill, it
    writes the same files, or finds them there and only removes what is left.
    """
    names = [Path(path).stem for path in paths]
    read = [records_in(store.read(path)) for path in paths]
    records = [record for found, _ in read for record in found]
    predictions = with_truths(unique(_of(records, "prediction")), truths)
    feedback = list(unique(_of(records, "feedback")))
    key = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    top = f"{PARQUET}/{Path(paths[0]).parent.name}"
    if feedback:
        _put(store, f"{top}/feedback-{key}.parquet", feedback, FEEDBACK, names)
    _put(store, f"{top}/predictions-{key}.parquet", predictions, PREDICTIONS, names)
    for path in paths:
        store.remove(path)
    return {
        "segments": len(paths),
        "predictions": len(predictions),
        "feedback": len(feedback),
        "torn": sum(torn for _, torn in read),
    }


def tidy(store: Store) -> None:
    """Finish or take back what a kill left half done."""
    sizes = store.sizes(PARQUET)
    for path in sizes:
        other = path.replace("/feedback-", "/predictions-")
        if "/feedback-" in path and other not in sizes:
            store.remove(path)
    left = {Path(path).stem: path for path in store.sizes(FINISHED) if path.endswith(".jsonl")}
    days = {Path(path).parent.name for path in left.values()}
    for path in sizes:
        if "/predictions-" in path and Path(path).parent.name in days:
            for name in segments_in(store, path):
                if name in left:
                    store.remove(left[name])


def segments_in(store: Store, path: str) -> list[str]:
    """The names of the segments that a Parquet file was made of."""
    meta = pq.read_metadata(io.BytesIO(store.read(path))).metadata or {}
    return list(json.loads(meta.get(_META, b"{}")).get("segments", []))


def compacted(store: Store, kind: str) -> Iterator[Record]:
    """The records of a kind, `predictions` or `feedback`, that were compacted, the oldest day first."""
    for path in sorted(store.sizes(PARQUET)):
        if f"/{kind}-" in path:
            yield from _rows(store.read(path))


def _of(records: Iterable[Record], kind: str) -> Iterator[Record]:
    return (record for record in records if record["kind"] == kind)


def _put(store: Store, path: str, records: list[Record], schema: pyarrow.Schema, names: list[str]) -> None:
    rows = [
        {field.name: _typed(record.get(field.name), field.type) for field in schema} for record in records
    ]
    meta = {_META: json.dumps({"protocol": 1, "segments": names}).encode()}
    table = pyarrow.Table.from_pylist(rows, schema=schema.with_metadata(meta))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part.parquet"
        pq.write_table(table, file, compression="zstd")
        store.put(path, file)


def _typed(value: Any, kind: pyarrow.DataType) -> Any:
    """A value of JSON as Arrow takes it."""
    if value is None:
        return None
    if kind == _TIME:
        return datetime.fromisoformat(value)
    if kind == _NUMBERS:
        return list(value.items())
    if kind == _TRUTH:
        return {**value, "time": datetime.fromisoformat(value["time"])}
    return value


def _rows(data: bytes) -> Iterator[Record]:
    """The records of a file, as they are in segments, but with times as such."""
    for row in pq.read_table(io.BytesIO(data)).to_pylist():
        for name in ("probabilities", "features"):
            if name in row:
                row[name] = dict(row[name] or [])
        row["time"] = row["time"].isoformat(timespec="milliseconds")
        row["kind"] = "prediction" if "probabilities" in row else "feedback"
        yield row
