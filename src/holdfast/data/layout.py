"""How a source is laid out: folders of classes, a table beside files, or a table of texts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from holdfast.core.errors import DataError
from holdfast.core.media import Modality, modality_of
from holdfast.core.refs import did_you_mean
from holdfast.data.columns import Roles, file_columns, find_roles, is_yes
from holdfast.data.lookup import Lookup
from holdfast.data.plan import (
    Plan,
    Quarantined,
    Row,
    SourceOptions,
    normal,
    reasons,
    some,
    split_name,
    telling,
)
from holdfast.data.source import MAX_TABLE_BYTES, Source, is_ignored, is_litter
from holdfast.data.tables import Table, is_table, read_table


def plan_source(source: Source, options: SourceOptions) -> Plan:
    """Find out what a source holds.

    Raises:
        DataError: if nothing is found, or if what is found can be read in more than one way. The message
            shows what was seen, and the hint the options that settle it.
    """
    tables = _tables(source)
    _refuse_idle_patterns(tables, source, options.ignore)
    if source.table or (tables and _is_for_table(tables, source, options)):
        plan = _plan_table(tables, source, options)
    else:
        plan = _plan_folders(source, options)
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
    idle = [p for p in idle if not any(is_ignored(name, (p,)) for name in source.every_name)]
    if idle:
        parts = {part for name in source.every_name for part in (name, *name.split("/"))}
        near = did_you_mean(idle[0].removeprefix("./").rstrip("/"), [*columns, *sorted(parts)])
        raise DataError(
            f"--ignore {' and '.join(map(repr, idle))} matches no file, folder or column",
            hint=f"did you mean {near!r}?" if near else "leave it out, or see how the files are called",
        )


def _tables(source: Source) -> list[Table]:
    names = [source.table] if source.table else [name for name in source.names if is_table(name)]
    return [read_table(name, source.read(name, limit=MAX_TABLE_BYTES)) for name in names]


def _is_for_table(tables: list[Table], source: Source, options: SourceOptions) -> bool:
    """Whether a table beside files, or alone, says what the samples are; else the folders do."""
    told = (options.label, options.group, options.file, options.text, options.split)
    lookup = Lookup(lambda: source.names)
    files = [t for t in tables if file_columns(t, list(t.columns), lookup)]
    classes = set(_read_folders([name for name in source.names if _medium(name)])[1].values()) - {""}
    return bool(files) or len(classes) < 2 or any(option is not None for option in told)


def _plan_table(tables: list[Table], source: Source, options: SourceOptions) -> Plan:
    table, splits = _one_table(tables)
    lookup = Lookup(lambda: source.names)
    broken = [Quarantined(where, "", reason) for where, reason in table.broken]
    with telling(broken):
        roles = find_roles(table, options, lookup)
    rows, quarantined = _table_rows(table, roles, lookup, splits)
    quarantined += broken
    if not rows:
        raise DataError(f"no row of {table.name} can be used: {reasons(quarantined)}; {table.describe()}")
    modality: Modality = "text"
    notes = list(roles.notes)
    if roles.file:
        with telling(quarantined):
            modality = _one_modality([row.file or "" for row in rows])
        notes += _unlisted(source, rows, table.name)
    elif source.table is None and (media := [name for name in source.names if _medium(name)]):
        notes.append(f"{len(media):,} files beside {table.name} are not used; its column {roles.text!r} is")
    labels = roles.labels if roles.task == "multi" else {label for row in rows for label in row.labels}
    return Plan(modality, roles.task, tuple(sorted(map(normal, labels))), rows, quarantined, notes)


def _one_table(tables: list[Table]) -> tuple[Table, list[str]]:
    """The table, and the split of each of its rows where train.csv and test.csv say it by their names."""
    if len(tables) == 1:
        return tables[0], [""] * len(tables[0])
    splits = [split_name(PurePosixPath(table.name).stem) for table in tables]
    same = all(table.columns.keys() == tables[0].columns.keys() for table in tables)
    if same and None not in splits and len(set(splits)) == len(splits):
        columns = {c: [v for table in tables for v in table.columns[c]] for c in tables[0].columns}
        names = ", ".join(table.name for table in tables)
        broken = tuple(line for table in tables for line in table.broken)
        every = [split or "" for table, split in zip(tables, splits, strict=True) for _ in range(len(table))]
        return Table(names, columns, broken), every
    described = "\n".join(table.describe(most=8) for table in tables[:4])
    raise DataError(
        f"there are {len(tables)} tables: {some([table.name for table in tables])}\n{described}",
        hint=f"give one of them as the source, or leave others out: --ignore {tables[-1].name}",
    )


def _table_rows(
    table: Table, roles: Roles, lookup: Lookup, splits: list[str]
) -> tuple[list[Row], list[Quarantined]]:
    rows, quarantined = [], []
    columns = table.columns
    ids = _row_names(table)
    for index in range(len(table)):
        name, file, problem = ids[index], None, ""
        if roles.file:
            name = columns[roles.file][index].strip() or name
            file, problem = lookup.find(name, table.name)
            name = file or name
        text = columns[roles.text][index] if roles.text else None
        if text is not None and not text.strip():
            problem = "empty text"
        split_text = columns[roles.split][index].strip() if roles.split else splits[index]
        if split_text and not split_name(split_text):
            problem = problem or f"{split_text!r} is not a split"
        labels, unlabelled = _row_labels(table, roles, index)
        if problem or unlabelled:
            quarantined.append(Quarantined(name, "", problem or unlabelled))
            continue
        group = normal(columns[roles.group][index].strip()) if roles.group else ""
        meta = {column: columns[column][index] for column in roles.meta}
        rows.append(Row(name, labels, file, text, group, split_name(split_text) or "", meta))
    return rows, quarantined


def _row_labels(table: Table, roles: Roles, index: int) -> tuple[tuple[str, ...], str]:
    """The labels of a row, or why it has none."""
    if roles.task == "single":
        label = normal(table.columns[roles.labels[0]][index].strip())
        return ((label,), "") if label else ((), "no label")
    present = []
    for column in roles.labels:
        answer = is_yes(table.columns[column][index])
        if answer is None:
            return (), f"no value for {column!r}"
        if answer:
            present.append(normal(column))
    return tuple(sorted(present)), ""


def _row_names(table: Table) -> list[str]:
    """Values of a column called id if they differ, else the numbers of the rows."""
    for column, values in table.columns.items():
        if column.casefold() in ("id", "uid", "key") and len(set(values)) == len(values) and all(values):
            return [f"{table.name}#{value}" for value in values]
    return [f"{table.name} row {number}" for number in range(1, len(table) + 1)]


def _unlisted(source: Source, rows: Sequence[Row], table: str) -> list[str]:
    listed = {row.file for row in rows}
    media = modality_of(rows[0].file or "")
    extra = [name for name in source.names if modality_of(name) == media and name not in listed]
    if not extra:
        return []
    return [f"{len(extra):,} files are not used, because no good row of {table} names them: {some(extra)}"]


def _plan_folders(source: Source, options: SourceOptions) -> Plan:
    media = [name for name in source.names if _medium(name)]
    if not media:
        raise _nothing_found(source)
    _refuse_columns(options)
    modality = _one_modality(media)
    notes = _left_out(source, media)
    split_of, class_of = _read_folders(media)
    notes += _nested(class_of)
    rows, quarantined = [], []
    for name in media:
        if class_of[name]:
            rows.append(Row(name, (normal(class_of[name]),), name, split=split_of[name]))
        else:
            quarantined.append(Quarantined(name, "", "lies in no folder of a class"))
    if not rows and (only := _only_class(media)):
        raise DataError(
            f"there is only one class, {only!r}; a classifier needs two",
            hint="put a folder per class side by side, or add a table with the columns file and label",
        )
    if not rows:
        raise DataError(
            f"{len(media):,} {modality} files lie in no folder of a class: {some(media)}",
            hint="make a folder per class, or add a table with the columns file and label beside them",
        )
    labels = tuple(sorted({row.labels[0] for row in rows}))
    return Plan(modality, "single", labels, rows, quarantined, notes)


def _refuse_columns(options: SourceOptions) -> None:
    columns = {"label": options.label, "group": options.group, "file": options.file, "split": options.split}
    told = [f"--{option} {column}" for option, column in columns.items() if column]
    if told:
        raise DataError(
            f"{' and '.join(told)} names a column, but there is no table beside the files",
            hint="add a table with a column of file names, or leave the option out: folders name the labels",
        )


def _read_folders(media: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The split and the class of each file, either empty if its folders do not say it."""
    depth = _shared_depth(media)
    folders = {name: name.split("/")[depth:-1] for name in media}
    tops = Counter(parts[0] for parts in folders.values() if parts)
    splits, others = [top for top in tops if split_name(top)], [top for top in tops if not split_name(top)]
    if len(splits) > 1 and others:
        raise DataError(
            f"beside the split folders {some(splits)} there are others: "
            + some([f"{top} ({tops[top]:,} files)" for top in others]),
            hint=f"move them, or leave them out: --ignore {others[0]}",
        )
    if len(splits) > 1:  # train/cat/1.jpg
        split_at, class_at = 0, 1
    elif _are_splits({parts[1] for parts in folders.values() if len(parts) > 1}):  # cat/train/1.jpg
        split_at, class_at = 1, 0
    else:
        split_at, class_at = -1, 0

    def part(name: str, place: int) -> str:
        return folders[name][place] if 0 <= place < len(folders[name]) else ""

    split_of = {name: split_name(part(name, split_at)) or "" for name in media}
    return split_of, {name: part(name, class_at) for name in media}


