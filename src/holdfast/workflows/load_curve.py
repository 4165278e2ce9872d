"""How answers slow down as a server is asked more: the steps of a load test, and the knee of their curve."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SLOWER = 2.0
"""At the knee the 95th percentile is at most so many times that at the lowest rate."""
GOOD = 0.99
"""And at least so large a share of the requests is answered."""


@dataclass(frozen=True)
class Step:
    """What was seen under one load.

    Attributes:
        users: how many clients asked again as soon as they had an answer; None under a rate.
        rate: requests that were to arrive in a second, by chance; None with users.
        seconds: how long it took.
        requests: how many were sent.
        good: how many were answered with 200.
        throughput: good answers in a second.
        p50_ms, p90_ms, p95_ms, p99_ms: times of the good ones; None if there are none.
        errors: of the others, how many had which status; "no answer" where there was none, and "not sent"
            where too many waited already.
        client_cpu: the share of a core that asking took.
    """

    users: int | None
    rate: float | None
    seconds: float
    requests: int
    good: int
    throughput: float
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: dict[str, int]
    client_cpu: float

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return asdict(self)


def step_of(asked: Mapping[str, Any], seen: Mapping[str, Any]) -> Step:
    """The numbers of one step.

    Args:
        asked: `users` or `rate`.
        seen: what the driver noted: `ms` and `status` of each request, `seconds`, `dropped`, `client_cpu`.

    >>> step_of({"users": 1}, {"ms": [2.0, 4.0, 9.0], "status": [200, 200, 503], "seconds": 0.5,
    ...     "dropped": 0, "client_cpu": 0.1}).errors
    {'503': 1}
    """
    ms, status = np.array(seen["ms"], float), np.array(seen["status"], int)
    good = ms[status == 200]
    others = Counter("no answer" if each == 0 else str(each) for each in status[status != 200].tolist())
    if seen["dropped"]:
        others["not sent"] = seen["dropped"]
    p50, p90, p95, p99 = (
        round(float(np.percentile(good, q)), 3) if len(good) else None for q in (50, 90, 95, 99)
    )
    return Step(
        users=asked.get("users"),
        rate=asked.get("rate"),
        seconds=round(seen["seconds"], 3),
        requests=len(ms) + seen["dropped"],
        good=len(good),
        throughput=round(len(good) / seen["seconds"], 3),
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        errors=dict(sorted(others.items())),
        client_cpu=seen["client_cpu"],
    )


def knee(steps: Sequence[Step]) -> Step | None:
    """The highest rate up to which answers are good and hardly slower than at rest; None if there is no such.

    Up to it, each step answers at least 99 % of the requests, and its 95th percentile is at most twice that
    of the lowest rate. A server of which requests arrive by chance has a queue that grows as 1 / (1 - load):
    the knee is where one should stop, as beyond it little more is answered, and much later.

    Args:
        steps: those with a rate.

    >>> from types import SimpleNamespace as S
    >>> seen = [S(rate=r, requests=100, good=100, p95_ms=p) for r, p in ((10, 8), (40, 12), (50, 40))]
    >>> knee(seen).rate
    40
    """
    found: Step | None = None
    ordered = sorted(steps, key=lambda step: step.rate or 0.0)
    for step in ordered:
        if not is_calm(step, ordered[0]):
            break
        found = step
    return found


def is_calm(step: Step, lowest: Step) -> bool:
    """Whether a step lies below the knee."""
    if step.p95_ms is None or lowest.p95_ms is None or step.good < GOOD * step.requests:
        return False
    return step.p95_ms <= SLOWER * lowest.p95_ms
