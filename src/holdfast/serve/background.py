"""Work that goes on beside the requests of people, and gives way to them."""

import asyncio
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import numpy as np
from starlette.requests import Request

from holdfast.core.errors import InputError
from holdfast.modality import AudioPreparation, Piece
from holdfast.serve.batching import Answer, BusyError
from holdfast.serve.features import joined
from holdfast.serve.live import Live
from holdfast.serve.service import Service

_PAUSE_S = 0.1
"""Before another try where there was no room."""
_GRACE_S = 20.0
"""After the server was asked to stop, what is left then is given up: the server cuts it off soon after."""
_PIECE = 8
"""Windows that are decoded at a time."""
_RUN_S = 0.05
"""How long a worker should be busy with windows in the background: whoever comes may wait for that."""


class StoppingError(Exception):
    """The server stops before the work is done."""


class Gate:
    """Lets in so many rows of background work at a time, in the order in which they came.

    The queue lets people go first; but what is begun is not given up, and rows that wait there count against
    the time that people are promised. So only a few are in it: enough for all workers and the next.

    Args:
        service: whose model answers.
        rows: of the graph at a time.
    """

    def __init__(self, service: Service, rows: int) -> None:
        self.rows = rows
        self._service = service
        self._used = 0
        self._changed = asyncio.Condition()
        self._stopping_since: float | None = None
        self._seconds_each = _RUN_S  # a window, waiting for its turn included

    @property
    def is_closed(self) -> bool:
        """Whether the server stops, and did not begin to do so only just now."""
        if self._service.state != "stopping":
            return False
        self._stopping_since = self._stopping_since or time.monotonic()
        return time.monotonic() > self._stopping_since + _GRACE_S

    async def answer(
        self,
        live: Live,
        data: bytes | np.ndarray,
        *,
        max_s: float | None = None,
        on_piece: Callable[[Piece], None] | None = None,
    ) -> Answer | InputError:
        """What a model says of an item, or why it cannot. Recordings are decoded and run in pieces.

        Args:
            max_s: longest recording; None takes the model's own limit.
            on_piece: hears of each piece of a recording that is decoded.

        Raises:
            StoppingError: if the server stops.
        """
        preparation = live.engine.preparation
        if not isinstance(preparation, AudioPreparation) or isinstance(data, np.ndarray):
            return await self._ask(live, data, 1 if isinstance(data, bytes) else len(data))
        pieces = preparation.pieces(data, max_s or preparation.max_s, _PIECE)
        try:
            return await self._recording(live, pieces, on_piece or (lambda _: None))
        except InputError as error:
            return error
        finally:
            with suppress(ValueError):  # a thread is still at it
                pieces.close()

    async def _recording(
        self, live: Live, pieces: Iterator[Piece], on_piece: Callable[[Piece], None]
    ) -> Answer:
        waiting: deque[asyncio.Task[Answer | InputError]] = deque()
        answers: list[Answer] = []

        async def first() -> None:
            answer = await waiting[0]
            waiting.popleft()
            assert isinstance(answer, Answer), answer  # windows are no files that could be broken
            answers.append(answer)

        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                on_piece(piece)
                rows = max(1, min(_PIECE, round(_RUN_S / self._seconds_each)))
                for start in range(0, len(piece.windows), rows):
                    windows = piece.windows[start : start + rows]
                    waiting.append(asyncio.create_task(self._ask(live, windows, len(windows))))
                while len(waiting) > _PIECE:
                    await first()
            while waiting:
                await first()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return _joined(answers)

    async def _ask(self, live: Live, data: bytes | np.ndarray, rows: int) -> Answer | InputError:
        async with self._room(rows):
            while True:
                if self.is_closed:
                    raise StoppingError
                began = time.monotonic()
                try:
                    (answer,) = await live.answers([data], background=True)
                except BusyError:
                    await asyncio.sleep(_PAUSE_S)
                    continue
                if not isinstance(answer, Answer | InputError):
                    raise answer
                if isinstance(data, np.ndarray):
                    each = (time.monotonic() - began) / rows
                    self._seconds_each += 0.1 * (each - self._seconds_each)
                return answer

    @asynccontextmanager
    async def _room(self, rows: int) -> AsyncIterator[None]:
        rows = min(rows, self.rows)
        async with self._changed:
            await self._changed.wait_for(lambda: self._used + rows <= self.rows)
            self._used += rows
        try:
            yield
        finally:
            async with self._changed:
                self._used -= rows
                self._changed.notify_all()


def _joined(answers: list[Answer]) -> Answer:
    """The answer to a whole recording from those to its pieces."""
    parts = np.concatenate([answer.parts for answer in answers])
    weights = [len(answer.parts) for answer in answers]
    embedding = np.average([answer.embedding for answer in answers], axis=0, weights=weights)
    features = joined([answer.features for answer in answers])
    return Answer(parts.mean(axis=0, dtype=np.float64), parts, embedding, features)


def broken(service: Service, error: Exception, request: Request) -> tuple[str, str]:
    """What to tell of an item that broke something: the trace goes to whoever runs the server."""
    number = request.state.request_id
    service.warn(f"request {number}: " + "".join(traceback.format_exception(error)))
    return "something broke inside the server", f"the server's log says what (id {number})"
