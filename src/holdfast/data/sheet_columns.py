"""What the columns are called in the table that lies beside a version that was given back."""

import re

SHEET_SPLIT = "holdfast_split"
"""The column of splits, by which the table is known when it is added again."""
OWN = ("file", "text", "label", "group", SHEET_SPLIT)
"""Columns that mean something to us, so that no others may have these names."""
_ESCAPED = re.compile(rf"({'|'.join(OWN)})_+")


def column_of(name: str) -> str:
    """The column that stands for metadata, or for one of many labels.

    >>> column_of("red"), column_of("text"), column_of("text_")
    ('red', 'text_', 'text__')
    """
    return f"{name}_" if name in OWN or _ESCAPED.fullmatch(name) else name


def name_of(column: str) -> str:
    """The name of the metadata, or of the label, that a column stands for.

    >>> name_of("red"), name_of("text_"), name_of("text__")
    ('red', 'text', 'text_')
    """
    return column[:-1] if _ESCAPED.fullmatch(column) else column
