"""What each column of a table is: file, text, label, group, split, or only metadata."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.core.media import Task
from holdfast.core.refs import did_you_mean
from holdfast.data.cells import LISTS, between_labels, told_empty
from holdfast.data.lookup import Lookup
from holdfast.data.plan import SourceOptions, some, split_name
from holdfast.data.sheet_columns import SHEET_SPLIT, name_of
from holdfast.data.tables import Table

_LABELS = (
    "label",
    "labels",
    "class",
    "classname",
    "classlabel",
    "target",
    "category",
    "species",
    "sentiment",
)
_FILES = (
    *("file", "filename", "filepath", "path", "image", "imagename", "imagepath", "imagefile", "img"),
    *("audio", "audiopath", "audiofile", "clip", "sound"),
)
_TEXTS = ("text", "sentence", "content", "document", "body", "review", "comment", "message", "tweet")
_SPLITS = ("split", "subset", "partition", "set")
_GROUPS = ("group", "groupid")
_LIKE_GROUPS = re.compile(
    r"(patient|person|subject|recording|author|speaker|session|user|participant|donor|animal|video|case|scan)"
    r"(ids?|s|number|nr|no|key|name)?"
)
_NAMING = ("file", "text", "split", "group", "time")
"""Options that name one column each; --label may name several."""
_YES = {"1", "1.0", "true", "yes"}
_NO = {"0", "0.0", "-1", "-1.0", "false", "no"}


@dataclass(frozen=True)
class Roles:
    """Which column is what."""

    file: str | None
    """Either this or `text` is set."""
    text: str | None
    labels: tuple[str, ...]
    """One column of labels, or for many labels a column of 0 and 1 for each."""
    task: Task
    group: str | None
    split: str | None
    meta: tuple[str, ...]
    notes: tuple[str, ...]
    ours: bool = False
    """Whether the table is one that we wrote beside a version: what it says is taken to the letter."""
    between: str | None = None
    """What stands between the labels in one cell of the one column of many labels."""

    def name_of(self, column: str) -> str:
        """What metadata, or one of many labels, is called."""
        return name_of(column) if self.ours else column


def find_roles(table: Table, options: SourceOptions, lookup: Lookup) -> Roles:
    """Decide what the columns are: as the options say, else by well-known names, else by their values.

    Args:
        table: the columns.
        options: what the user said.
        lookup: finds the files that are there.

    Raises:
        DataError: if that can be read in two ways, or in none; it shows the columns.
    """
    free = [column for column in table.columns if column not in options.ignore]
    notes: list[str] = []
    _check_options(table, options)
    if SHEET_SPLIT in free and options.split in (None, SHEET_SPLIT):
        return _sheet_roles(table, options, free)

    file, text = _payload(table, options, free, lookup)
    taken = {file, text}
    split = options.split or _split_column(table, [column for column in free if column not in taken])
    taken.add(split)
    groups = [column for column in _known(free, _GROUPS) if _ties(table, column, options, notes)]
    group = options.group or _only(groups, table, "group", "--group")
    taken |= {group, options.time}
    rest = [column for column in free if column not in taken]
    labels, task = _label_columns(table, options, rest, notes)
    between = between_labels(table, labels, options) if task == "multi" else None
    if between not in (None, LISTS):
        notes += told_empty(table, labels[0])
    said = {*labels, *taken} - {options.time}
    meta = tuple(column for column in free if column not in said)
    if group is None:
        notes += _group_hints(table, meta)
    return Roles(file, text, labels, task, group, split, meta, tuple(notes), between=between)


def _sheet_roles(table: Table, options: SourceOptions, free: list[str]) -> Roles:
    """Columns of the table that we wrote beside a version; options decide otherwise where they are given."""
    told = bool(options.file or options.text)
    file = options.file or ("file" if "file" in free and not told else None)
    text = options.text or ("text" if "text" in free and not file else None)
    if file is None and text is None:
        raise _no_payload(table)
    group = options.group or ("group" if "group" in free else None)
    taken = {file, text, group}
    labels, task = _sheet_labels(table, options, [column for column in free if column not in taken])
    meta = tuple(column for column in free if column not in {*taken, *labels, SHEET_SPLIT})
    notes = [
        f"{table.name} was written beside a version that was given back: its splits and groups are taken as "
        f"they stand (--ignore {SHEET_SPLIT} cuts others)"
    ]
    if group is None:
        notes += _group_hints(table, meta)
    return Roles(file, text, labels, task, group, SHEET_SPLIT, meta, tuple(notes), ours=True)


def _sheet_labels(table: Table, options: SourceOptions, free: list[str]) -> tuple[tuple[str, ...], Task]:
    """One column called label, else those before the splits: the others, behind them, are metadata."""
    before = tuple(free[: free.index(SHEET_SPLIT)])
    if options.label is None and "label" in free:
        return ("label",), "single"
    if options.label or before:
        return _told_labels(table, options.label or before, options)
    return _label_columns(table, options, free, [])


def file_columns(table: Table, columns: Sequence[str], lookup: Lookup) -> list[str]:
    """Columns that name files: of those with a well-known name, else those of which most values do."""
    known = [
        column for column in _known(columns, _FILES) if lookup.names_any(table.columns[column], table.name)
    ]
    return known or [c for c in columns if lookup.names_most(table.columns[c], table.name)]


def known_labels(columns: Sequence[str]) -> list[str]:
    """Those of the columns that are called as labels are."""
    return _known(columns, _LABELS)


def attribute_columns(table: Table, columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold 0 and 1, or yes and no, alone."""
    return [column for column in columns if _is_attribute(table.columns[column].different)]


