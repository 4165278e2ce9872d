"""Many items in one request: a line of JSON for each, as soon as it is done."""

import asyncio
import time
from collections import deque
from typing import Any

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.core.errors import InputError
from holdfast.serve import openapi_background as openapi
from holdfast.serve.answers import dumped, tell
from holdfast.serve.api import Api
from holdfast.serve.background import Gate, StoppingError, broken
from holdfast.serve.batching import Answer, BusyError
from holdfast.serve.bodies import FORMATS, Item, RequestError, how_json
from holdfast.serve.live import Live
from holdfast.serve.release import Release
from holdfast.serve.requests import Upload, top_of
from holdfast.serve.service import Service
from holdfast.serve.streams import KIND, Entry, stream_of

_UNSENT_BYTES = 16 << 20
"""Lines that wait for a client which sends all before it reads; after more of them it must read first."""
_TOGETHER_BYTES = 64 << 10
"""Lines that are done already go out together, up to this."""
_LARGE = 256 << 10
_SILENCE_S = 30.0
_PAUSE_S = 0.05


def add_routes(app: Api, service: Service, gate: Gate) -> None:
    """`POST /batch`."""
    at_once = service.config.bulk.at_once
    working: set[Bulk] = set()

    async def answered(request: Request, name: str | None = None) -> Response:
        release = service.find(name)
        release.live.check()
        if len(working) >= at_once:
            raise BusyError(f"{at_once} requests to /batch are in work already")
        bulk = Bulk(service, gate, request, release)
        working.add(bulk)
        try:
            await bulk.begin()
        except BaseException:
            working.discard(bulk)
            await bulk.close()
            raise
        return _Lines(bulk, working)

    asked = openapi.batch_request(service.live.modality)

    @app.post("/batch", response_class=Response, responses=openapi.BATCH, openapi_extra=asked)
    async def batch(request: Request) -> Response:
        """Predict many items in one request; the answer has a line of JSON for each, in their order.

        What cannot be used has a line with its `error`, and does not refuse the others. Lines come while the
        request is still being sent. Requests to `/predict` go first.
        """
        return await answered(request)

    @app.post(
        "/models/{name}/batch", response_class=Response, responses=openapi.BATCH_OF, openapi_extra=asked
    )
    async def model_batch(request: Request, name: str) -> Response:
        """The same as `/batch`, by one model."""
        return await answered(request, name)


class _Lines(Response):
    """An answer that is sent while the request still comes in."""

    def __init__(self, bulk: "Bulk", working: "set[Bulk]") -> None:
        super().__init__(media_type=KIND)
        del self.headers["content-length"]
        self._bulk, self._working = bulk, working

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while data := await self._bulk.lines():
                async with asyncio.timeout(_SILENCE_S):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            if not self._bulk.is_cut_off:
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:  # a client that does not read; the server ends the connection
            pass
        finally:
            self._working.discard(self._bulk)
            await self._bulk.close()


