"""Connections that may not wait for ever, and never so many that others find none free."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any, Literal

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from holdfast.config.protection import LimitConfig

_HEAD_BYTES = 64 * 1024
_LONG_HEAD = (
    "431 Request Header Fields Too Large",
    f"the address and the headers are longer than {_HEAD_BYTES // 1024} KB",
    "send fewer or shorter headers, and what is long in the body",
)
_NO_HTTP = ("400 Bad Request", "this is no HTTP request", "see /docs for what there is")
_SPARE = 100
"""Files that are open besides connections: the graph, the log, the libraries."""
_LAST_WORDS_S = 1.0
"""So long a client has to read why it was cut off."""
BACKLOG = 512
"""Connections that the system takes in before the server hears of them, and hands over at once."""

Phase = Literal["new", "kept", "body", "answer"]
"""Before a first request; between requests; while a body arrives; while it is answered."""
_PATIENT: tuple[Phase, ...] = ("new", "kept", "body")
"""Those that can be given up for a newcomer, in this order; the oldest first."""


@dataclass(frozen=True)
class Times:
    """How long a client may take, in seconds, and how many connections there are at most."""

    head_s: float
    body_s: float
    most: int


class Crowd:
    """All connections of a server. Used from its event loop only."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self._by_phase: dict[Phase, dict[Any, None]] = {phase: {} for phase in (*_PATIENT, "answer")}

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._by_phase.values()))

    def move(self, connection: Any, before: Phase | None, after: Phase | None) -> None:
        """Note that a connection has come, goes on to another phase, or is gone."""
        if before:
            self._by_phase[before].pop(connection, None)
        if after:
            self._by_phase[after][connection] = None

    def make_room(self) -> bool:
        """Whether there is room for one more, if need be after the longest waiting has been closed."""
        if len(self) < self.times.most:
            return True
        for phase in _PATIENT:
            for connection in self._by_phase[phase]:
                connection.give_up()
                return True
        return False


def connection_type(crowd: Crowd) -> type[asyncio.Protocol]:
    """What uvicorn is to make of each connection of this crowd."""
    return type("Connection", (_Connection,), {"crowd": crowd})


class _Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's connection, with an end to every wait.

    Uvicorn ends the silence between two requests. It waits for ever for a first request, for the rest of a
    head, for a body, and until an answer is read; some thousand clients that do nothing would take all
    connections there are.
    """

    crowd: Crowd
    _tells_bodies = hasattr(AutoHTTPProtocol, "on_body")  # httptools does; h11 has limits of its own
    _barren_bytes = 0
    _unsent_bytes = 0
    _phase: Phase | None = None
    _since_s = 0.0
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a client in, if there is room."""
        super().connection_made(transport)
        if not self.crowd.make_room():
            self._end("503 Service Unavailable", "all connections are taken", "come again in a second")
            return
        self._enter("new")
        self._timer = self.loop.call_later(self.crowd.times.head_s, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head, and note where the request now is."""
        waiting = self._phase in ("new", "kept")
        if waiting:
            if self._phase == "kept" and not self._head_bytes:
                self._since_s = self.loop.time()  # until now it was silent, which uvicorn ends
            self._head_bytes += len(data)
        self._barren_bytes = 0 if waiting else self._barren_bytes + len(data)
        super().data_received(data)
        self._note()
        if self._phase in ("new", "kept"):
            if self._head_bytes > _HEAD_BYTES:
                self._end(*_LONG_HEAD)
        elif self._tells_bodies and self._barren_bytes > _HEAD_BYTES:
            self._end(*_LONG_HEAD)

    def on_headers_complete(self) -> None:
        """Refuse a long head that came at once too; from a callback, the parser is stopped by an error."""
        if self._is_long():
            raise ValueError(_LONG_HEAD)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What arrives is a body, and not a header behind it, which the parser would collect without end."""
        self._barren_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Note that the connection is free for another request, or answers one that waited already."""
        super().on_response_complete()
        self._note()
        if self._phase == "body":
            self._since_s = self.loop.time()

    def resume_writing(self) -> None:
        """Note that the client reads."""
        self._unsent_bytes = 0
        super().resume_writing()

    def give_up(self) -> None:
        """Close it for a newcomer's sake."""
        self._leave()
        self.transport.abort()  # to close would wait until the client has read all

    def _note(self) -> None:
        if self._phase is None:
            return
        cycle = self.cycle
        phase: Phase
        if cycle is None:
            phase = "new"
        elif cycle.response_complete:  # after an early refusal the rest of the body is thrown away
            phase = "body" if cycle.more_body else "kept"
        else:
            phase = "body" if cycle.more_body and not cycle.response_started else "answer"
        if phase != self._phase:
            self._enter(phase)

    def _enter(self, phase: Phase) -> None:
        self.crowd.move(self, self._phase, phase)
        self._phase, self._since_s, self._head_bytes = phase, self.loop.time(), 0

    def _leave(self) -> None:
        self.crowd.move(self, self._phase, None)
        self._phase = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """End what took too long; else look again when it may have."""
        if self._phase is None:
            return
        before, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
        if 0 < before <= self._unsent_bytes:
            self.give_up()  # it does not read what it asked for
            return
        times = self.crowd.times
        allowed = times.body_s if self._phase == "body" else times.head_s
        ends = self._phase == "new" or (self._phase == "kept" and self._head_bytes > 0)
        if self._phase == "body":  # while somebody reads it, they know when it is late
            ends = self.cycle.response_complete
        left_s = self._since_s + allowed - self.loop.time()
        if ends and left_s <= 0:
            self._end("408 Request Timeout", "the request did not arrive in time", "send it without pauses")
        else:
            self._timer = self.loop.call_later(
                min(left_s, times.head_s) if ends else times.head_s, self._check
            )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what is no HTTP, or too long to be taken for it, in the words of all other refusals."""
        self._end(*(_LONG_HEAD if self._is_long() else _NO_HTTP))

    def _is_long(self) -> bool:
        """Whether the head is; not what came behind it in the same piece."""
        if self._head_bytes <= _HEAD_BYTES or not self._tells_bodies:
            return self._head_bytes > _HEAD_BYTES
        if self.headers is None:  # no request has begun
            return False
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > _HEAD_BYTES

    def _end(self, status: str, error: str, hint: str) -> None:
        self._leave()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = json.dumps({"error": error, "hint": hint})
            head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            again = "Retry-After: 1\r\n" if status.startswith("503") else ""
            self.transport.write(f"{head}{again}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if cycle and not cycle.response_complete:  # whoever answers it need not
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
        self.loop.call_later(_LAST_WORDS_S, self.transport.abort)


def times_of(limits: LimitConfig) -> Times:
    """The settings, with no more connections than the system lets a process open files."""
    return Times(limits.head_s, limits.body_s, min(limits.connections, _most_files() - BACKLOG - _SPARE))


def raise_file_limit() -> None:
    """Take as many open files as the system lets this process have; by default it gives 1,024 of them."""
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says "without limit", and means 10,240
            return


def _most_files() -> int:
    if os.name == "nt":
        return 100_000
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 100_000 if soft == resource.RLIM_INFINITY else soft
