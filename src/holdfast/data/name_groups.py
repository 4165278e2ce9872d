"""Groups from names, where a part of each file's name says the recording or the patient."""

from dataclasses import replace

import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.plan import Plan, SourceOptions, some


def group_by_name(plan: Plan, options: SourceOptions) -> Plan:
    r"""The plan with the part of each name that `options.group_name` matches as its group, if that is given.

    The pattern is one of RE2 (as in `rec\d+`), which takes time in proportion to the name whatever it says.
    Names are seen whole, folders too. A name without a match is a group of its own.

    Raises:
        DataError: if the pattern is none, if no name or every one has the same match, or if a column is to be
            the group as well.
    """
    pattern = options.group_name
    if pattern is None:
        return plan
    told = f"'{pattern}'"  # as it was written, not with each backslash twice
    if options.group is not None:
        raise DataError(
            f"--group {options.group} and --group-name {told} both say what the groups are",
            hint="leave one of them out",
        )
    names = pc.utf8_normalize(plan.rows.column("name"), "NFC")
    groups = _matches(names, pattern)
    known = pc.unique(groups.filter(pc.not_equal(groups, ""))).to_pylist()
    without = names.filter(pc.equal(groups, ""))
    if len(known) < 2 and (not known or not len(without)):
        what = f"puts all in one group, {known[0]!r}" if known else "matches no name"
        raise DataError(
            f"--group-name {told} {what}; names are such as {some(names[:3].to_pylist())}",
            hint=r"give a pattern of the part that is the same in all of one group, such as 'rec\d+'",
        )
    few = ", ".join(map(repr, known[:3]))
    notes = [
        f"the part of each name that {told} matches is its group; there are {len(known):,}, such as {few}"
    ]
    if len(without):
        notes.append(
            f"{len(without):,} names have no match for {told}, so each is a group of its own: "
            + some(without[:5].to_pylist(), total=len(without))
        )
    places = plan.rows.column_names.index("group")
    rows = plan.rows.set_column(places, "group", groups)
    return replace(plan, rows=rows, notes=[*plan.notes, *notes])


def _matches(names: pyarrow.ChunkedArray, pattern: str) -> pyarrow.ChunkedArray:
    whole = pattern if "(?P<group>" in pattern else f"(?P<group>{pattern})"
    try:
        found = pc.extract_regex(names, whole)
    except pyarrow.ArrowInvalid as error:
        raise DataError(
            f"--group-name '{pattern}' is not a pattern: {error}",
            hint="for a part of what is matched write (?P<group>…) around it; other brackets are (?:…)",
        ) from error
    return pc.fill_null(pc.struct_field(found, "group"), "")