class Bulk:
    """One request to `/batch`: items are read, answered and told at the same time, few of them in memory."""

    def __init__(self, service: Service, gate: Gate, request: Request, release: Release) -> None:
        """Look at the head of a request.

        Raises:
            RequestError: if it is not one that can be answered.
        """
        self._service, self._gate, self._request, self._release = service, gate, request, release
        self._modality = release.live.modality
        self._top = top_of(request)
        self._stream = stream_of(request.headers, self._modality, service.limits.max_bytes)
        self._upload = Upload(request, service.limits, service.room)
        self._tasks: deque[asyncio.Task[bytes]] = deque()
        self._more = asyncio.Event()
        self._slots = asyncio.Semaphore(gate.rows)
        self._count = self._bytes = self._unsent = 0
        self._refusal: RequestError | None = None
        self._is_read = self.is_cut_off = False
        self._reader: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Read until there is something to answer.

        Raises:
            RequestError: if there is nothing.
            ClientDisconnect: if the client went away.
        """
        self._reader = asyncio.create_task(self._read())
        await self._wait_for_more()
        if self.is_cut_off:
            raise ClientDisconnect
        if not self._tasks:
            raise self._refusal or RequestError(400, "the request is empty", hint=how_json(self._modality))

    async def lines(self) -> bytes:
        """The next lines, once there is one; nothing at the end."""
        await self._wait_for_more()
        found = b""
        while self._tasks and (not found or (self._tasks[0].done() and len(found) < _TOGETHER_BYTES)):
            await asyncio.wait([self._tasks[0]])
            if self.is_cut_off:
                return b""
            found += self._tasks.popleft().result()
        self._unsent -= len(found)
        return found

    async def close(self) -> None:
        """Give up what is not done, and the room that it takes."""
        tasks = [*self._tasks, *([self._reader] if self._reader else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._upload.release()

    async def _wait_for_more(self) -> None:
        while not (self._tasks or self._is_read):
            self._more.clear()
            await self._more.wait()

    async def _read(self) -> None:
        each_s, count = self._service.limits.body_s, -1
        try:
            while not self._upload.ended:
                await self._until(lambda: self._unsent < _UNSENT_BYTES, "nobody reads the answers")
                if self._count > count:  # each item has its time to arrive, not all of them together
                    end_s, count = time.monotonic() + each_s, self._count
                chunk = await self._upload.chunk(end_s)
                large = self._stream.held >= _LARGE
                feed = self._stream.feed
                await self._take(await asyncio.to_thread(feed, chunk) if large else feed(chunk))
            await self._take(self._stream.end())
        except RequestError as error:
            if self._count:
                self._add(self._failed(self._count, None, error.message, error.hint, error.status))
            self._refusal = error
        except ClientDisconnect:
            self.is_cut_off = True
        self._is_read = True
        self._more.set()
        if not self.is_cut_off and self._upload.ended:
            await self._upload.gone()
            self.is_cut_off = True
            for task in self._tasks:
                task.cancel()

    async def _take(self, entries: list[Entry]) -> None:
        """Begin to answer some items, once there is room for them."""
        self._bytes += sum(_size(entry) for entry in entries)
        await self._until(self._has_room, "the requests in work fill the memory")
        for entry in entries:
            if self._count >= self._service.config.bulk.items:
                raise RequestError(
                    413,
                    f"more than {self._service.config.bulk.items:,} items",
                    hint="send them in several requests, or raise serve.bulk.items on the server",
                )
            if self._gate.is_closed:
                raise RequestError(503, "the server is stopping", hint="send the items from here on again")
            await self._slots.acquire()
            self._add(self._line(self._count, entry))

    def _add(self, line: Any) -> None:
        task = asyncio.create_task(line)
        task.add_done_callback(lambda _: self._slots.release())
        self._tasks.append(task)
        self._count += 1
        self._more.set()

    def _has_room(self) -> bool:
        try:
            self._upload.hold(self._stream.held + self._bytes)
        except BusyError:
            return False
        return True

    async def _until(self, done: Any, complaint: str) -> None:
        latest = time.monotonic() + _SILENCE_S
        while not done():
            if time.monotonic() > latest:
                raise RequestError(408, complaint, hint="send the items from here on again")
            await asyncio.sleep(_PAUSE_S)

    async def _line(self, index: int, entry: Entry) -> bytes:
        """What is told of one item."""
        if isinstance(entry, InputError):
            return await self._failed(index, None, entry.message, entry.hint)
        live, began = self._release.live, time.perf_counter()
        try:
            answer = await self._gate.answer(live, entry.data)
        except StoppingError:
            return await self._failed(index, entry.name, "the server is stopping", "send it again", 503)
        except Exception as error:  # of any kind: it belongs to this item alone
            return await self._failed(index, entry.name, *broken(self._service, error, self._request), 500)
        finally:
            self._bytes -= _size(entry)
        if isinstance(answer, InputError):
            return await self._failed(
                index, entry.name, answer.message, answer.hint or FORMATS[self._modality]
            )
        return self._told(index, live, entry, answer, time.perf_counter() - began)

    def _told(self, index: int, live: Live, item: Item, answer: Answer, seconds: float) -> bytes:
        (labels,) = live.engine.labels_of(answer.probabilities[None])
        if self._service.metrics:
            self._service.metrics.predicted(labels)
        (number,) = self._service.noted(live, self._request, [item], [answer], [labels], seconds)
        told = tell(live.engine, item.name, answer.probabilities, answer.parts, labels, top=self._top)
        return self._written({"index": index, "id": number, "model": live.ref, **told})

    async def _failed(
        self, index: int, name: str | None, error: str, hint: str | None, status: int = 422
    ) -> bytes:
        return self._written({"index": index, "name": name, "error": error, "hint": hint, "status": status})

    def _written(self, content: dict[str, Any]) -> bytes:
        line = dumped(content) + b"\n"
        self._unsent += len(line)
        return line


def _size(entry: Entry) -> int:
    if isinstance(entry, InputError):
        return 0
    return entry.data.nbytes if isinstance(entry.data, np.ndarray) else len(entry.data)
