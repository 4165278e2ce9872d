"""Work that is asked for now and fetched later: recordings of hours, in memory only."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import InputError
from holdfast.modality import Piece
from holdfast.serve import openapi_background as openapi
from holdfast.serve.answers import dumped, told
from holdfast.serve.api import Api
from holdfast.serve.background import Gate, StoppingError, broken
from holdfast.serve.batching import BusyError
from holdfast.serve.bodies import FORMATS, Item, RequestError
from holdfast.serve.live import Live
from holdfast.serve.refusals import answer
from holdfast.serve.release import Release
from holdfast.serve.requests import Limits, Room, Upload, top_of
from holdfast.serve.service import Service

_RETRY_S = 10
State = Literal["waiting", "running", "done", "failed"]


def add_routes(app: Api, service: Service, gate: Gate) -> None:
    """`/jobs`, and the end of all jobs with that of the app."""
    jobs = Jobs(service, gate)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Api) -> AsyncIterator[Any]:
        async with before(app) as state:
            try:
                yield state
            finally:
                await jobs.close()

    app.router.lifespan_context = lifespan

    async def taken(request: Request, name: str | None = None) -> Response:
        job = await jobs.add(request, name)
        # relative to what was asked for: a proxy may have put a path before ours
        up = "" if name is None else "../../"
        return answer(job.told(service), 202, {"Location": f"{up}jobs/{job.id}"})

    documented: dict[str, Any] = {
        "status_code": 202,
        "response_model": openapi.Job,
        "response_model_exclude_unset": True,
        "openapi_extra": openapi.job_request(service.live.modality),
    }

    @app.post("/jobs", **documented, responses=openapi.JOBS)
    async def add(request: Request) -> Response:
        """Ask for what `/predict` would answer, and fetch it later: for long recordings.

        Takes what `/predict` takes, but larger and longer. What cannot be used has an `error` in its place.
        """
        return await taken(request)

    @app.post("/models/{name}/jobs", **documented, responses=openapi.JOBS_OF)
    async def model_add(request: Request, name: str) -> Response:
        """The same as `/jobs`, by one model."""
        return await taken(request, name)

    @app.get(
        "/jobs/{id}", response_model=openapi.Job, response_model_exclude_unset=True, responses=openapi.NO_JOB
    )
    async def get(request: Request, id: str) -> Response:
        """How far a job is; its result once it is done."""
        job = jobs.find(id, request)
        content = dumped(job.told(service))
        if job.result:
            content = content[:-1] + b',"result":' + job.result + b"}"
        job.is_fetched = job.is_over
        return Response(content, media_type="application/json")

    @app.delete("/jobs/{id}", status_code=204, response_class=Response, responses=openapi.NO_JOB)
    async def remove(request: Request, id: str) -> Response:
        """Cancel a job, or forget its result."""
        jobs.forget(jobs.find(id, request))
        return Response(status_code=204)


@dataclass(eq=False)
class Job:
    """One piece of work, from its request until it is forgotten."""

    id: str
    owner: str | None
    release: Release
    items: Sequence[Item]
    upload: Upload
    top: int
    request: Request | None
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    state: State = "waiting"
    progress: float | None = 0.0
    seconds: float = 0.0
    model: str | None = None
    error: str | None = None
    hint: str | None = None
    result: bytes = b""
    is_fetched: bool = False
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in ("done", "failed")

    def told(self, service: Service) -> dict[str, Any]:
        """What is said of it, JSON-ready; without its result."""
        hint = self.hint
        if not self.is_over and service.state == "stopping":
            hint = "the server is stopping: what it does not finish is lost, and is to be sent again"
        said = {
            "id": self.id,
            "state": self.state,
            "created": self.created,
            "items": len(self.items),
            "progress": None if self.progress is None else round(self.progress, 4),
            "seconds": round(self.seconds, 1),
            "model": self.model,
            "error": self.error,
            "hint": hint,
        }
        return {key: value for key, value in said.items() if value is not None or key == "progress"}


class Jobs:
    """All jobs of a server, bounded in number and in memory. Used from the event loop only."""

    def __init__(self, service: Service, gate: Gate) -> None:
        config = service.config.jobs
        self._service, self._gate, self._config = service, gate, config
        longer = max(1.0, config.max_mb / service.config.max_mb)
        self._limits = Limits(
            round(config.max_mb * 1e6),
            service.limits.max_files,
            service.limits.body_s * longer,
            "serve.jobs.max_mb",
        )
        self._room = Room(round(config.room_mb * 1e6))
        self._running = asyncio.Semaphore(config.at_once)
        self._jobs: dict[str, Job] = {}
        self._arriving = 0

    async def add(self, request: Request, name: str | None = None) -> Job:
        """Take a request in.

        Args:
            name: of the model; the first without one.

        Raises:
            RequestError: if it is no request that the model can answer.
            BusyError: if there is no room for it.
            ClientDisconnect: if the client went away.
        """
        release, top = self._service.find(name), top_of(request)
        if self._service.state == "stopping":
            raise BusyError("the server is stopping", retry_s=_RETRY_S)
        unfinished = sum(not job.is_over for job in self._jobs.values()) + self._arriving
        if unfinished >= self._config.most:
            raise BusyError(f"{unfinished} jobs wait or run already", retry_s=_RETRY_S)
        if len(self._jobs) - unfinished >= self._config.most_kept:
            fetched = [job for job in self._jobs.values() if job.is_fetched]
            if not fetched:
                raise BusyError("as many results as may be kept were not fetched yet", retry_s=_RETRY_S)
            self.forget(fetched[0])
        upload = Upload(request, self._limits, self._room)
        self._arriving += 1
        try:
            items = await upload.items(release.live.modality)
        except BaseException:
            upload.release()
            raise
        finally:
            self._arriving -= 1
        owner = getattr(request.state, "caller", None)
        job = Job(secrets.token_urlsafe(16), owner, release, items, upload, top, request)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._work(job))
        return job

    def find(self, number: str, request: Request) -> Job:
        """The job of that id, for those who asked for it.

        Raises:
            RequestError: if there is none.
        """
        job = self._jobs.get(number)
        if job is None or job.owner != getattr(request.state, "caller", None):
            keep = f"{self._config.keep_s / 60:,.0f} minutes"
            hint = f"results are kept for {keep}, by the server alone that took the job: else send it again"
            raise RequestError(404, f"no job {number[:40]!r} here", hint=hint)
        return job

    def forget(self, job: Job) -> None:
        """Stop it if it is not over, and keep nothing of it."""
        if self._jobs.pop(job.id, None) is None:
            return
        if job.task:
            job.task.cancel()
        if job.timer:
            job.timer.cancel()
        job.items, job.result = (), b""
        job.upload.release()

    async def close(self) -> None:
        """Stop all, and say which are lost."""
        jobs = list(self._jobs.values())
        lost = [job.id for job in jobs if not job.is_over]
        for job in jobs:
            self.forget(job)
        await asyncio.gather(*[job.task for job in jobs if job.task], return_exceptions=True)
        if lost:
            what = "1 job was" if len(lost) == 1 else f"{len(lost)} jobs were"
            self._service.warn(f"{what} not done when the server stopped, and lost: {', '.join(lost)}")

    async def _work(self, job: Job) -> None:
        async with self._running:
            job.state = "running"
            try:
                await self._answer(job, job.release.live)
            except StoppingError:
                job.state, job.error, job.hint = "failed", "the server is stopping", "send it again"
            except Exception as error:
                assert job.request is not None
                job.state = "failed"
                job.error, job.hint = broken(self._service, error, job.request)
        job.request = None  # and the connection that it holds
        job.timer = asyncio.get_running_loop().call_later(self._config.keep_s, self.forget, job)

    async def _answer(self, job: Job, live: Live) -> None:
        """Answer all items, and keep what is told of them instead of them."""
        job.model = live.ref
        lines, errors = [], []
        for index, item in enumerate(job.items):
            line = await self._line(job, index, item, live)
            if isinstance(line, InputError):
                errors.append(line)
                hint = line.hint or FORMATS[live.modality]
                lines.append(dumped({"name": item.name, "error": line.message, "hint": hint}))
            else:
                lines.append(line)
        if len(errors) == len(job.items):
            job.state, job.error = "failed", errors[0].message
            job.hint = errors[0].hint or FORMATS[live.modality]
            self._keep(job, b"")
            return
        body = b'{"model":' + dumped(live.ref) + b',"predictions":[' + b",".join(lines) + b"]}"
        if self._keep(job, body):
            job.state, job.progress = "done", 1.0
        else:
            job.state, job.error = "failed", "there is no room for the result"
            job.hint = "fetch and delete other jobs, or ask for fewer labels with ?top=5"

    async def _line(self, job: Job, index: int, item: Item, live: Live) -> bytes | InputError:
        began = time.perf_counter()

        def decoded(piece: Piece) -> None:
            job.seconds = piece.seconds
            share = piece.seconds / piece.of_s if piece.of_s else None
            job.progress = None if share is None else (index + share) / len(job.items)

        found = await self._gate.answer(live, item.data, max_s=self._config.max_s, on_piece=decoded)
        if isinstance(found, InputError):
            return found
        (labels,) = live.engine.labels_of(found.probabilities[None])
        if self._service.metrics:
            self._service.metrics.predicted(labels)
        assert job.request is not None
        seconds = time.perf_counter() - began
        (number,) = self._service.noted(live, job.request, [item], [found], [labels], seconds)
        line = await asyncio.to_thread(
            told, live.engine, item.name, found.probabilities, found.parts, labels, top=job.top
        )
        job.progress = (index + 1) / len(job.items)
        return b'{"id":' + dumped(number) + b"," + line[1:]

    def _keep(self, job: Job, body: bytes) -> bool:
        """Have the result in the place of the items, whose number is all that is left of them."""
        job.items = [Item(None, b"")] * len(job.items)
        try:
            job.upload.hold(len(body))
        except BusyError:
            job.upload.release()
            return False
        job.result = body
        return True
