"""Receiving a request: its body as it arrives, with every limit on the way."""

import asyncio
import time
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from holdfast.core.media import Modality
from holdfast.serve.batching import BusyError
from holdfast.serve.bodies import Item, RequestError, how, reader_of

_SILENCE_S = 30.0
"""A client that sends nothing for so long has gone."""
_LARGE = 256 * 1024
"""Bodies from this size on are read in a thread, so that other requests go on."""


TOP = 100
"""Labels that an answer has probabilities of, unless the request asks for another number."""


def top_of(request: Request) -> int:
    """Of how many labels a request wants probabilities: `?top=5`, 100 by default.

    Raises:
        RequestError: if that is no whole number from 1 on.
    """
    asked = request.query_params.get("top")
    if asked is None:
        return TOP
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and int(asked) >= 1):
        raise RequestError(
            400,
            f"top is {asked!r}, not a whole number from 1 on",
            hint="write /predict?top=5, or leave it out",
        )
    return int(asked)


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and how long its body may take to arrive."""

    max_bytes: int
    max_files: int
    body_s: float = 120.0
    setting: str = "serve.max_mb"
    """Where the bytes are set, for whoever sends too many."""


@dataclass
class Room:
    """Memory for the bodies of all requests at once. Used from the event loop only."""

    max_bytes: int
    used: int = field(default=0, init=False)

    def claim(self, count: int) -> None:
        """Take room for so many more bytes.

        Raises:
            BusyError: if there is none.
        """
        if self.used + count > self.max_bytes:
            raise BusyError(f"the requests in work fill {self.max_bytes / 1e6:,.0f} MB already")
        self.used += count


class Upload:
    """One request's body: as it arrives, and the room that it takes until `release`."""

    def __init__(self, request: Request, limits: Limits, room: Room) -> None:
        self._request, self._limits, self._room = request, limits, room
        self._claimed = 0
        self.ended = False
        """Whether the body is read to its end."""

    async def items(self, modality: Modality) -> list[Item]:
        """The items of the request.

        What is wrong is said as early as it is known: before the body is read where its type is the fault,
        and in the middle of it where it grows too large, whatever its Content-Length says. Uvicorn then
        throws away what the client still sends, so that it can read the answer.

        Raises:
            RequestError: if the request is not one that a model of this modality can answer.
            BusyError: if there is no room for its body.
            ClientDisconnect: if the client went away.
        """
        read = reader_of(self._request.headers, modality, self._limits.max_files)
        body = await self.body()
        if not body:
            raise RequestError(400, "the request is empty", hint=how(modality))
        return await asyncio.to_thread(read, body) if len(body) >= _LARGE else read(body)

    def release(self) -> None:
        """Give the room back."""
        self.hold(0)

    async def gone(self) -> None:
        """Return once the client has gone away; for after the body was read."""
        while (await self._request.receive())["type"] != "http.disconnect":
            pass

    async def body(self) -> bytes:
        """All of it, as it came.

        Raises:
            RequestError: if it is too large, or stops arriving.
            BusyError: if there is no room for it.
            ClientDisconnect: if the client went away.
        """
        declared = self._request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limits.max_bytes:
            raise self._too_large()
        body = bytearray()
        end_s = time.monotonic() + self._limits.body_s
        while not self.ended:
            chunk = await self.chunk(end_s)
            if len(body) + len(chunk) > self._limits.max_bytes:
                raise self._too_large()
            body += chunk
            self.hold(len(body))
        return bytes(body)

    def hold(self, count: int) -> None:
        """Have room for so many bytes, more or fewer than before.

        Raises:
            BusyError: if there is none for more.
        """
        if count > self._claimed:
            self._room.claim(count - self._claimed)
        else:
            self._room.used -= self._claimed - count
        self._claimed = count

    async def chunk(self, end_s: float) -> bytes:
        """The next part of the body; afterwards `ended` says whether it was the last.

        It may neither be long in coming nor come after the end of all, by the clock of `time.monotonic`.

        Raises:
            RequestError: if it does not come.
            ClientDisconnect: if the client went away.
        """
        left_s = end_s - time.monotonic()
        try:
            async with asyncio.timeout(min(_SILENCE_S, left_s)):
                message = await self._request.receive()
        except TimeoutError:
            self.ended = True
            if left_s > _SILENCE_S:
                said, hint = f"nothing arrived for {_SILENCE_S:.0f} s", "send the whole body without pauses"
            else:
                said = f"the body did not arrive within {self._limits.body_s:g} s"
                hint = "send fewer or smaller files, or raise serve.limits.body_s on the server"
            raise RequestError(408, said, hint=hint) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"the request is larger than {self._limits.max_bytes / 1e6:g} MB",
            hint=f"send fewer or smaller files, or raise {self._limits.setting} on the server",
        )
