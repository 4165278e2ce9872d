"""Takes a source into the store: every sample looked at, digested, split and kept."""

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError, InputError
from holdfast.core.files import clear_aside, digest_bytes, folder_aside, publish, room_told, write_json
from holdfast.core.locks import locked
from holdfast.core.media import TABLES
from holdfast.core.progress import progress
from holdfast.core.refs import check_name
from holdfast.data.fetch import open_any
from holdfast.data.fingerprints import fingerprint
from holdfast.data.given import told_given
from holdfast.data.info import INFO, QUARANTINE, SAMPLES, VersionInfo, read_info, version_folder
from holdfast.data.layout import plan_source, refuse_one_label
from holdfast.data.lazy import LAZY
from holdfast.data.look import Probe, Seen, look, refuse_empty
from holdfast.data.notes import sample_notes, told_gone
from holdfast.data.parquets import read_parquet, whole
from holdfast.data.plan import META, SPLITS, Plan, Quarantined, SourceOptions, some, storable, telling
from holdfast.data.records import Store, count_groups, quarantine_table, samples_table, written_places
from holdfast.data.restore import restore_shard
from holdfast.data.scans import Scan
from holdfast.data.shards import Members, plain_suffixes, write_shards
from holdfast.data.shares import told_shares
from holdfast.data.sheet_columns import name_of
from holdfast.data.source import Source
from holdfast.data.spill import Spill
from holdfast.data.splits import Columns, Shares, assign_splits
from holdfast.data.stamps import Stamp
from holdfast.data.times import read_times
from holdfast.data.units import index_of
from holdfast.data.version import label_counts

_Read = Callable[[range], list[bytes]]
_REPEATED = ["split", "shard"]
"""Columns with few different values; dictionaries of others only make a file slower to read."""


def ingest(
    source: str | Path,
    root: Path,
    name: str,
    *,
    options: SourceOptions | None = None,
    probe: Probe,
    verify: bool = False,
    apart: Sequence[Path] = (),
) -> VersionInfo:
    """Take a source into the dataset `name`, as its next version.

    What is there already is neither written again nor changed: the same content gives the same version,
    samples keep their splits, and a version appears whole or not at all, whenever this is killed.

    Args:
        source: a folder, a table, a zip or a tar; here, or at `s3://`, `gs://`, `https://`, `hf://datasets/…`.
        root: the folder of all datasets.
        name: of the dataset; made if it is not there.
        options: what the user says about the source.
        probe: looks at each sample; those that it refuses are quarantined with the reason.
        verify: read everything, also files that have the size, time and inode that they had when they were
            last read, and check every byte that is stored.
        apart: folders that are no part of the source, should they lie in it; `root` is none in any case.

    Raises:
        DataError: if the source cannot be understood, or nothing in it can be decoded.
        RefError: if the name is none.
    """
    check_name(name)
    options = options or SourceOptions()
    _check_shares(options)
    with open_any(source, ignore=options.ignore, apart=(root, *apart)) as opened:
        scan = Scan(root / name / "scans", str(source))
        plan = plan_source(opened, options)
        home = root / name
        lock = locked(home / ".lock", what=f"dataset {name}")
        with lock, room_told(home), Spill(home, expected=_sum_of_sizes(plan)) as spill:
            for folder in (home, home / "shards", home / "versions", home / "scans"):
                clear_aside(folder)
            store = Store(root, name, verify=verify)
            known = None if verify else _still_there(scan.unchanged(plan), store)
            seen, quarantined = look(opened, plan, probe, spill, known=known)
            refuse_empty(seen, quarantined)
            writer = _Writer(store, opened, plan, spill, verify=verify)
            with telling(quarantined):
                info = writer.write(seen, quarantined, options, _title(source))
            trusted = scan.remember(plan, seen)
            if trusted and writer.settled and (marks := _marks_of(opened)):
                notes = tuple(dict.fromkeys(info.notes))
                Stamp(root, name, source, options, apart).keep(marks, replace(info, notes=notes))
            return info


def _title(source: str | Path) -> str:
    """The source without secrets, as JSON can hold it: a path on Linux may be any bytes."""
    return masked(str(source)).encode("utf-8", "backslashreplace").decode()


def _marks_of(opened: Source) -> tuple[str, ...]:
    """The marks of a folder of files; none where there is a table, which is read each time."""
    marks = () if opened.table else opened.listing.marks
    return () if marks and any(opened.listing.ends_with(end).any() for end in TABLES) else marks


def _sum_of_sizes(plan: Plan) -> int:
    sizes = plan.rows.column("size") if plan.has_files else pc.binary_length(plan.rows.column("text"))
    return pc.sum(sizes).as_py() or 0


def _still_there(known: Seen | None, store: Store) -> Seen | None:
    """Those of the known rows whose bytes are in the store."""
    if known is None:
        return None
    places = store.places(without=store.damaged(known.digests, verify=False))
    there = index_of(known.digests, places.column("digest")) >= 0
    return known if there.all() else known.at(np.flatnonzero(there))


