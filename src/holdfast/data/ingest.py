"""Takes a source into the store: every sample looked at, digested, split and kept."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow
from pyarrow import parquet

from holdfast.core.cores import cores
from holdfast.core.errors import DataError, InputError
from holdfast.core.files import clear_aside, digest_bytes, folder_aside, publish, write_json
from holdfast.core.locks import locked
from holdfast.core.media import Modality
from holdfast.core.progress import progress
from holdfast.core.refs import check_name
from holdfast.data.layout import plan_source, refuse_one_label
from holdfast.data.plan import SPLITS, Plan, Quarantined, Row, SourceOptions, some, telling
from holdfast.data.records import (
    Fact,
    Found,
    earlier_splits,
    known_places,
    quarantine_table,
    samples_table,
)
from holdfast.data.restore import damaged_shards, restore_shard
from holdfast.data.shards import Payload, Place, plain_suffix, write_shards
from holdfast.data.source import Source, open_source
from holdfast.data.splits import Earlier, Sample, Shares, assign_splits
from holdfast.data.version import (
    INFO,
    QUARANTINE,
    SAMPLES,
    VersionInfo,
    fingerprint,
    read_info,
    version_folder,
    versions_of,
)

Probe = Callable[[Modality, bytes], Mapping[str, Fact]]
"""Decodes a sample whole and says what it measured; raises InputError if it cannot be decoded."""

_BATCH = 2048
_NEAR = 0.05
"""Shares that differ by no more are as asked for."""


def ingest(
    source: str | Path, root: Path, name: str, *, options: SourceOptions | None = None, probe: Probe
) -> VersionInfo:
    """Take a source into the dataset `name`, as its next version.

    What is there already is neither written again nor changed: the same content gives the same version,
    samples keep their splits, and a version appears whole or not at all, whenever this is killed.

    Args:
        source: a folder, a table, a zip or a tar.
        root: the folder of all datasets.
        name: of the dataset; made if it is not there.
        options: what the user says about the source.
        probe: looks at each sample; those that it refuses are quarantined with the reason.

    Raises:
        DataError: if the source cannot be understood, or nothing in it can be decoded.
        RefError: if the name is none.
    """
    check_name(name)
    options = options or SourceOptions()
    _check_shares(options)
    with open_source(Path(source), ignore=options.ignore) as opened:
        plan = plan_source(opened, options)
        home = root / name
        with locked(home / ".lock", what=f"dataset {name}"):
            for folder in (home, home / "shards", home / "versions"):
                clear_aside(folder)
            found, quarantined = _look(opened, plan, probe)
            with telling(quarantined):
                return _Writer(root, name, opened, str(source)).write(plan, found, quarantined, options)


class _Writer:
    """Writes one version: first the shards, then, in one step, the version that speaks of them."""

    def __init__(self, root: Path, name: str, source: Source, title: str) -> None:
        self.root, self.name, self.source, self.title = root, name, source, title
        self.shards = root / name / "shards"
        self.earlier = {
            number: parquet.read_table(version_folder(root, name, number) / SAMPLES)
            for number in versions_of(root, name)
        }

    def write(
        self, plan: Plan, found: list[Found], quarantined: list[Quarantined], options: SourceOptions
    ) -> VersionInfo:
        samples = [Sample(f.digest, f.row.labels, f.group, f.row.split) for f in found]
        shares = Shares(options.test_share, options.valid_share, options.seed)
        earlier = earlier_splits(self.earlier.values())
        splits = assign_splits(samples, earlier, shares)
        first = _first_rows(found)
        lost, said = self._restore(first)
        said += _kept_aloud(samples, splits, earlier, shares)
        places = self._store(first, lost)
        table, refused = samples_table(found, splits, places), quarantine_table(quarantined)
        notes = [*plan.notes, *_aloud(found, splits, quarantined, earlier.digests), *said]
        info = self._info(plan, notes, table, refused)
        same = self._same_version(info, table, refused)
        if same is None:
            with folder_aside(self.root / self.name / "versions") as aside:
                parquet.write_table(table, aside / SAMPLES, compression="zstd")
                parquet.write_table(refused, aside / QUARANTINE, compression="zstd")
                write_json(aside / INFO, info.to_json())
                publish(aside, version_folder(self.root, self.name, info.version))
        self._drop_unused({place.shard for place in places.values()})
        return replace(same, notes=tuple(dict.fromkeys([*same.notes, *said]))) if same else info

    def _restore(self, first: Mapping[str, Row]) -> tuple[set[str], list[str]]:
        """Put back damaged shards that hold these samples: those that stay damaged, and what to say."""
        tables = list(self.earlier.values())
        source = {d: (_suffix(row), partial(self._read_again, row, d)) for d, row in first.items()}
        damaged = sorted(damaged_shards(tables, self.shards, first.keys()))
        restored = {name for name in damaged if restore_shard(name, tables, self.shards, source)}
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

    def _store(self, first: Mapping[str, Row], damaged: Collection[str]) -> dict[str, Place]:
        """Where the bytes of each digest lie, after writing those that were nowhere yet."""
        known = known_places(self.earlier.values(), self.shards, damaged=damaged)
        fresh = {digest: row for digest, row in first.items() if digest not in known}
        with progress("storing", len(fresh), unit="samples") as bar:

            def payload(digest: str, row: Row) -> Payload:
                def read() -> bytes:
                    bar.advance()
                    return self._read_again(row, digest)

                return Payload(digest, _suffix(row), read)

            written = write_shards(self.shards, [payload(digest, row) for digest, row in fresh.items()])
        return {digest: written.get(digest) or known[digest] for digest in first}

    def _read_again(self, row: Row, digest: str) -> bytes:
        data = _bytes_of(self.source, row)
        if digest_bytes(data) != digest:
            raise DataError(f"{row.name!r} changed while it was being read", hint="run the command again")
        return data

    def _info(
        self, plan: Plan, notes: Sequence[str], table: pyarrow.Table, refused: pyarrow.Table
    ) -> VersionInfo:
        columns = {name: table.column(name).to_pylist() for name in ("digest", "labels", "group", "split")}
        counts = Counter(columns["split"])
        return VersionInfo(
            name=self.name,
            version=max(self.earlier, default=0) + 1,
            fingerprint=fingerprint(*columns.values()),
            modality=plan.modality,
            task=plan.task,
            labels=_labels(plan, columns["labels"]),
            samples=len(table),
            quarantined=len(refused),
            splits={split: counts[split] for split in SPLITS},
            twins=sum(table.column("twin").to_pylist()),
            groups=len(set(columns["group"])),
            source=self.title,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=tuple(notes),
        )

    def _same_version(
        self, info: VersionInfo, table: pyarrow.Table, refused: pyarrow.Table
    ) -> VersionInfo | None:
        """The latest version with the same content, down to metadata and quarantine, if there is one."""
        for number in sorted(self.earlier, reverse=True):
            other = read_info(self.root, self.name, number)
            same = all(
                getattr(other, part) == getattr(info, part)
                for part in ("fingerprint", "labels", "task", "modality")
            )
            if same and self.earlier[number].equals(table):
                folder = version_folder(self.root, self.name, number)
                if parquet.read_table(folder / QUARANTINE).equals(refused):
                    return other
        return None

    def _drop_unused(self, used: set[str]) -> None:
        """Remove the shards of killed runs, which no version speaks of."""
        for table in self.earlier.values():
            used |= set(table.column("shard").unique().to_pylist())
        for path in self.shards.glob("*.tar"):
            if path.stem not in used:
                path.unlink(missing_ok=True)


def _look(source: Source, plan: Plan, probe: Probe) -> tuple[list[Found], list[Quarantined]]:
    """Read and decode every sample once, in threads; keep none of the bytes."""

    def look(row: Row) -> Found | Quarantined:
        digest = ""
        try:
            data = _bytes_of(source, row)
            digest = digest_bytes(data)
            if not data:
                raise InputError("empty file")
            return Found(row, digest, probe(plan.modality, data))
        except InputError as error:
            return Quarantined(row.name, digest, error.message)

    found: list[Found] = []
    quarantined = list(plan.quarantined)
    with (
        ThreadPoolExecutor(min(16, cores() + 1)) as threads,
        progress("reading", len(plan.rows), unit="samples") as bar,
    ):
        for batch in _batches(plan.rows):
            for seen in threads.map(look, batch):
                bar.advance()
                if isinstance(seen, Found):
                    found.append(seen)
                else:
                    quarantined.append(seen)
    _refuse_empty(found, quarantined)
    found.sort(key=lambda item: (item.digest, item.row.name, item.row.labels))
    return found, sorted(quarantined, key=lambda item: (item.name, item.reason))


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def _bytes_of(source: Source, row: Row) -> bytes:
    if row.text is not None:
        return row.text.encode("utf-8", "surrogatepass")  # the probe then says what is wrong with it
    assert row.file is not None
    return source.read(row.file)


def _first_rows(found: Sequence[Found]) -> dict[str, Row]:
    """The row of each digest; of copies, the first by suffix and name, on any machine."""
    first: dict[str, Row] = {}
    for item in found:
        row = first.get(item.digest, item.row)
        first[item.digest] = min(row, item.row, key=lambda row: (_suffix(row), row.name))
    return first


def _suffix(row: Row) -> str:
    return plain_suffix(row.file) if row.file else ".txt"


def _labels(plan: Plan, used: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """One label: those that good samples have. Many: all columns, since none may be present for a while."""
    if plan.task == "multi":
        return plan.labels
    labels = tuple(sorted({words[0] for words in used}))
    refuse_one_label(labels, len(used))
    return labels


def _refuse_empty(found: Sequence[Found], quarantined: Sequence[Quarantined]) -> None:
    if found:
        return
    counts = Counter(item.reason for item in quarantined)
    reasons = "\n".join(f"  {count:,} × {reason}" for reason, count in counts.most_common())
    raise DataError(
        f"none of {len(quarantined):,} samples can be used:\n{reasons}\nfor example {quarantined[0].name!r}",
        hint="open one of these files with another program to see what it is",
    )


def _aloud(
    found: Sequence[Found],
    splits: Sequence[str],
    quarantined: Sequence[Quarantined],
    earlier: Mapping[str, str],
) -> list[str]:
    """What the user should hear about the samples."""
    notes = []
    if quarantined:
        reasons = Counter(item.reason for item in quarantined).most_common(3)
        shown = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
        notes.append(f"{len(quarantined):,} samples cannot be used and are in quarantine: {shown}")
    labels_of: dict[str, set[tuple[str, ...]]] = {}
    for item in found:
        labels_of.setdefault(item.digest, set()).add(item.row.labels)
    torn = [item.row.name for item in found if len(labels_of[item.digest]) > 1]
    if torn:
        notes.append(
            f"{len(torn):,} samples are exact copies of each other under different labels: {some(torn)}"
        )
    pairs = list(zip([item.digest for item in found], splits, strict=True))
    trained = {digest for digest, split in pairs if split == "train"}
    twins = sum(split != "train" and digest in trained for digest, split in pairs)
    if twins:
        notes.append(f"{twins:,} test or validation samples are in training too, byte for byte")
    groups = len({item.group for item in found})
    for split in SPLITS:
        if split not in splits:
            notes.append(f"no sample is in {split}: there are only {groups:,} groups, or its share is 0")
    now: dict[str, set[str]] = {}
    for digest, split in pairs:
        now.setdefault(digest, set()).add(split)
    moved = sum(earlier.get(digest, next(iter(places))) not in places for digest, places in now.items())
    if moved:
        notes.append(f"the source moved {moved:,} samples to another split than in the earlier version")
    return notes


def _kept_aloud(
    samples: Sequence[Sample], splits: Sequence[str], earlier: Earlier, shares: Shares
) -> list[str]:
    """What to say where shares were asked for, but every sample has its split already."""
    if any(sample.digest not in earlier.digests for sample in samples):
        return []
    asked = {"test": shares.test, "valid": shares.valid}
    has = {split: splits.count(split) / len(splits) for split in asked}
    if all(abs(asked[split] - has[split]) <= _NEAR for split in asked):
        return []
    cut = assign_splits(samples, Earlier(), shares)  # few groups, or given splits, may allow no other
    if all(abs(cut.count(split) / len(cut) - has[split]) <= _NEAR for split in asked):
        return []
    return [
        "samples keep the splits that they have; the shares asked for were not applied (use another --name)"
    ]


def _check_shares(options: SourceOptions) -> None:
    test, valid = options.test_share, options.valid_share
    if not (0 <= test <= 1 and 0 <= valid < 1 and (test + valid < 1 or (test, valid) == (1, 0))):
        raise DataError(
            f"a test share of {test} and a validation share of {valid} cannot be cut",
            hint="give shares from 0 up that sum to less than 1, such as 0.2 and 0.1; "
            "or 1 and 0 where all is there to test on",
        )
