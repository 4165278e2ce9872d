"""What a server's journal holds: show it, export it as a dataset, compact it, remove what is old."""

import csv
import io
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError
from holdfast.core.files import write_bytes, write_text
from holdfast.core.locks import locked
from holdfast.monitor.journal import Record, input_of, latest, newest, records_of, unique, with_truths
from holdfast.monitor.retention import PARQUET, remove_old
from holdfast.monitor.segments import FINISHED, OPEN
from holdfast.monitor.stores import Folder, Store, open_store

_DAY_S = 86400


def journal_show(where: str, *, limit: int = 20) -> list[Record]:
    """The newest predictions that are not compacted, each with its `truth`, the newest first.

    Args:
        where: as `serve.journal.where`.
        limit: at most so many.

    Raises:
        DataError: if there is no journal.
    """
    return newest([_store(where)], limit)


def journal_export(where: str, folder: Path, *, model: str | None = None) -> dict[str, Any]:
    """Make a dataset of predictions that have a true label and whose input was kept.

    Args:
        where: as `serve.journal.where`.
        folder: gets `labels.csv` and the inputs under `files/`; `holdfast data add` takes it.
        model: only what the model of this name predicted, such as `birds`.

    Returns:
        How many samples there are, the `labels` that the table has, how many predictions were
        left out, and why; and of how many labels the journal has no prediction.

    Raises:
        DataError: if there is no journal, nothing in it that can be exported, or what several models were
            asked: that makes no dataset.
    """
    store = _store(where)
    truths, rows = _truths(store), []
    left = {"not labelled": 0, "no input": 0}
    labelled = []
    known = set()
    for record in with_truths(unique(_predictions(store)), truths):
        known.add(record["id"])
        if record["truth"] is None:
            left["not labelled"] += 1
        elif model not in (None, _name(record)):
            left["of other models"] = left.get("of other models", 0) + 1
        elif record.get("task") == "single" and len(record["truth"]["labels"]) != 1:
            left["not one label"] = left.get("not one label", 0) + 1
        else:
            labelled.append(record)
    _check_one(where, {_name(record) for record in labelled})
    for record in labelled:
        try:
            data = input_of([store], record)
        except FileNotFoundError:
            left["no input"] += 1
            continue
        file = f"files/{record['input']['file']}"
        write_bytes(folder / file, data)
        rows.append({"file": file, **record})
    if not rows:
        raise DataError(
            f"no prediction in {where} has both a true label and its input "
            f"({left['not labelled']} without a label, {left['no input']} labelled without an input)",
            hint="label some at /review, or keep inputs with serve.journal.inputs=1",
        )
    write_text(folder / "labels.csv", _table(rows))
    unknown = sum(said["labels"] is not None for number, said in truths.items() if number not in known)
    return {
        "samples": len(rows),
        "labels": _labels(rows),
        "left_out": left,
        "labels_without_prediction": unknown,
        "folder": str(folder),
    }


def journal_compact(where: str, *, days: float = 0) -> dict[str, Any]:
    """Turn finished segments into Parquet, one or more files a day. Killed and run again, it goes on.

    Args:
        where: as `serve.journal.where`.
        days: leave what is younger; the review page shows what is not compacted.

    Raises:
        DataError: if there is no journal.
    """
    from holdfast.workflows.journal_parquet import pieces, tidy, write_piece

    store = _store(where)
    local = isinstance(store, Folder)
    lock = locked(Path(store.uri) / ".compact.lock", what=f"the journal {where}") if local else nullcontext()
    until = time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - days * _DAY_S))
    done = {"segments": 0, "predictions": 0, "feedback": 0, "torn": 0}
    with lock:
        tidy(store)
        sizes = store.sizes(FINISHED)
        old = {path: size for path, size in sizes.items() if days == 0 or Path(path).stem < until}
        truths = _truths(store)
        for paths in pieces(old):
            for name, count in write_piece(store, paths, truths).items():
                done[name] += count
    return done


def journal_prune(where: str, *, days: float) -> dict[str, Any]:
    """Remove the finished files, compacted or not, of days that ended more than so many days ago.

    Raises:
        DataError: if there is no journal.
    """
    return {"removed": remove_old(_store(where), days, time.time())}


def _store(where: str) -> Store:
    store = open_store(where)
    if isinstance(store, Folder) and not any(
        (store.folder / it).is_dir() for it in (FINISHED, OPEN, PARQUET)
    ):
        raise DataError(
            f"there is no journal in {where}", hint="give what the server has as serve.journal.where"
        )
    return store


def _predictions(store: Store) -> Iterator[Record]:
    yield from _compacted(store, "predictions")
    yield from (record for record in records_of([store]) if record["kind"] == "prediction")


def _compacted(store: Store, kind: str) -> Iterator[Record]:
    if store.sizes(PARQUET):  # else it runs without pyarrow
        from holdfast.workflows.journal_parquet import compacted

        yield from compacted(store, kind)


def _truths(store: Store) -> dict[str, Record]:
    said = (record for record in records_of([store]) if record["kind"] == "feedback")
    return latest([*_compacted(store, "feedback"), *said])


def _check_one(where: str, models: set[str]) -> None:
    """What several models were asked makes no dataset: other labels, and maybe sounds beside pictures."""
    if len(models) > 1:
        names = sorted(models)
        raise DataError(
            f"{where} has true labels for several models: {', '.join(names)}",
            hint=f"export one of them, such as --model {names[0]}",
        )


def _name(record: Record) -> str:
    """Of the model, without its version."""
    return str(record["model"]).partition("@")[0]


def _labels(rows: list[Record]) -> list[str]:
    """The labels that somebody gave; where there can be many, also those that the model's answers name.

    Who says which of many labels are there says of the others that they are not.
    """
    found = {label for row in rows for label in row["truth"]["labels"]}
    if _are_many(rows):
        found |= {label for row in rows for label in dict(row["probabilities"])}
    return sorted(found)


def _are_many(rows: list[Record]) -> bool:
    return any(row.get("task") == "multi" for row in rows)


def _table(rows: list[Record]) -> str:
    """A row a sample: a column `label`, or, where there can be many labels, a column of 0 and 1 for each."""
    about = ["id", "time", "model", "name"]
    many = _are_many(rows)
    names = _labels(rows) if many else ["label"]
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["file", *names, *about, "predicted"])
    for row in rows:
        true = row["truth"]["labels"]
        values = [int(name in true) for name in names] if many else true
        table.writerow([row["file"], *values, *(row[key] for key in about), "|".join(row["labels"])])
    return file.getvalue()