def _nested(class_of: dict[str, str]) -> list[str]:
    """What to say where classes hold folders of their own: perhaps those are meant."""
    deep = [name for name, label in class_of.items() if label and name.split("/")[-2] != label]
    deep = [name for name in deep if not split_name(name.split("/")[-2])]
    if not deep:
        return []
    return [f"{len(deep):,} files lie in folders within a class folder and count for the class: {some(deep)}"]


def _are_splits(names: set[str]) -> bool:
    return len(names) > 1 and all(split_name(name) for name in names)


def _shared_depth(media: list[str]) -> int:
    """How many folders all files share, as in an archive of one folder: they say nothing."""
    folders = [parts for name in media if (parts := name.split("/")[:-1])]
    depth = 0
    while folders and all(len(parts) > depth and parts[depth] == folders[0][depth] for parts in folders):
        depth += 1
    return depth


def _only_class(media: list[str]) -> str:
    """The one folder that files lie in, if it could be a class; else empty."""
    depth = _shared_depth(media)
    only = (
        next((name.split("/")[depth - 1] for name in media if name.count("/") >= depth), "") if depth else ""
    )
    return "" if split_name(only) else only


def _one_modality(names: Sequence[str]) -> Modality:
    counts = Counter(modality_of(name) for name in names)
    found = [(modality, count) for modality, count in counts.most_common() if modality]
    if not found:
        raise DataError(f"no file is a picture, a sound or a text: {some(names)}")
    if len(found) > 1:
        kinds = {modality: sorted({PurePosixPath(n).suffix for n in names if modality_of(n) == modality})
                 for modality, _ in found}  # fmt: skip
        seen = ", ".join(
            f"{count:,} {modality} files ({', '.join(kinds[modality])})" for modality, count in found
        )
        raise DataError(
            f"there are files of several kinds: {seen}",
            hint=f"leave out all but one: --ignore '*{kinds[found[-1][0]][0]}'",
        )
    return found[0][0]


def _medium(name: str) -> bool:
    """Whether a file may be a sample; a lone text at the top is more likely a note about the data."""
    modality = modality_of(name)
    return modality is not None and not (modality == "text" and "/" not in name)


def _left_out(source: Source, media: list[str]) -> list[str]:
    used = set(media)
    tables = [name for name in source.names if is_table(name)]
    other = [name for name in source.names if name not in used and not is_table(name)]
    notes = []
    if tables:
        notes.append(f"no column of {some(tables)} names the files, so their folders are the labels")
    if other:
        notes.append(
            f"{len(other):,} files are no pictures, sounds or texts and were left out: {some(other)}"
        )
    if source.left_out:
        notes.append(f"{source.left_out:,} hidden or ignored files were left out")
    return notes


def _nothing_found(source: Source) -> DataError:
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in source.names)
    seen = ", ".join(f"{count:,} × {kind}" for kind, count in kinds.most_common(8)) or "nothing"
    return DataError(
        f"no pictures, sounds, texts or tables are there; seen: {seen}",
        hint="give a folder per class, or a table (.csv, .tsv, .parquet, .jsonl) with a label column",
    )
