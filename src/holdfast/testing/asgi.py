"""Asks an app without a socket: thousands of requests a second less the network."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

_CHUNK = 64 << 10


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    query: bytes = b""


@dataclass(frozen=True)
class Got:
    """An answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[Any]:
    """An app within its lifespan, once it is ready."""
    async with app.router.lifespan_context(app):
        await app.state.service.ready()
        yield app


async def ask(app: ASGIApp, sent: Sent) -> Got:
    """One request; what the app raises is raised."""
    pieces = [sent.body[start : start + _CHUNK] for start in range(0, len(sent.body), _CHUNK)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]
    done = asyncio.Event()
    status, headers, body = 0, {}, bytearray()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            body.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "raw_path": sent.path.encode("utf-8", "surrogatepass"),
        "query_string": sent.query,
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *sent.headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    try:
        await app(scope, receive, send)
    finally:
        done.set()
    return Got(status, headers, bytes(body))


async def ask_all(
    app: ASGIApp, requests: Iterable[Sent], *, at_once: int = 8
) -> AsyncIterator[tuple[Sent, Got]]:
    """Each request with its answer, as they come; few at the same time."""
    waiting: set[asyncio.Task[tuple[Sent, Got]]] = set()

    async def one(sent: Sent) -> tuple[Sent, Got]:
        return sent, await ask(app, sent)

    for sent in requests:
        waiting.add(asyncio.create_task(one(sent)))
        if len(waiting) >= at_once:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    for answer in asyncio.as_completed(waiting):
        yield await answer
