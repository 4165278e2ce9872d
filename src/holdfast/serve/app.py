"""The HTTP API over the engine: `/predict`, what it says of itself, and the page."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import holdfast
from holdfast.config.schema import ServeConfig
from holdfast.core.errors import InputError
from holdfast.serve import openapi
from holdfast.serve.answers import tell
from holdfast.serve.batching import Answer, Batcher, BusyError
from holdfast.serve.bodies import FORMATS, Item, RequestError
from holdfast.serve.engine import Engine
from holdfast.serve.info import describe
from holdfast.serve.logs import ID, RequestLog, Traced
from holdfast.serve.metrics import CONTENT_TYPE_LATEST, Measured, Metrics
from holdfast.serve.requests import Limits, Room, Upload, top_of
from holdfast.serve.server import run_server

__all__ = ["create_app", "run_server"]

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_BODIES_AT_ONCE = 16
"""Requests of the largest size that may be in work at once; of smaller ones, so many more."""
_QUEUED_BATCHES = 32
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def create_app(engine: Engine, config: ServeConfig, *, ref: str) -> FastAPI:
    """The app: routes, limits, micro-batching. It answers once its lifespan has begun.

    Args:
        engine: stays the caller's, to be closed after the app has ended.
        config: limits and threads; `host` and `port` are for `run_server`.
        ref: what to call the model, such as `birds@3`.
    """
    service = _Service(engine, config, ref)
    app = FastAPI(
        title=f"Holdfast: {ref}",
        version=holdfast.__version__,
        description=f"Predictions of the model {ref}.",
        lifespan=lambda _: service.lifespan(),
        docs_url=None,  # FastAPI's page loads its code from another host
        redoc_url=None,
    )
    app.state.service = service
    _add_routes(app, service)
    _add_pages(app)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(_SafeHeaders)
    if service.metrics:
        _add_metrics(app, service.metrics)
    app.add_middleware(Traced, log=service.log.write if service.log else None)
    return app


class _Service:
    """What the routes share: the batcher, the limits, and whether requests are answered now."""

    def __init__(self, engine: Engine, config: ServeConfig, ref: str) -> None:
        self.engine, self.ref = engine, ref
        self.modality = engine.manifest.modality
        self.limits = Limits(round(config.max_mb * 1e6), config.max_files)
        self.info = describe(engine.bundle, config, ref)
        self.state = "starting"
        self._room = Room(_BODIES_AT_ONCE * self.limits.max_bytes)
        self._config = config
        self._batcher: Batcher | None = None
        self.log = RequestLog() if config.log else None
        self.metrics: Metrics | None = None
        if config.metrics:
            self.metrics = Metrics(
                ref,
                engine.bundle.digest,
                engine.labels,
                waiting=lambda: len(self._batcher or ()),
                lost=lambda: self.log.lost if self.log else 0,
            )
        self._warmed = asyncio.Event()
        self._failure: Exception | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start the batcher and warm it up beside the first requests; finish what waits at the end."""
        config = self._config
        self._batcher = Batcher(
            self.engine,
            workers=self.engine.threads,
            batch=config.batch,
            wait_s=config.wait_ms / 1000,
            capacity=max(_QUEUED_BATCHES * config.batch, 4 * config.max_files),
        )
        warming = asyncio.create_task(self._warm_up(self._batcher))
        try:
            yield
        finally:
            self.stop()
            warming.cancel()
            await asyncio.to_thread(self._batcher.close)
            if self.log:
                await asyncio.to_thread(self.log.close)

    def stop(self) -> None:
        """Say on `/readyz` that the end is near; what is asked already is still answered."""
        self.state = "stopping"

    async def ready(self) -> None:
        """Return once requests are answered.

        Raises:
            Exception: that which the warm-up met.
        """
        await self._warmed.wait()
        if self._failure:
            raise self._failure

    async def predict(self, request: Request) -> dict[str, Any]:
        """The whole way of one request."""
        top = top_of(request)
        upload = Upload(request, self.limits, self._room)
        try:
            items = await upload.items(self.modality)
            began = time.perf_counter()
            answers = await self._answers(items, upload)
        finally:
            upload.release()
        chosen = self.engine.labels_of(np.stack([answer.probabilities for answer in answers]))
        if self.metrics:
            self.metrics.predicted(label for labels in chosen for label in labels)
        predictions = [
            tell(self.engine, item.name, answer.probabilities, answer.parts, labels, top=top)
            for item, answer, labels in zip(items, answers, chosen, strict=True)
        ]
        return {"model": self.ref, "predictions": predictions, "seconds": time.perf_counter() - began}

    async def _answers(self, items: Sequence[Item], upload: Upload) -> list[Answer]:
        """The answer to each item; given up if the client goes away."""
        assert self._batcher is not None, "the app answers only within its lifespan"
        futures = self._batcher.submit([item.data for item in items])
        waiting = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        gone = asyncio.create_task(upload.gone())
        try:
            either: list[asyncio.Future[Any]] = [waiting, gone]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientDisconnect
        finally:
            gone.cancel()
            waiting.cancel()  # takes what still waits out of the queue
        return _good(items, waiting.result(), FORMATS[self.modality])

    async def _warm_up(self, batcher: Batcher) -> None:
        (future,) = batcher.submit([openapi.example(self.modality)])
        try:
            await asyncio.wrap_future(future)
        except InputError:
            pass  # an example that this model refuses has warmed up the decoder all the same
        except Exception as error:
            self._failure, self.state = error, "failed"
        batcher.phases = self.metrics  # of requests alone, not of the example
        if self.state == "starting":
            self.state = "ready"
        self._warmed.set()


