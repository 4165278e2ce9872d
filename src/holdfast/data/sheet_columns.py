"""What the columns are called in the table that lies beside a version that was given back."""

import re

SHEET_SPLIT = "holdfast_split"
"""The column of splits, by which the table is known when it is added again."""
OWN = ("file", "text", "label", "group", SHEET_SPLIT)
"""Columns that mean something to us, so that no others may have these names."""
_ESCAPED = re.compile(rf"({'|'.join(OWN)})_+")


def column_of(label: str) -> str:
    """The column of 0 and 1 that stands for one of many labels.

    >>> column_of("red"), column_of("text"), column_of("text_")
    ('red', 'text_', 'text__')
    """
    return f"{label}_" if label in OWN or _ESCAPED.fullmatch(label) else label


def label_of(column: str) -> str:
    """The label that a column of 0 and 1 stands for.

    >>> label_of("red"), label_of("text_"), label_of("text__")
    ('red', 'text', 'text_')
    """
    return column[:-1] if _ESCAPED.fullmatch(column) else column
