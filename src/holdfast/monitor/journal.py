"""Reads a journal: what was predicted, and what people said later that was true."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from holdfast.monitor.segments import FINISHED, OPEN, finished_path, records_in, writer_of
from holdfast.monitor.stores import Store

Record = dict[str, Any]
_STAMP = len("20261121T205233")
_LONGEST = timedelta(hours=2)
"""Segments are open for less, with any setting that makes sense."""


def segments_of(stores: Sequence[Store]) -> dict[str, tuple[Store, str, int]]:
    """Every segment of a journal, the oldest first: its name → the store, the path there, and its length.

    Args:
        stores: all that hold parts of it: a spool, a bucket; one that is in two counts once.
    """
    found: dict[str, tuple[Store, str, int]] = {}
    for store in stores:
        for folder in (FINISHED, OPEN):
            for path, size in store.sizes(folder).items():
                name = PurePosixPath(path)
                if name.suffix == ".jsonl" and writer_of(name.stem):
                    found.setdefault(name.stem, (store, path, size))
    return dict(sorted(found.items()))


def read_segment(stores: Sequence[Store], name: str, suffix: str = ".jsonl", **span: int) -> bytes:
    """The bytes of a segment's file, wherever it is: it may be finished or moved at any moment.

    Args:
        suffix: `.jsonl` for its records, `.tar` for its inputs.
        span: offset and length of a part.

    Raises:
        FileNotFoundError: if it is nowhere.
    """
    for _ in range(2):  # it may have left a place that was asked already
        for store in stores:
            for path in (f"{OPEN}/{name}{suffix}", finished_path(name, suffix)):
                try:
                    return store.read(path, **span)
                except FileNotFoundError:
                    continue
    raise FileNotFoundError(finished_path(name, suffix))


def newest(stores: Sequence[Store], count: int) -> list[Record]:
    """The latest predictions of the segments, the newest first, each with its `truth`.

    Only as much is read as may hold them and what was said of them.
    """
    predictions: list[Record] = []
    feedback: list[Record] = []
    for name in sorted(segments_of(stores), reverse=True):
        if len(predictions) >= count and name[:_STAMP] < _before(predictions, count):
            break
        records = records_in(read_segment(stores, name))[0]
        predictions += [record for record in records if record["kind"] == "prediction"]
        feedback += [record for record in records if record["kind"] == "feedback"]
    first = sorted(unique(predictions), key=lambda it: str(it["id"]), reverse=True)[:count]
    return with_truths(first, latest(feedback))


def with_truths(predictions: Iterable[Record], truths: Mapping[str, Record]) -> list[Record]:
    """Predictions, each with `truth`: labels, time and by whom; None where nothing was said, or withdrawn."""
    found = []
    for record in predictions:
        said = truths.get(record["id"])
        is_true = said is not None and said["labels"] is not None
        truth = {key: said.get(key) for key in ("labels", "time", "by")} if said and is_true else None
        found.append({**record, "truth": truth})
    return found


def unique(records: Iterable[Record]) -> Iterator[Record]:
    """Each record once: after a fault of a disk, one may have been written twice."""
    seen: set[str] = set()
    for record in records:
        if record["id"] not in seen:
            seen.add(record["id"])
            yield record


def _before(predictions: list[Record], count: int) -> str:
    """How a segment's name begins that ended before these predictions: a segment is open for a while."""
    oldest = sorted((str(it["time"]) for it in predictions), reverse=True)[count - 1]
    return f"{datetime.fromisoformat(oldest).astimezone(UTC) - _LONGEST:%Y%m%dT%H%M%S}"


def records_of(stores: Sequence[Store]) -> Iterator[Record]:
    """All records that were written to their end, the oldest segment first."""
    for name in segments_of(stores):
        yield from records_in(read_segment(stores, name))[0]


def input_of(stores: Sequence[Store], record: Record) -> bytes:
    """The input that was kept with a prediction.

    Raises:
        FileNotFoundError: if none was, or it is not there any more.
    """
    place = record.get("input")
    if not place:
        raise FileNotFoundError(f"no input was kept of {record['id']}")
    name = PurePosixPath(place["tar"]).stem
    data = read_segment(stores, name, ".tar", offset=place["offset"], length=place["bytes"])
    if len(data) != place["bytes"]:
        raise FileNotFoundError(f"the input of {record['id']} was cut short")
    return data


def latest(feedback: Iterable[Record]) -> dict[str, Record]:
    """What counts of all that was said: the latest of each prediction, by its id.

    Ids of feedback are in order of time, and within a server in the order in which it was said.

    >>> said = [{"id": "2", "prediction": "a", "labels": [7]}, {"id": "1", "prediction": "a", "labels": [5]}]
    >>> latest(said)["a"]["labels"]
    [7]
    """
    found: dict[str, Record] = {}
    for record in feedback:
        known = found.get(record["prediction"])
        if known is None or known["id"] < record["id"]:
            found[record["prediction"]] = record
    return found
