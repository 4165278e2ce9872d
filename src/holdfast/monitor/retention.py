"""What of a journal is too old, and goes."""

import re
from datetime import UTC, datetime

from holdfast.monitor.segments import FINISHED
from holdfast.monitor.stores import Store

PARQUET = "parquet"
"""The folder of what was compacted, by day."""
_DAY = re.compile(r"(?:segments|parquet)/(\d{4}-\d\d-\d\d)/")
_DAY_S = 86400.0


def remove_old(store: Store, days: float, now_s: float) -> list[str]:
    """Remove the finished files of days that ended more than so many days ago.

    Whole days go, with their records, inputs and true labels; what is being written stays.

    Returns:
        The paths of what was removed.
    """
    gone = []
    for folder in (FINISHED, PARQUET):
        for path in sorted(store.sizes(folder)):
            day = _DAY.match(path)
            if day and _end(day[1]) < now_s - days * _DAY_S:
                store.remove(path)
                gone.append(path)
    return gone


def _end(day: str) -> float:
    """When a day ended, in seconds since 1970."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + _DAY_S
    except ValueError:  # such as month 13: nobody's folder of ours
        return float("inf")