class _Writer:
    """Writes one version: first the shards, then, in one step, the version that speaks of them."""

    def __init__(self, store: Store, source: Source, plan: Plan, spill: Spill, *, verify: bool) -> None:
        self.store, self.source, self.plan, self.spill, self.verify = store, source, plan, spill, verify
        self.settled = False
        """Whether another look at the same source and the store as it is now would end with the same."""

    def write(
        self, seen: Seen, quarantined: list[Quarantined], options: SourceOptions, title: str
    ) -> VersionInfo:
        rows = self.plan.rows.select(["labels", "group", "split"]).take(pyarrow.array(seen.rows))
        labels, named, given = (whole(rows.column(name)) for name in rows.column_names)
        groups = pc.if_else(pc.equal(named, ""), seen.digests, named)  # where none is known, copies are one
        times = self._times(seen, options.time)
        columns = Columns(seen.digests, labels, groups, given, times, fixed=self.plan.fixed)
        shares = Shares(options.test_share, options.valid_share, options.seed)
        earlier = self.store.splits()
        splits = assign_splits(columns, earlier, shares)
        lost, said = self._restore(seen)
        about_shares = told_shares(columns, splits, earlier, shares)
        mended, unmoved = bool(said), not about_shares and pc.all(pc.equal(given, "")).as_py()
        said += told_given(columns, splits, shares) + about_shares
        table = samples_table(self.plan, seen, splits, groups, self._store(seen, lost))
        refused = quarantine_table(quarantined)
        notes = [*self.plan.notes, *self.source.notes, *sample_notes(table, quarantined, earlier), *said]
        del earlier, columns, groups, labels, named, rows  # of a million samples hundreds of megabytes
        info = self._info(title, notes, table, refused)
        same = self._same_version(info, table, refused)
        # what is told of shares hangs on what was there before, and what a source gives may move copies
        self.settled = not mended and (same is not None or unmoved)
        if same is None:
            info = replace(info, notes=(*info.notes, *self._gone(info, table)))
            with folder_aside(self.store.root / self.store.name / "versions") as aside:
                parquet.write_table(table, aside / SAMPLES, compression="zstd", use_dictionary=_REPEATED)
                parquet.write_table(refused, aside / QUARANTINE, compression="zstd")
                write_json(aside / INFO, {**info.to_json(), "counts": label_counts(table, info.labels)})
                for shard in self.store.elsewhere.keys() & set(pc.unique(table.column("shard")).to_pylist()):
                    shutil.copy(self.store.elsewhere[shard], aside / LAZY)
                publish(aside, version_folder(self.store.root, self.store.name, info.version))
        self.store.drop_unused(pc.unique(table.column("shard")).to_pylist())
        return replace(same, notes=tuple(dict.fromkeys([*same.notes, *said]))) if same else info

    def _gone(self, info: VersionInfo, table: pyarrow.Table) -> list[str]:
        """What to say of the samples of the latest version that this one lacks or labels otherwise."""
        if not self.store.versions:
            return []
        refs = [f"{info.name}@{number}" for number in (self.store.versions[-1], info.version)]
        return told_gone(self.store.labels(self.store.versions[-1]), table, (refs[0], refs[1]))

    def _times(self, seen: Seen, column: str | None) -> np.ndarray | None:
        if column is None:
            return None
        kept = META + storable(name_of(column) if self.plan.fixed else column)
        rows = self.plan.rows.select([kept, "name"]).take(pyarrow.array(seen.rows))
        return read_times(rows.column(0), column, rows.column("name").to_pylist())

    def _restore(self, seen: Seen) -> tuple[set[str], list[str]]:
        """Put back damaged shards that hold these samples: those that stay damaged, and what to say."""
        damaged = sorted(self.store.damaged(seen.digests, verify=self.verify))
        if not damaged:
            return set(), []
        digests, suffixes, read, _ = self._payloads(seen, _first_rows(seen, self.plan))
        source = {
            digest: (suffix, lambda place=place: read(range(place, place + 1))[0])
            for place, (digest, suffix) in enumerate(
                zip(digests.to_pylist(), suffixes.to_pylist(), strict=True)
            )
        }
        restored = {name for name in damaged if restore_shard(name, self.store, source)}
        lost = set(damaged) - restored
        notes = []
        if restored:
            notes.append(f"{len(restored):,} damaged shards were restored from the source")
        if lost:
            notes.append(
                f"{len(lost):,} damaged shards of earlier versions could not be restored, because the source "
                f"is another than they were made from: {some(sorted(lost))}; what it has was stored anew"
            )
        return lost, notes

    def _store(self, seen: Seen, damaged: Collection[str]) -> pyarrow.Table:
        """Where the bytes of each digest lie, after writing those that were nowhere yet."""
        known = self.store.places(without=damaged)
        self.store.forget()
        first = _first_rows(seen, self.plan)
        digests = seen.digests if len(first) == len(seen) else seen.digests.take(pyarrow.array(first))
        fresh = first[index_of(digests, known.column("digest")) < 0]
        digests, suffixes, read, lengths = self._payloads(seen, fresh)
        if not len(digests):
            return known
        with progress("storing", len(digests), unit="samples") as bar:

            def counted(places: range) -> list[bytes]:
                bar.advance(len(places))
                return read(places)

            members = Members(digests, suffixes, lengths, counted)
            written = write_shards(self.store.shards, members)
        return pyarrow.concat_tables([known, written_places(digests, lengths, written)]).unify_dictionaries()

    def _payloads(
        self, seen: Seen, chosen: np.ndarray
    ) -> tuple[pyarrow.Array, pyarrow.Array, _Read, np.ndarray]:
        """Digests, suffixes, how to read each, and lengths, of these rows."""
        names = whole(self.plan.rows.column("name").take(pyarrow.array(seen.rows[chosen])))
        digests = seen.digests if len(chosen) == len(seen) else seen.digests.take(pyarrow.array(chosen))
        suffixes = plain_suffixes(names) if self.plan.has_files else pyarrow.repeat(".txt", len(names))

        def read(places: range) -> list[bytes]:
            rows = chosen[places.start : places.stop]
            kept, lengths = seen.kept[rows].tolist(), seen.lengths[rows].tolist()
            return [
                self.spill.read(start, length) if start >= 0 else again(place)
                for place, start, length in zip(places, kept, lengths, strict=True)
            ]

        def again(place: int) -> bytes:
            if not self.plan.has_files:
                return bytes(self.plan.rows.column("text")[int(seen.rows[chosen[place]])].as_py())
            name = names[place].as_py()
            hint = "run the command again, when nothing writes there; or --ignore it"
            try:
                data = self.source.read(name)
            except InputError as error:
                raise DataError(
                    f"{name!r}, which was good a moment ago: {error.message}", hint=hint
                ) from error
            if digest_bytes(data) != digests[place].as_py():
                raise DataError(f"{name!r} changed while it was being read", hint=hint)
            return data

        return digests, suffixes, read, seen.lengths[chosen]

    def _info(
        self, title: str, notes: Sequence[str], table: pyarrow.Table, refused: pyarrow.Table
    ) -> VersionInfo:
        counts = {row["values"]: row["counts"] for row in pc.value_counts(table.column("split")).to_pylist()}
        return VersionInfo(
            name=self.store.name,
            version=self.store.next_number(),
            fingerprint=fingerprint(table),
            modality=self.plan.modality,
            task=self.plan.task,
            labels=_labels(self.plan, table.column("labels")),
            samples=len(table),
            quarantined=len(refused),
            splits={split: counts.get(split, 0) for split in SPLITS},
            twins=pc.sum(table.column("twin")).as_py() or 0,
            groups=count_groups(table),
            source=title,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=tuple(notes),
        )

    def _same_version(
        self, info: VersionInfo, table: pyarrow.Table, refused: pyarrow.Table
    ) -> VersionInfo | None:
        """The latest version with the same content, down to metadata and quarantine, if there is one."""
        for number in reversed(self.store.versions):
            try:
                other = read_info(self.store.root, self.store.name, number)
            except DataError:  # what it held cannot be told, so this is another one
                continue
            same = all(
                getattr(other, part) == getattr(info, part)
                for part in ("fingerprint", "labels", "task", "modality")
            )
            if same and self.store.has(number, table):
                folder = version_folder(self.store.root, self.store.name, number)
                if read_parquet(folder / QUARANTINE).equals(refused):
                    return other
        return None


