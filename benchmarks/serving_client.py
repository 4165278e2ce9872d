"""A small fast client in a process of its own: so that what asking costs is counted apart.

    python -m benchmarks.serving_client FOLDER

FOLDER holds bodies: `good-*` and, for some measurements, `bad-*`. A line of JSON for each measurement comes
in, `{"url": …, "clients": 8, "seconds": 3}` or `{"url": …, "rate": 90, "seconds": 3}`, and one goes out; a
`key` in it is sent along.
Clients keep their connections and ask again when they are answered; a rate is kept whatever is answered
(arrivals by chance).
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 40.0
_WARM_S = 0.3
_IDLE_S = 2.0
"""A connection that lay unused for so long is not used again: servers close theirs, after 5 s."""


class Connection(asyncio.Protocol):
    """One connection that asks, one request at a time. Bare: a library takes longer than a small graph."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.done: Callable[[int], None] | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self, request: bytes, done: Callable[[int], None]) -> None:
        self.done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self.buffer) >= end + 4 + length:
            del self.buffer[: end + 4 + length]
            if b"connection: close" in head:
                self.transport.close()
            self._finish(int(head[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        self._finish(0)

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def _finish(self, status: int) -> None:
        done, self.done = self.done, None
        if done:
            done(status)


class Seen:
    """What became of the requests, by what was sent."""

    def __init__(self) -> None:
        self.status: dict[str, Counter[int]] = {"good": Counter(), "bad": Counter()}
        self.ms: list[float] = []
        """Of good requests that were answered well."""
        self.refused_ms: list[float] = []

    def note(self, kind: str, status: int, seconds: float) -> None:
        self.status[kind][status] += 1
        if kind == "good":
            (self.ms if status == 200 else self.refused_ms).append(round(1000 * seconds, 3))

    def told(self, wall_s: float, cpu_s: float) -> dict[str, Any]:
        status = {kind: dict(counts) for kind, counts in self.status.items()}
        return {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "status": status,
            "ms": self.ms,
            "refused_ms": self.refused_ms,
        }


def main(folder: str) -> None:
    kinds = [(path.name.split("-")[0], path.read_bytes()) for path in sorted(Path(folder).iterdir())]
    random.Random(0).shuffle(kinds)
    for line in sys.stdin:
        asked = json.loads(line)
        requests = [(kind, _request(asked, body)) for kind, body in kinds]
        print(json.dumps(asyncio.run(_measure(asked, requests))), flush=True)


async def _measure(asked: dict[str, Any], requests: list[tuple[str, bytes]]) -> dict[str, Any]:
    parts, seen = urlsplit(asked["url"]), Seen()
    loop = asyncio.get_running_loop()

    async def connect() -> Connection:
        return (await loop.create_connection(Connection, parts.hostname, parts.port))[1]

    walk = _clients if "clients" in asked else _arrivals
    await walk(connect, requests, warm := Seen(), **{**_load(asked), "seconds": _WARM_S})
    began, cpu = time.perf_counter(), time.process_time()
    await walk(connect, requests, seen, **_load(asked))
    told = seen.told(time.perf_counter() - began, time.process_time() - cpu)
    return {**told, "warm": len(warm.ms)}


def _load(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in ("clients", "rate", "seconds") if name in asked}


async def _clients(
    connect: Any, requests: list[tuple[str, bytes]], seen: Seen, *, clients: int, seconds: float
) -> None:
    end = time.perf_counter() + seconds
    each = itertools.cycle(requests)

    async def again() -> None:
        connection = await connect()
        while time.perf_counter() < end:
            kind, request = next(each)
            began = time.perf_counter()
            status = await _answer(connection, request)
            seen.note(kind, status, time.perf_counter() - began)
            if not connection.is_open:
                connection = await connect()
        connection.transport.close()

    await asyncio.gather(*(again() for _ in range(clients)))


async def _arrivals(
    connect: Any, requests: list[tuple[str, bytes]], seen: Seen, *, rate: float, seconds: float
) -> None:
    chance, each = random.Random(1), itertools.cycle(requests)
    idle: list[tuple[float, Connection]] = []
    running: set[asyncio.Task[None]] = set()
    began = due = time.perf_counter()

    async def one(due: float) -> None:
        kind, request = next(each)
        connection = None
        while idle and connection is None:
            since, last = idle.pop()
            if time.perf_counter() - since < _IDLE_S and last.is_open:
                connection = last
        connection = connection or await connect()
        status = await _answer(connection, request)
        seen.note(kind, status, time.perf_counter() - due)
        if connection.is_open:
            idle.append((time.perf_counter(), connection))

    while (due := due + chance.expovariate(rate)) < began + seconds:
        if (wait_s := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        task = asyncio.create_task(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(set(running), timeout=_TIMEOUT_S)
    for _, connection in idle:
        connection.transport.close()


async def _answer(connection: Connection, request: bytes) -> int:
    """The status of the answer, 0 if there was none."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    connection.ask(request, lambda status: None if future.done() else future.set_result(status))
    try:
        return await asyncio.wait_for(future, _TIMEOUT_S)
    except TimeoutError:
        connection.transport.abort()
        return 0


def _request(asked: dict[str, Any], body: bytes) -> bytes:
    parts = urlsplit(asked["url"])
    kind, key = asked.get("type", "application/octet-stream"), asked.get("key")
    head = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    main(*sys.argv[1:])
