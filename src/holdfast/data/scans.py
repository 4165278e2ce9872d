"""What an earlier look at a source found, so that a file is read again only if it changed."""

import hashlib
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast import __version__
from holdfast.core.files import ASIDE
from holdfast.data.look import Seen
from holdfast.data.parquets import read_parquet, whole
from holdfast.data.plan import Plan

_FRESH_NS = 2 * 10**9
"""A file written so shortly before it was read may have been written again in the same tick of its clock."""
_STAMPS = ("size", "changed", "inode")
_OWN = ("name", "digest", *_STAMPS)


class Scan:
    """The record of one source: a file that may be deleted at any time; everything is read again then.

    Args:
        folder: where the records of a dataset lie.
        source: what was scanned.
    """

    def __init__(self, folder: Path, source: str) -> None:
        key = hashlib.sha256(str(Path(source).resolve()).encode("utf-8", "backslashreplace")).hexdigest()
        self._path = folder / f"{key[:16]}.parquet"
        self._began = time.time_ns()
        self._holding = -1

    def unchanged(self, plan: Plan) -> Seen | None:
        """What is known of those rows of a plan whose files have the size, time and inode that they had."""
        if not plan.has_files or (record := self._read(plan)) is None:
            return None
        places = pc.index_in(plan.rows.column("name"), whole(record.column("name")))
        there = ~np.asarray(places.is_null())
        at = places.fill_null(0).to_numpy()
        for stamp in _STAMPS:
            there &= plan.rows.column(stamp).to_numpy() == record.column(stamp).to_numpy()[at]
        rows = np.flatnonzero(there)
        self._holding = len(rows) if len(rows) == len(record) else -1  # it says nothing that is no longer so
        known = record.take(pyarrow.array(at[rows]))
        columns = {name: whole(known.column(name)) for name in known.column_names}
        facts = {name: column for name, column in columns.items() if name not in _OWN}
        kept = np.full(len(rows), -1, np.int64)
        return Seen(rows, columns["digest"], columns["size"].to_numpy(), kept, facts)

    def remember(self, plan: Plan, seen: Seen) -> bool:
        """Keep what was found, but for files so new that they may still be changing. Fails in silence.

        Returns:
            Whether there is no such file, nor one that cannot be used.
        """
        if not plan.has_files:
            return False
        rows = plan.rows.select(["name", *_STAMPS]).take(pyarrow.array(seen.rows))
        stable = (rows.column("changed").to_numpy() < self._began - _FRESH_NS) & (
            rows.column("size").to_numpy() == seen.lengths
        )
        every = bool(stable.all()) and len(rows) == len(plan.rows)
        if int(stable.sum()) == self._holding:  # and it says all there is to say
            return every
        record = rows.append_column("digest", seen.digests)
        for name, column in seen.facts.items():
            if name not in _OWN:
                record = record.append_column(name, column)
        record = record.filter(pyarrow.array(stable)).replace_schema_metadata(_made_by(plan))
        aside = self._path.with_name(f"{ASIDE}{uuid.uuid4().hex}")
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            parquet.write_table(record, aside, compression="zstd", use_dictionary=False)
            aside.replace(self._path)
        return every

    def _read(self, plan: Plan) -> pyarrow.Table | None:
        try:
            record = read_parquet(self._path)
        except (OSError, pyarrow.ArrowException):  # none, or cut short
            return None
        same = (record.schema.metadata or {}).items() >= _made_by(plan).items()
        return record if same and len(record) else None


def _made_by(plan: Plan) -> dict[bytes, bytes]:
    """Another release may measure other facts, or refuse other files."""
    return {b"holdfast": __version__.encode(), b"modality": plan.modality.encode()}
