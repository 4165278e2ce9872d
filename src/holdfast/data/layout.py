"""How a source is laid out: folders of classes, a table beside files, or a table of texts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError, InputError
from holdfast.core.media import SUFFIXES, TABLES, Modality
from holdfast.core.refs import did_you_mean
from holdfast.data.beside import Beside, take_folders
from holdfast.data.columns import file_columns, find_roles
from holdfast.data.listing import Listing, list_names
from holdfast.data.litter import is_ignored, is_litter
from holdfast.data.lookup import Lookup
from holdfast.data.name_groups import group_by_name
from holdfast.data.plan import (
    Plan,
    Quarantined,
    SourceOptions,
    ignoring,
    normal,
    reasons,
    some,
    split_name,
    telling,
)
from holdfast.data.rows import table_rows
from holdfast.data.source import MAX_TABLE_BYTES, Source
from holdfast.data.tables import Column, Table, read_table


def plan_source(source: Source, options: SourceOptions) -> Plan:
    """Find out what a source holds.

    Raises:
        DataError: if nothing is found, or if what is found can be read in more than one way. The message
            shows what was seen, and the hint the options that settle it.
    """
    tables = _tables(source)
    _refuse_idle_patterns(tables, source, options.ignore)
    lookup = Lookup(lambda: source.listing)
    if source.table or (tables and _is_for_table(tables, source, options, lookup)):
        plan = _plan_table(tables, source, options, lookup)
    else:
        plan = _plan_folders(source, options)
    plan = group_by_name(plan, options)
    with telling(plan.quarantined):
        refuse_one_label(plan.labels, len(plan.rows))
    return plan


def refuse_one_label(labels: Sequence[str], samples: int) -> None:
    """Raise DataError if there is nothing to tell apart."""
    if len(labels) < 2:
        raise DataError(
            f"there is only one label, {labels[0]!r}, in {samples:,} samples",
            hint="a classifier needs two or more; say where the labels are with --label, or add a folder",
        )


def _refuse_idle_patterns(tables: list[Table], source: Source, patterns: Sequence[str]) -> None:
    """Raise DataError if an --ignore names nothing: most likely it is misspelt."""
    columns = [column for table in tables for column in table.columns]
    idle = [p for p in patterns if p not in columns and not is_litter(p.removeprefix("./"))]
    if source.table is None:
        idle = [p for p in idle if not any(is_ignored(name, (p,)) for name in source.every_name)]
    elif idle:
        near = did_you_mean(idle[0], columns)
        raise DataError(
            f"--ignore {' and '.join(map(repr, idle))} names no column, and the source is one table; "
            f"{tables[0].describe()}",
            hint=f"did you mean {near!r}?" if near else "leave it out, or give the folder as the source",
        )
    if idle:
        parts = {part for name in source.every_name for part in (name, *name.split("/"))}
        near = did_you_mean(idle[0].removeprefix("./").rstrip("/"), [*columns, *sorted(parts)])
        raise DataError(
            f"--ignore {' and '.join(map(repr, idle))} matches no file, folder or column",
            hint=f"did you mean {near!r}?" if near else "leave it out, or see how the files are called",
        )


def _tables(source: Source) -> list[Table]:
    names = [source.table] if source.table else _table_names(source.listing)
    return [_read_table(name, source) for name in names]


def _read_table(name: str, source: Source) -> Table:
    try:
        data = source.read(name, limit=MAX_TABLE_BYTES)
    except InputError as error:
        raise DataError(f"the table {name!r}: {error.message}", hint="mend it, or --ignore it") from error
    return read_table(name, data)


def _is_for_table(tables: list[Table], source: Source, options: SourceOptions, lookup: Lookup) -> bool:
    """Whether a table beside files, or alone, says what the samples are; else the folders do."""
    columns = (options.group, options.file, options.text, options.split, options.time)
    told = (options.label, options.between, *columns)
    files = [t for t in tables if file_columns(t, list(t.columns), lookup)]
    media = source.listing.where(_are_media(source.listing))
    classes = set(read_folders(media)[1]) - {""}
    return bool(files) or len(classes) < 2 or any(option is not None for option in told)


def _plan_table(tables: list[Table], source: Source, options: SourceOptions, lookup: Lookup) -> Plan:
    seen = take_folders(Beside(*_one_table(tables), options), lambda: _folders(source), lookup)
    table = seen.table
    broken = [Quarantined(where, "", reason) for where, reason in table.broken]
    with telling(broken):
        roles = find_roles(table, seen.options, lookup)
    rows, quarantined = table_rows(table, roles, lookup, seen.splits)
    quarantined += broken
    if not len(rows):
        raise DataError(f"no row of {table.name} can be used: {reasons(quarantined)}; {table.describe()}")
    modality: Modality = "text"
    notes = [*seen.notes, *roles.notes]
    if roles.file:
        rows = _with_stamps(rows, source.listing)
        with telling(quarantined):
            modality = _one_modality(list_names((name, 0) for name in rows.column("name").to_pylist()))
        notes += _unlisted(source.listing, rows, modality, table.name)
        notes += _idle_folders(source.listing, rows, table.name)
    elif source.table is None and (media := int(_are_media(source.listing).sum())):
        notes.append(f"{media:,} files beside {table.name} are not used; its column {roles.text!r} is")
    used = pc.unique(pc.list_flatten(rows["labels"])).to_pylist()
    if roles.task == "multi" and roles.between is None:
        used = [roles.name_of(column) for column in roles.labels]
    labels = tuple(sorted(map(normal, used)))
    return Plan(modality, roles.task, labels, rows, quarantined, notes, fixed=roles.ours)


def _folders(source: Source) -> tuple[Listing, list[str], list[str]]:
    media = source.listing.where(_are_media(source.listing))
    return media, *read_folders(media)


def _with_stamps(rows: pyarrow.Table, listing: Listing) -> pyarrow.Table:
    """The rows with what the file system says of their files."""
    places = pc.index_in(rows.column("name"), listing.names).to_numpy()
    for name in ("size", "changed", "inode"):
        rows = rows.append_column(name, pyarrow.array(getattr(listing, name)[places]))
    return rows


def _one_table(tables: list[Table]) -> tuple[Table, Column]:
    """The table, and the split of each of its rows where train.csv and test.csv say it by their names."""
    if len(tables) == 1:
        return tables[0], Column(pyarrow.chunked_array([pyarrow.repeat("", len(tables[0]))]))
    splits = [split_name(PurePosixPath(table.name).stem) for table in tables]
    same = all(table.columns.keys() == tables[0].columns.keys() for table in tables)
    if same and None not in splits and len(set(splits)) == len(splits):
        chunks = {c: [part for t in tables for part in t.columns[c].values.chunks] for c in tables[0].columns}
        columns = {name: Column(pyarrow.chunked_array(parts)) for name, parts in chunks.items()}
        names = ", ".join(table.name for table in tables)
        broken = tuple(line for table in tables for line in table.broken)
        every = [pyarrow.repeat(split or "", len(t)) for t, split in zip(tables, splits, strict=True)]
        return Table(names, columns, broken), Column(pyarrow.chunked_array(every))
    described = "\n".join(table.describe(most=8) for table in tables[:4])
    raise DataError(
        f"there are {len(tables)} tables: {some([table.name for table in tables])}\n{described}",
        hint="give one of them as the source, or leave out all but one: "
        + ignoring([table.name for table in tables[1:]]),
    )


def _unlisted(listing: Listing, rows: pyarrow.Table, modality: Modality, table: str) -> list[str]:
    named = pc.is_in(listing.names, rows.column("name").combine_chunks()).to_numpy(zero_copy_only=False)
    extra = listing.where(listing.of(modality) & ~named)
    if not len(extra):
        return []
    return [f"{len(extra):,} files are not used, because no good row of {table} names them: {_shown(extra)}"]


def _idle_folders(listing: Listing, rows: pyarrow.Table, table: str) -> list[str]:
    """What to say where files lie in train/ and test/, but the table that names them says no split."""
    parts = {part for folder in listing.folders for part in _parts(folder) if split_name(part)}
    if len({split_name(part) for part in parts}) < 2 or pc.any(pc.not_equal(rows["split"], "")).as_py():
        return []
    return [
        f"the files lie in the folders {some(sorted(parts))}, yet train, valid and test are cut anew, "
        f"because {table} says no split; keep them by a column called split"
    ]


def _plan_folders(source: Source, options: SourceOptions) -> Plan:
    media = source.listing.where(_are_media(source.listing))
    if not len(media):
        raise _nothing_found(source)
    _refuse_columns(options)
    modality = _one_modality(media)
    notes = _left_out(source) + _idle_split(media, options)
    split_of, class_of = read_folders(media)
    notes += _nested(media, class_of)
    has_class = np.array([bool(label) for label in class_of])[media.folder]
    if not has_class.any():
        raise _no_class(media, modality)
    loose = media.where(~has_class).names.to_pylist()
    quarantined = [Quarantined(name, "", "lies in no folder of a class") for name in loose]
    good = media.where(has_class)
    folder = pyarrow.array(good.folder)
    labels = pyarrow.array([normal(label) for label in class_of], pyarrow.string())
    rows = pyarrow.table(
        {
            "name": good.names,
            "labels": pyarrow.ListArray.from_arrays(
                pyarrow.array(np.arange(len(good) + 1, dtype=np.int32)), labels.take(folder)
            ),
            "group": pyarrow.repeat("", len(good)),
            "split": pyarrow.array(split_of, pyarrow.string()).take(folder),
            "size": good.size,
            "changed": good.changed,
            "inode": good.inode,
        }
    )
    used = sorted({normal(class_of[place]) for place in np.unique(good.folder)})
    return Plan(modality, "single", tuple(used), rows, quarantined, notes)


def _no_class(media: Listing, modality: Modality) -> DataError:
    if only := _only_class(media):
        return DataError(
            f"there is only one class, {only!r}; a classifier needs two",
            hint="put a folder per class side by side, or add a table with the columns file and label",
        )
    return DataError(
        f"{len(media):,} {modality} files lie in no folder of a class: {_shown(media)}",
        hint="make a folder per class, or add a table with the columns file and label beside them",
    )


def _refuse_columns(options: SourceOptions) -> None:
    named = ("label", "between", "group", "file", "text", "split", "time")
    columns = {option: getattr(options, option) for option in named}
    told = [f"--{option} {column}" for option, column in columns.items() if column]
    if told:
        raise DataError(
            f"{' and '.join(told)} speaks of a table, but there is none beside the files",
            hint="add a table with a column of file names, or leave the option out: folders name the labels, "
            "and --group-name takes groups from names",
        )


def read_folders(media: Listing) -> tuple[list[str], list[str]]:
    """The split and the class that each folder of a listing speaks of, either empty if it does not say it."""
    used = np.bincount(media.folder, minlength=len(media.folders))
    depth = _shared_depth(media)
    pairs = list(zip(media.folders, used.tolist(), strict=True))
    folders = [_parts(folder)[depth:] if count else [] for folder, count in pairs]
    tops: Counter[str] = Counter()
    for parts, (_, count) in zip(folders, pairs, strict=True):
        if parts:
            tops[parts[0]] += count
    splits, others = [top for top in tops if split_name(top)], [top for top in tops if not split_name(top)]
    if len(splits) > 1 and others:
        raise DataError(
            f"beside the split folders {some(splits)} there are others: "
            + some([f"{top} ({tops[top]:,} files)" for top in others]),
            hint=f"move them, or leave them out: {ignoring(others)}",
        )
    if len(splits) > 1:  # train/cat/1.jpg
        split_at, class_at = 0, 1
    elif _are_splits({parts[1] for parts in folders if len(parts) > 1}):  # cat/train/1.jpg
        split_at, class_at = 1, 0
    else:
        split_at, class_at = -1, 0

    def part(folder: list[str], place: int) -> str:
        return folder[place] if 0 <= place < len(folder) else ""

    return [split_name(part(folder, split_at)) or "" for folder in folders], [
        part(folder, class_at) for folder in folders
    ]


def _idle_split(media: Listing, options: SourceOptions) -> list[str]:
    """What to say where all files lie in one folder such as train/: that alone gives no split."""
    around = _parts(media.folders[int(media.folder[0])])[: _shared_depth(media)]
    named = next((part for part in around if split_name(part)), None)
    if named is None or (options.test_share, options.valid_share) in ((0, 0), (1, 0)):
        return []
    wish = "test with --test 1" if split_name(named) == "test" else "train with --test 0"
    return [
        f"all files lie in the folder {named!r}, yet train, valid and test are cut from them; "
        f"keep all in {wish} --valid 0"
    ]


def _nested(media: Listing, class_of: list[str]) -> list[str]:
    """What to say where classes hold folders of their own: perhaps those are meant."""
    ends = [_parts(folder)[-1:] for folder in media.folders]
    deep = [bool(c and e and e[0] != c and not split_name(e[0])) for c, e in zip(class_of, ends, strict=True)]
    inner = media.where(np.array(deep, bool)[media.folder])
    if not len(inner):
        return []
    return [
        f"{len(inner):,} files lie in folders within a class folder and count for the class: {_shown(inner)}"
    ]


def _are_splits(names: set[str]) -> bool:
    return len(names) > 1 and all(split_name(name) for name in names)


def _shared_depth(media: Listing) -> int:
    """How many folders all files share, as in an archive of one folder: they say nothing."""
    folders = [parts for place in np.unique(media.folder) if (parts := _parts(media.folders[place]))]
    depth = 0
    while folders and all(len(parts) > depth and parts[depth] == folders[0][depth] for parts in folders):
        depth += 1
    return depth


def _only_class(media: Listing) -> str:
    """The one folder that files lie in, if it could be a class; else empty."""
    depth = _shared_depth(media)
    if not depth:
        return ""
    only = next(part for folder in media.folders if len(part := _parts(folder)) >= depth)[depth - 1]
    return "" if split_name(only) else only


def _parts(folder: str) -> list[str]:
    return folder.split("/") if folder else []


def _one_modality(files: Listing) -> Modality:
    counts = {modality: int(files.of(modality).sum()) for modality in SUFFIXES}
    found = sorted((m for m in counts if counts[m]), key=lambda modality: -counts[modality])
    if not found:
        raise DataError(f"no file is a picture, a sound or a text: {_shown(files)}")
    if len(found) > 1:
        kinds = {m: sorted(s for s in SUFFIXES[m] if files.ends_with(s).any()) for m in found}
        seen = ", ".join(f"{counts[m]:,} {m} files ({', '.join(kinds[m])})" for m in found)
        raise DataError(
            f"there are files of several kinds: {seen}",
            hint="leave out all but one: "
            + ignoring([f"*{suffix}" for other in found[1:] for suffix in _written(files, other)]),
        )
    return found[0]


def _written(files: Listing, modality: Modality) -> list[str]:
    """The suffixes of one kind of file as they are written, since patterns tell capitals apart."""
    ends = pc.struct_field(pc.extract_regex(files.names, r"(?P<suffix>\.[^./]+)$"), "suffix")
    return sorted(s for s in pc.unique(ends.drop_null()).to_pylist() if s.lower() in SUFFIXES[modality])


def _are_media(listing: Listing) -> np.ndarray:
    """Which files may be samples; a lone text at the top is more likely a note about the data."""
    inside = np.array([bool(folder) for folder in listing.folders], bool)
    inside = inside[listing.folder] if len(listing) else np.zeros(0, bool)
    return np.asarray(listing.of("image") | listing.of("audio") | (listing.of("text") & inside))


def _table_names(listing: Listing) -> list[str]:
    names: list[str] = listing.where(_are_tables(listing)).names.to_pylist()
    return names


def _are_tables(listing: Listing) -> np.ndarray:
    chosen = np.zeros(len(listing), bool)
    for suffix in TABLES:
        chosen |= listing.ends_with(suffix)
    return chosen


def _shown(listing: Listing) -> str:
    return some(listing.names[:5].to_pylist(), total=len(listing))


def _left_out(source: Source) -> list[str]:
    listing = source.listing
    are_tables = _are_tables(listing)
    tables, other = listing.where(are_tables), listing.where(~are_tables & ~_are_media(listing))
    notes = []
    if len(tables):
        notes.append(f"no column of {_shown(tables)} names the files, so their folders are the labels")
    if len(other):
        notes.append(
            f"{len(other):,} files are no pictures, sounds or texts and were left out: {_shown(other)}"
        )
    if source.left_out:
        notes.append(f"{source.left_out:,} hidden or ignored files were left out")
    return notes


def _nothing_found(source: Source) -> DataError:
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in source.names)
    seen = ", ".join(f"{count:,} × {kind}" for kind, count in kinds.most_common(8)) or "nothing"
    seen += f"; {source.left_out:,} hidden or ignored files were left out" if source.left_out else ""
    return DataError(
        f"no pictures, sounds, texts or tables are there; seen: {seen}",
        hint="give a folder per class, or a table (.csv, .tsv, .parquet, .jsonl) with a label column",
    )
