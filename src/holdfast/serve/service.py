"""What the routes share: the model, the limits, and whether requests are answered now."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request

from holdfast.config.serve import ServeConfig
from holdfast.core.errors import InputError
from holdfast.serve.answers import tell
from holdfast.serve.batching import Answer, BusyError
from holdfast.serve.bodies import FORMATS, Item, RequestError
from holdfast.serve.engine import Engine
from holdfast.serve.ids import Ids
from holdfast.serve.journal import Journal
from holdfast.serve.live import Live
from holdfast.serve.logs import RequestLog, warn
from holdfast.serve.metrics import JournalCounts, Metrics
from holdfast.serve.recent import Recent
from holdfast.serve.release import Release
from holdfast.serve.release_counts import ReleaseCounts
from holdfast.serve.requests import Limits, Room, Upload, top_of
from holdfast.serve.watch import Find, Place, begin, follow

_MOMENT_S = 0.25
_BODIES_AT_ONCE = 16
"""Requests of the largest size that may be in work at once; of smaller ones, so many more."""


class BadItemsError(Exception):
    """Some items cannot be used; `content` is the whole answer."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content["error"])
        self.content = content


class Service:
    """A server's state. It answers once its lifespan has begun."""

    def __init__(
        self,
        engine: Engine,
        config: ServeConfig,
        ref: str,
        *,
        asked: str | None = None,
        others: Sequence[str] = (),
        find: Find | None = None,
    ) -> None:
        """See `create_app`."""
        self.config = config
        self.releases = [Release(asked or ref, Live(engine, config, ref))]
        self._others, self._find = others, find
        self._following: list[asyncio.Task[None]] = []
        self.limits = Limits(round(config.max_mb * 1e6), config.max_files, config.limits.body_s)
        self.room = Room(_BODIES_AT_ONCE * self.limits.max_bytes)
        self.state = "starting"
        self.log = RequestLog() if config.log else None
        self.ids = Ids()
        self.recent = Recent()
        self.journal = Journal(config.journal, warn=self.warn) if config.journal.where else None
        self.metrics: Metrics | None = None
        if config.metrics:
            self.metrics = Metrics(
                engine.labels,
                waiting=lambda: sum(live.rows for it in self.releases for live in it.lives.values()),
                lost=lambda: self.log.lost if self.log else 0,
            )
            self.metrics.add(ReleaseCounts(self.releases))
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
            for task in self._following:
                task.cancel()
            for release in self.releases:
                if release.shadow:
                    await release.shadow.close()
                for live in release.lives.values():
                    await live.close()
            if self.journal:
                await asyncio.to_thread(self.journal.close)
            if self.log:
                await asyncio.to_thread(self.log.close)

    @property
    def live(self) -> Live:
        """The version of the first model that answers steadily."""
        return self.releases[0].live

    def find(self, name: str | None) -> Release:
        """The model of that name: as it was asked for, or its version; without a version the first of them.

        Raises:
            RequestError: 404 if it is not here.
        """
        if name is None:
            return self.releases[0]
        for release in self.releases:
            if name in (release.asked, release.live.ref):
                return release
        for release in self.releases:
            if name == release.live.ref.partition("@")[0]:
                return release
        there = ", ".join(release.asked for release in self.releases)
        raise RequestError(404, f"no model {name!r:.60} here", hint=f"there is {there}")

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

    async def predict(self, request: Request, name: str | None = None) -> dict[str, Any]:
        """The whole way of one request to `/predict`.

        Args:
            request: with its body unread.
            name: of the model; the first without one.

        Raises:
            RequestError: if it is no request that the model can answer.
            BadItemsError: if some of its items cannot be used.
            BusyError: if there is no room for it.
            ClientDisconnect: if the client went away.
        """
        release = self.find(name)
        top = top_of(request)
        release.live.check()
        upload = Upload(request, self.limits, self.room)
        try:
            items = await upload.items(release.live.modality)
            began = time.perf_counter()
            live, answers = await self.released(release, items, upload)
        finally:
            upload.release()
        chosen = [answer.labels for answer in answers]
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
        if spans := getattr(request.state, "spans", None):
            spans.add(live.ref, answers)
        if self.journal:
            self.journal.note(live, request.state.request_id, ids, items, answers, chosen, seconds)
            self.recent.note(ids, (live.engine.labels, live.engine.task))
        return ids

    async def released(
        self, release: Release, items: Sequence[Item], upload: Upload
    ) -> tuple[Live, list[Answer]]:
        """The answer to each item, and the version that gave it: steady or, for a share of them, the canary.

        What breaks at the canary is answered by the steady version. The shadow hears of it afterwards.

        Raises:
            BadItemsError: if some cannot be used.
            BusyError: if there is no room for them.
            ClientDisconnect: if the client went away.
        """
        live = release.choose(as_bytes=all(isinstance(item.data, bytes) for item in items))
        began = time.perf_counter()
        try:
            answers = await self.answers(live, items, upload)
        except (BadItemsError, BusyError, ClientDisconnect):
            raise
        except Exception as error:
            self._note(release, live, began, failed=True)
            if live is release.live:
                raise
            self.warn(f"the canary {live.ref} failed: {error}")
            live = release.live
            answers = await self.answers(live, items, upload)
        self._note(release, live, began)
        if release.shadow:
            release.shadow.see(items, answers, live)
        return live, answers

    def _note(self, release: Release, live: Live, began: float, *, failed: bool = False) -> None:
        if told := release.note(live, time.perf_counter() - began, failed=failed):
            self.warn(told)

    async def answers(self, live: Live, items: Sequence[Item], upload: Upload) -> list[Answer]:
        """The answer to each item of a request whose body was read; given up if the client goes away.

        Raises:
            BadItemsError: if some cannot be used.
            BusyError: if there is no room for them.
            ClientDisconnect: if the client went away.
        """
        async with _unless(upload.gone):
            answers = await live.answers([item.data for item in items])
        return _good(items, answers, FORMATS[live.modality])

    async def _warm_up(self) -> None:
        try:
            await self.live.start(self.metrics)
            if self._find:
                await self._begin_others(self._find)
        except Exception as error:
            self._failure, self.state = error, "failed"
        if self.state == "starting":
            self.state = "ready"
        self._warmed.set()

    async def _begin_others(self, find: Find) -> None:
        """Start what else is to be served, and follow all of it."""
        config, phases = self.config, self.metrics
        for asked in self._others:
            self.releases.append(Release(asked, await begin(find, asked, config, phases)))
        first, canary, shadow = self.releases[0], config.canary, config.shadow
        places = [
            Place(it.asked, partial(getattr, it, "live"), it.replace, it.refused) for it in self.releases
        ]
        if canary.model:
            trying = Place(
                canary.model,
                lambda: first.canary.live if first.canary else first.live,
                lambda live: first.try_out(live, canary),
                first.refused,
            )
            trying.put(await begin(find, canary.model, config))
            places.append(trying)
        if shadow.model:
            listening = Place(
                shadow.model,
                lambda: first.shadow.live if first.shadow else first.live,
                lambda live: first.let_listen(live, shadow.share),
                first.refused,
            )
            listening.put(await begin(find, shadow.model, config))
            places.append(listening)
        if config.follow_s:
            self._following = [
                asyncio.create_task(follow(place, find, config, phases=phases, tell=self.warn))
                for place in places
            ]


@asynccontextmanager
async def _unless(gone: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Cancel what is within once the client has gone away; looks for that only after a moment.

    Most answers are there by then, and looking costs as much as all else that is done for a small one.

    Raises:
        ClientDisconnect: in its place.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    left = False
    watching: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal left
        await gone()
        left = True
        task.cancel()

    def begin() -> None:
        nonlocal watching
        watching = loop.create_task(watch())

    timer = loop.call_later(_MOMENT_S, begin)
    try:
        yield
    except asyncio.CancelledError:
        if not left:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        if watching:
            watching.cancel()


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
