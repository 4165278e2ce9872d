"""A line of JSON for each request, and an id by which its answer, its line and its trace find each other."""

import json
import queue
import random
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ID = "X-Request-Id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_chance = random.Random()  # noqa: S311 - no secret; uuid4 asks the system each time
_GATHER_S = 0.05
"""Lines of so long are written together: to wake a thread for each costs a busy server 1 % of its CPU."""
_WAITING = 10_000
"""Lines that wait for whoever reads them; more are dropped and counted."""


class RequestLog:
    """Writes lines in a thread of its own: a reader that is slow or gone never holds up a request.

    Args:
        stream: where the lines go.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._thread.start()
        self.lost = 0
        """Lines that nobody could take."""

    def write(self, entry: dict[str, Any]) -> None:
        """Note one entry; None values are left out."""
        line = json.dumps({key: value for key, value in entry.items() if value is not None})
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def close(self, wait_s: float = 2.0) -> None:
        """Write what waits, but for no longer than this."""
        try:
            self._lines.put(None, timeout=wait_s)
        except queue.Full:
            return
        self._thread.join(wait_s)

    def _write(self) -> None:
        ended = False
        while not ended:
            lines = [self._lines.get()]
            time.sleep(_GATHER_S)
            with suppress(queue.Empty):
                while True:
                    lines.append(self._lines.get_nowait())
            ended = None in lines
            told = [line for line in lines if line is not None]
            try:
                self._stream.write("".join(f"{line}\n" for line in told))
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads any more, or the disk is full
                self.lost += len(told)


def warn(text: str, log: RequestLog | None = None) -> None:
    """Tell whoever runs the server: in a line of the log, or, without one, in words."""
    if log:
        log.write({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "warning": text})
    else:
        print(f"! {text}", file=sys.stderr, flush=True)


class Traced:
    """Gives each request an id, and tells `log` what became of it.

    A caller's own id is kept where it is short and plain. A line holds nothing of what was sent: no body, no
    query, no header. `caller` is there once a key or a token was found valid, and names its owner.

    Args:
        app: what answers.
        log: takes an entry for each request; None keeps none.
    """

    def __init__(self, app: ASGIApp, log: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = _own_id(scope) or f"{_chance.getrandbits(128):032x}"
        scope.setdefault("state", {})["request_id"] = number
        began, sent, status, trace = time.perf_counter(), 0, 500, None

        async def noted(message: Message) -> None:
            nonlocal sent, status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (ID.lower().encode(), number.encode())]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            error.add_note(f"request id: {number}")  # for whoever else writes the trace down
            trace = "".join(traceback.format_exception(error))
            raise
        finally:
            if self._log:
                self._log(
                    {
                        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                        "id": number,
                        "method": scope["method"],
                        "path": scope["path"][:200],
                        "status": status,
                        "seconds": round(time.perf_counter() - began, 6),
                        "bytes": sent,
                        "client": scope["client"][0] if scope.get("client") else None,
                        "caller": scope["state"].get("caller"),
                        "trace_id": scope["state"].get("trace_id"),
                        "trace": trace,
                    }
                )


def _own_id(scope: Scope) -> str | None:
    """The id that the caller gave, if it is one that is safe to repeat."""
    for name, value in scope["headers"]:
        if name == ID.lower().encode():
            return value.decode() if _SANE.fullmatch(value) else None
    return None