def is_yes(value: str) -> bool | None:
    """Whether a value of an attribute column means yes; None if it means neither yes nor no.

    >>> is_yes("1"), is_yes("-1"), is_yes("2")
    (True, False, None)
    """
    word = value.strip().casefold()
    return True if word in _YES else False if word in _NO else None


def _ties(table: Table, column: str, options: SourceOptions, notes: list[str]) -> bool:
    """Whether a column called group has several values; one alone is hardly meant, and is told."""
    several = len(table.columns[column].unique) > 1
    if not several and options.group is None:
        notes.append(
            f"the column {column!r} has one value only, so it stays metadata; --group {column} makes all one"
        )
    return several


def looks_like_group(column: str, different: int, rows: int) -> bool:
    """Whether a column smells of a group: named after a person or a recording, with values that repeat.

    >>> looks_like_group("patient_id", different=2, rows=3)
    True
    """
    return bool(_LIKE_GROUPS.fullmatch(_key(column))) and 1 < different < rows


def _check_options(table: Table, options: SourceOptions) -> None:
    named = {option: getattr(options, option) for option in _NAMING}
    for option, column in named.items():
        if column is not None and column not in table.columns:
            raise _no_column(table, option, column)
    _refuse_told_twice(table, options)
    if options.file and options.text:
        raise DataError("--file and --text were both given", hint="a sample is a file or a text: give one")


def _refuse_told_twice(table: Table, options: SourceOptions) -> None:
    told = _told_columns(table, options)
    for column in dict.fromkeys(column for _, column in told):
        who = [option for option, named in told if named == column]
        who += ["ignore"] if column in options.ignore else []
        if len(who) > 1 and set(who) != {"group", "time"}:  # samples of one day may stay together
            raise DataError(
                f"{' and '.join(f'--{option}' for option in who)} both name the column {column!r}",
                hint="a column is one thing: leave one of these options out, or name another column",
            )


def _told_columns(table: Table, options: SourceOptions) -> list[tuple[str, str]]:
    """Each option that names columns, with the columns."""
    labels = _label_parts(table, options.label) if options.label else ()
    named = [(option, getattr(options, option)) for option in _NAMING]
    return [(o, c) for o, c in [*(("label", label) for label in labels), *named] if c in table.columns]


def _label_parts(table: Table, label: str | tuple[str, ...]) -> tuple[str, ...]:
    """The columns that --label names; a comma may be part of the name of one."""
    if not isinstance(label, str):
        return label
    return (label,) if label in table.columns else tuple(part.strip() for part in label.split(","))


def _no_column(table: Table, option: str, column: str) -> DataError:
    near = did_you_mean(column, table.columns)
    guess = f"did you mean '{near}'? " if near else ""
    return DataError(
        f"--{option} names the column {column!r}, which is not there; {table.describe()}",
        hint=f"{guess}give --{option} one of the columns above",
    )


def _payload(
    table: Table,
    options: SourceOptions,
    free: list[str],
    lookup: Lookup,
) -> tuple[str | None, str | None]:
    if options.file or options.text:
        return options.file, options.text
    texts = _known(free, _TEXTS)
    files = file_columns(table, _known(free, _FILES) if texts else free, lookup)
    if files and texts:
        raise DataError(
            f"the columns {some(files)} name files and {some(texts)} may hold texts; {table.describe()}",
            hint="say which holds the samples: --file COLUMN or --text COLUMN",
        )
    file = _only(files, table, "names of files", "--file")
    text = None if file else _only(texts or _prose(table, free), table, "texts", "--text")
    if file is None and text is None:
        raise _no_payload(table)
    return file, text


