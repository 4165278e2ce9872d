"""What the routes share: the model, the limits, and whether requests are answered now."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.requests import ClientDisconnect, Request

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import InputError
from holdfast.serve.answers import tell
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import FORMATS, Item
from holdfast.serve.engine import Engine
from holdfast.serve.ids import Ids
from holdfast.serve.journal import Journal
from holdfast.serve.live import Live
from holdfast.serve.logs import RequestLog, warn
from holdfast.serve.metrics import JournalCounts, Metrics
from holdfast.serve.requests import Limits, Room, Upload, top_of

_BODIES_AT_ONCE = 16
"""Requests of the largest size that may be in work at once; of smaller ones, so many more."""


class BadItemsError(Exception):
    """Some items cannot be used; `content` is the whole answer."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content["error"])
        self.content = content


class Service:
    """A server's state. It answers once its lifespan has begun."""

    def __init__(self, engine: Engine, config: ServeConfig, ref: str) -> None:
        self.config = config
        self.live = Live(engine, config, ref)
        self.limits = Limits(round(config.max_mb * 1e6), config.max_files, config.limits.body_s)
        self.room = Room(_BODIES_AT_ONCE * self.limits.max_bytes)
        self.state = "starting"
        self.log = RequestLog() if config.log else None
        self.ids = Ids()
        self.journal = Journal(config.journal) if config.journal.where else None
        self.metrics: Metrics | None = None
        if config.metrics:
            self.metrics = Metrics(
                ref,
                engine.bundle.digest,
                engine.labels,
                waiting=lambda: len(self.live),
                lost=lambda: self.log.lost if self.log else 0,
            )
            if self.journal:
                self.metrics.add(JournalCounts(self.journal))
        self._warmed = asyncio.Event()
        self._failure: Exception | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start the model and warm it up beside the first requests; finish what waits at the end."""
        warming = asyncio.create_task(self._warm_up())
        await asyncio.sleep(0)  # its queue is there when the first request comes
        try:
            yield
        finally:
            self.stop()
            warming.cancel()
            await self.live.close()
            if self.journal:
                await asyncio.to_thread(self.journal.close)
            if self.log:
                await asyncio.to_thread(self.log.close)

    def stop(self) -> None:
        """Say on `/readyz` that the end is near; what is asked already is still answered."""
        self.state = "stopping"

    def warn(self, text: str) -> None:
        """Tell whoever runs the server what is not as it should be."""
        warn(text, self.log)

    async def ready(self) -> None:
        """Return once requests are answered.

        Raises:
            Exception: that which the warm-up met.
        """
        await self._warmed.wait()
        if self._failure:
            raise self._failure

    async def predict(self, request: Request) -> dict[str, Any]:
        """The whole way of one request to `/predict`.

        Raises:
            RequestError: if it is no request that the model can answer.
            BadItemsError: if some of its items cannot be used.
            BusyError: if there is no room for it.
            ClientDisconnect: if the client went away.
        """
        live = self.live
        top = top_of(request)
        live.check()
        upload = Upload(request, self.limits, self.room)
        try:
            items = await upload.items(live.modality)
            began = time.perf_counter()
            answers = await self.answers(live, items, upload)
        finally:
            upload.release()
        chosen = live.engine.labels_of(np.stack([answer.probabilities for answer in answers]))
        if self.metrics:
            self.metrics.predicted(label for labels in chosen for label in labels)
        seconds = time.perf_counter() - began
        ids = self.noted(live, request, items, answers, chosen, seconds)
        predictions = [
            {
                "id": number,
                **tell(live.engine, item.name, answer.probabilities, answer.parts, labels, top=top),
            }
            for number, item, answer, labels in zip(ids, items, answers, chosen, strict=True)
        ]
        return {"model": live.ref, "predictions": predictions, "seconds": seconds}

    def noted(
        self,
        live: Live,
        request: Request,
        items: Sequence[Item],
        answers: Sequence[Answer],
        chosen: Sequence[list[str]],
        seconds: float,
    ) -> list[str]:
        """An id for each answer of a request, after the journal has taken note of them if there is one."""
        ids = self.ids.take(len(items))
        if self.journal:
            self.journal.note(live, request.state.request_id, ids, items, answers, chosen, seconds)
        return ids

    async def answers(self, live: Live, items: Sequence[Item], upload: Upload) -> list[Answer]:
        """The answer to each item of a request whose body was read; given up if the client goes away.

        Raises:
            BadItemsError: if some cannot be used.
            BusyError: if there is no room for them.
            ClientDisconnect: if the client went away.
        """
        waiting = asyncio.ensure_future(live.answers([item.data for item in items]))
        gone = asyncio.create_task(upload.gone())
        try:
            either: list[asyncio.Future[Any]] = [waiting, gone]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientDisconnect
        finally:
            gone.cancel()
            waiting.cancel()  # takes what still waits out of the queue
        return _good(items, waiting.result(), FORMATS[live.modality])

    async def _warm_up(self) -> None:
        try:
            await self.live.start(self.metrics)
        except Exception as error:
            self._failure, self.state = error, "failed"
        if self.state == "starting":
            self.state = "ready"
        self._warmed.set()


def _good(items: Sequence[Item], answers: Sequence[Answer | BaseException], hint: str) -> list[Answer]:
    """The answers, if all are good."""
    good: list[Answer] = []
    problems = []
    for index, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if isinstance(answer, InputError):
            problems.append({"item": index, "name": item.name, "error": answer.message})
            hint = answer.hint or hint
        elif isinstance(answer, BaseException):
            raise answer
        else:
            good.append(answer)
    if problems:
        raise BadItemsError(_refusal(problems, len(items), hint))
    return good


def _refusal(problems: list[dict[str, Any]], count: int, hint: str) -> dict[str, Any]:
    if count == 1:
        error = problems[0]["error"]
    else:
        listed = "; ".join(f"{it['name'] or 'item ' + str(it['item'])}: {it['error']}" for it in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        error = f"{len(problems)} of {count} items cannot be used: {listed}{more}"
        hint = "leave them out and send the others again"
    return {"error": error, "hint": hint, "item": problems[0]["item"], "problems": problems}