def _add_routes(app: FastAPI, service: _Service) -> None:
    @app.post(
        "/predict",
        response_model=openapi.Response,
        response_model_exclude_unset=True,
        responses=openapi.ERRORS,
        openapi_extra={
            "parameters": [openapi.TOP_PARAMETER],
            "requestBody": openapi.request_body(service.modality),
        },
    )
    async def predict(request: Request) -> Response:
        """Predict one or many items, sent as files of a form, as JSON, or one file as the body.

        Either all items are predicted or none: if some cannot be used, the answer is 422 and names each.
        """
        try:
            return _json(await service.predict(request))
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except _BadItemsError as error:
            return _json(error.content, 422)
        except RequestError as error:
            item = {} if error.item is None else {"item": error.item}
            return _json({"error": error.message, "hint": error.hint, **item}, error.status)
        except BusyError as error:
            return _json(
                {"error": error.message, "hint": error.hint}, 503, {"Retry-After": str(error.retry_s)}
            )

    @app.get("/info")
    async def info() -> Response:
        """The model: labels, version, data, metrics, what it takes, and the limits of a request."""
        return _json(service.info)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether the process lives: always 200."""
        return _json({"status": "ok"})

    @app.get("/readyz", responses={503: {"description": "Not yet, or not any more."}})
    async def readyz() -> Response:
        """Whether requests are answered: 200 after the first prediction of its own, 503 when it stops."""
        return _json({"status": service.state}, 200 if service.state == "ready" else 503)


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    app.add_middleware(Measured, metrics=metrics)

    @app.get("/metrics", response_class=Response)
    async def numbers() -> Response:
        """Counts and times of requests, in the text format of Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_pages(app: FastAPI) -> None:
    files = {path.name: path.read_bytes() for path in _PAGE.iterdir() if path.suffix in _TYPES}

    def page(name: str) -> Response:
        return Response(files[name], media_type=_TYPES[Path(name).suffix])

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def index() -> Response:
        return page("index.html")

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs() -> Response:
        return page("docs.html")

    @app.api_route("/static/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return page(name)


class _BadItemsError(Exception):
    """Some items cannot be used; `content` is the whole answer."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content["error"])
        self.content = content


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
        raise _BadItemsError(_refusal(problems, len(items), hint))
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


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(body.encode("utf-8", "replace"), status, headers, "application/json")


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    message = {
        404: f"there is nothing at {path}",
        405: f"{path} does not take {request.method}",
    }.get(error.status_code, str(error.detail))
    content = {"error": message, "hint": "see /docs for what there is"}
    return JSONResponse(content, error.status_code, dict(error.headers or {}))


async def _broken(request: Request, __: Exception) -> Response:
    """The trace goes to the log of the server, which is told of the error after this."""
    number = request.state.request_id
    content = {
        "error": "something broke inside the server",
        "hint": f"the server's log says what (id {number})",
    }
    # The framework closes the connection after this; a client that is told will not use it again.
    return JSONResponse(content, 500, {**_HEADERS, ID: number, "Connection": "close"})


class _SafeHeaders:
    """Adds the headers that tell browsers to trust nothing but this server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_safe if scope["type"] == "http" else send)