def _no_payload(table: Table) -> DataError:
    return DataError(
        f"no column names files that are there, and none is called text; {table.describe()}",
        hint="say which holds the samples: --file COLUMN or --text COLUMN",
    )


def _prose(table: Table, free: list[str]) -> list[str]:
    """Columns of sentences: five words or more on average, most of them different."""
    found = []
    for column in free:
        values = [value for value in table.columns[column].first(1000) if value]
        words = sum(value.count(" ") + 1 for value in values)
        if values and words / len(values) >= 5 and len(set(values)) > len(values) / 2:
            found.append(column)
    return found


def _split_column(table: Table, free: list[str]) -> str | None:
    known = [
        column
        for column in _known(free, _SPLITS)
        if any(table.columns[column].different)
        and all(not v.strip() or split_name(v) for v in table.columns[column].different)
    ]
    return _only(known, table, "train, valid and test", "--split")


def _label_columns(
    table: Table, options: SourceOptions, rest: list[str], notes: list[str]
) -> tuple[tuple[str, ...], Task]:
    if options.label is not None:
        return _told_labels(table, options.label, options)
    known = known_labels(rest)
    attributes = attribute_columns(table, rest)
    if len(known) == 1:
        others = [column for column in attributes if column not in known]
        if len(others) > 1:
            notes.append(
                f"the label is taken from {known[0]!r}; {some(others)} hold 0 and 1 and stay metadata "
                f"(use --label {others[0]},{others[1]},… for many labels)"
            )
        return (known[0],), _task_of(table, known[0], options)
    if len(known) > 1:
        raise DataError(
            f"the columns {some(known)} may each be the label; {table.describe()}",
            hint=f"say which: --label {known[0]}",
        )
    if len(attributes) > 1:
        return tuple(attributes), "multi"
    for option, column in _told_columns(table, options):
        if known_labels([column]):
            raise DataError(
                f"--{option} names the column {column!r}, which is the label: no other column can be it; "
                f"{table.describe()}",
                hint=f"name another column with --{option}, or say which holds the label: --label COLUMN",
            )
    raise DataError(
        f"no column is called label, class, target or category; {table.describe()}",
        hint="say which holds the label: --label COLUMN, or several columns of 0 and 1: --label A,B,C",
    )


def _told_labels(
    table: Table, label: str | tuple[str, ...], options: SourceOptions
) -> tuple[tuple[str, ...], Task]:
    label = _label_parts(table, label)
    for column in label:
        if column not in table.columns:
            raise _no_column(table, "label", column)
    if len(label) == 1:
        return label, _task_of(table, label[0], options)
    for column in label:
        values = table.columns[column].different
        odd = sorted(value for value in values if value.strip() and is_yes(value) is None)
        if odd:
            raise DataError(
                f"--label names several columns, so each must hold 0 and 1, but {column!r} holds {some(odd)}",
                hint="name one column of labels, or columns of 0 and 1 only",
            )
    return label, "multi"


def _task_of(table: Table, column: str, options: SourceOptions) -> Task:
    """Many labels where a cell of the column may hold several."""
    if between_labels(table, (column,), options) is not None:
        return "multi"
    _refuse_numbers(table, column)
    return "single"


def _refuse_numbers(table: Table, column: str) -> None:
    values = [value for value in table.columns[column].different if value.strip()]
    rows = pc.sum(pc.not_equal(pc.utf8_trim_whitespace(table.columns[column].values), "")).as_py() or 0
    if rows > 20 and len(values) > rows / 2:
        raise DataError(
            f"{column!r} holds {len(values):,} different values in {rows:,} rows ({some(values)}): "
            f"these are no classes; {table.describe()}",
            hint="say which column holds the label: --label COLUMN; or, if a cell holds several, what stands "
            "between them: --between ','",
        )


def _is_attribute(values: Sequence[str]) -> bool:
    meant = {is_yes(value) for value in values if value.strip()}
    return bool(meant) and None not in meant


def _group_hints(table: Table, meta: Sequence[str]) -> list[str]:
    return [
        f"the column {column!r} looks like a group (something whose samples must stay together); "
        f"use --group {column} to split by it"
        for column in meta
        if looks_like_group(column, len(table.columns[column].unique), len(table))
    ]


def _known(columns: Sequence[str], names: tuple[str, ...]) -> list[str]:
    return [column for column in columns if _key(column) in names]


def _key(column: str) -> str:
    return re.sub(r"[\s_\-.]+", "", column.casefold())


def _only(columns: Sequence[str], table: Table, what: str, option: str) -> str | None:
    if len(columns) > 1:
        raise DataError(
            f"the columns {some(columns)} may each hold the {what}; {table.describe()}",
            hint=f"say which: {option} {columns[0]}",
        )
    return columns[0] if columns else None
