"""Reads a journal: what was predicted, and what people said later that was true."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from holdfast.monitor.segments import FINISHED, OPEN, finished_path, records_in, writer_of
from holdfast.monitor.stores import Store

Record = dict[str, Any]


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
