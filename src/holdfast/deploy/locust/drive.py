"""Locust as a process that obeys: a line of JSON for each step comes in, and one of what was seen goes out.

    python drive.py FOLDER URL

FOLDER has `locustfile.py` and its samples. A step is `{"users": 8, "seconds": 2}`, clients that each wait for
their answer, or `{"rate": 120, "seconds": 2}`, requests that arrive by chance (a Poisson process), whether or
not earlier ones were answered. Their time counts from the moment when they were due, so that a server that
stalls is not measured less often while it does.
"""

import json
import random
import sys
import time
from typing import Any

_AT_ONCE = 1000
_LAST_S = 35.0


class Seen:
    """What became of the requests of one step."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.status: list[int] = []
        self.late_ms: list[float] = []
        """How much later than due each was sent: the fault of this process, not of the server."""
        self.dropped = 0
        self.began, self.cpu_s = time.perf_counter(), time.process_time()

    def note(self, due: float, status: int) -> None:
        """Add a request that has just ended."""
        self.ms.append(round(1000 * (time.perf_counter() - due), 3))
        self.status.append(status)

    def told(self, seconds: float) -> dict[str, Any]:
        """All of it, JSON-ready."""
        cpu = (time.process_time() - self.cpu_s) / (time.perf_counter() - self.began)
        late = sorted(self.late_ms)
        return {
            "seconds": seconds,
            "ms": self.ms,
            "status": self.status,
            "late_ms": round(late[int(0.95 * len(late))], 3) if late else 0.0,
            "dropped": self.dropped,
            "client_cpu": round(cpu, 3),
        }


def main(folder: str, url: str) -> None:
    """Take steps until there are no more."""
    sys.path.insert(0, folder)
    import locust  # noqa: F401 - it makes the sockets of this process gevent's, before anything has one
    from locust.env import Environment
    from locustfile import Client

    Client.host = url
    environment = Environment(user_classes=[Client])
    for line in sys.stdin:
        step = json.loads(line)
        walk = users if "users" in step else arrivals
        print(json.dumps(walk(environment, Client, **step)), flush=True)


def users(environment: Any, client: Any, users: int, seconds: float) -> dict[str, Any]:
    """So many clients, each of which asks again as soon as it is answered."""
    import gevent

    seen, began = Seen(), time.perf_counter()

    def again(one: Any) -> None:
        while (now := time.perf_counter()) < began + seconds:
            seen.note(now, one.ask())

    asked = [gevent.spawn(again, one) for one in _started(environment, client, users)]
    gevent.joinall(asked)
    return seen.told(time.perf_counter() - began)


def arrivals(environment: Any, client: Any, rate: float, seconds: float) -> dict[str, Any]:
    """Requests that arrive at a rate, in seconds, whatever becomes of them."""
    import gevent
    from gevent.pool import Pool

    (one,) = _started(environment, client, 1)
    seen, chance, pool = Seen(), random.Random(0), Pool(_AT_ONCE)  # noqa: S311 - no secret
    began = due = time.perf_counter()

    def ask(due: float) -> None:
        seen.note(due, one.ask())

    while (due := due + chance.expovariate(rate)) < began + seconds:
        gevent.sleep(max(0.0, due - time.perf_counter()))
        seen.late_ms.append(1000 * (time.perf_counter() - due))
        if pool.free_count():
            pool.spawn(ask, due)
        else:
            seen.dropped += 1
    pool.join(timeout=_LAST_S)
    seen.dropped += len(pool)
    pool.kill()
    return seen.told(seconds)


def _started(environment: Any, client: Any, count: int) -> list[Any]:
    made = [client(environment) for _ in range(count)]
    for one in made:
        one.on_start()
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
