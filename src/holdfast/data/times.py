"""When samples were made: dates, years or numbers in a column, as numbers that can be compared."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.plan import some
from holdfast.data.units import codes, texts

_PART_OF_DATE = re.compile(r"\d{4}(-\d{2})?")


def read_times(values: Any, column: str, names: Sequence[str]) -> npt.NDArray[Any]:
    """The times of samples: all numbers (years, seconds, counters), or all ISO dates, with or without a time.

    Dates without a zone are taken to be in UTC; `2019` and `2019-05` among dates mean their first day.

    Args:
        values: texts, one a sample: a pyarrow column or a list.
        column: its name, for the message.
        names: of the samples, for the message.

    Returns:
        Numbers (float64), or moments (datetime64 of microseconds).

    Raises:
        DataError: if a value is neither; it names the rows.

    >>> read_times(["2020-01-31", "2019-05"], "date", ["a.jpg", "b.jpg"]).astype("datetime64[D]").tolist()
    [datetime.date(2020, 1, 31), datetime.date(2019, 5, 1)]
    """
    column_of = texts(values)
    different = [value.strip() for value in pc.unique(column_of).to_pylist()]
    numbers = [_read(float, value) for value in different]
    moments = [_read(_moment, value) for value in different]
    are_numbers = sum(value is not None for value in numbers) >= sum(value is not None for value in moments)
    read: Sequence[float | int | None] = numbers if are_numbers else moments
    at = codes(column_of)
    bad = np.array([value is None for value in read], np.bool_)[at]
    if bad.any():
        rows = np.flatnonzero(bad)
        wrong = sorted({different[at[row]] for row in rows})
        raise DataError(
            f"the column {column!r} holds {some(wrong)}, which is no time, in {len(rows):,} rows: "
            f"{some([names[row] for row in rows[:5]])}",
            hint="write ISO dates (2024-05-31, 2024-05-31T12:00), years or numbers in each row, "
            "or leave --time out",
        )
    return np.array(read, np.float64)[at] if are_numbers else np.array(read, "datetime64[us]")[at]


def _read(kind: Callable[[str], float | int], value: str) -> float | int | None:
    try:
        number = kind(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: str) -> int:
    """Microseconds since 1970."""
    if _PART_OF_DATE.fullmatch(value):
        value = f"{value}-01-01"[:10]
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