def _first_rows(seen: Seen, plan: Plan) -> np.ndarray:
    """The place of one row for each digest; of copies, the first by suffix and name, on any machine."""
    same = (
        np.asarray(pc.equal(seen.digests[1:], seen.digests[:-1]), bool)
        if len(seen) > 1
        else np.zeros(0, bool)
    )
    if not same.any():
        return np.arange(len(seen))
    names = whole(plan.rows.column("name").take(pyarrow.array(seen.rows)))
    keys = {"digest": seen.digests, "suffix": plain_suffixes(names), "name": names}
    order = pc.sort_indices(pyarrow.table(keys), sort_keys=[(key, "ascending") for key in keys]).to_numpy()
    return np.asarray(
        order[np.r_[True, ~same]]
    )  # rows are sorted by digest, so copies stand together in both


def _labels(plan: Plan, used: pyarrow.ChunkedArray) -> tuple[str, ...]:
    """One label: those that good samples have. Many: all columns, since none may be present for a while."""
    if plan.task == "multi":
        return plan.labels
    labels = tuple(sorted(pc.unique(pc.list_flatten(used)).to_pylist()))
    refuse_one_label(labels, len(used))
    return labels


def _check_shares(options: SourceOptions) -> None:
    test, valid = options.test_share, options.valid_share
    if not (0 <= test <= 1 and 0 <= valid < 1 and (test + valid < 1 or (test, valid) == (1, 0))):
        raise DataError(
            f"a test share of {test} and a validation share of {valid} cannot be cut",
            hint="give shares from 0 up that sum to less than 1, such as 0.2 and 0.1; "
            "or 1 and 0 where all is there to test on",
        )
