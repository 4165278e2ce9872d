"""The HTTP API over the engine: `/predict`, what it says of itself, and the page."""

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import holdfast
from holdfast.config.serve import ServeConfig
from holdfast.serve import bulk, feedback, jobs, oip, openapi, review, traces
from holdfast.serve.access import guard
from holdfast.serve.api import Api
from holdfast.serve.background import Gate
from holdfast.serve.engine import Engine
from holdfast.serve.live import Live
from holdfast.serve.logs import ID, Traced
from holdfast.serve.metrics import CONTENT_TYPE_LATEST, Measured, Metrics
from holdfast.serve.origins import add_origins
from holdfast.serve.pages import HEADERS, SafeHeaders, add_pages
from holdfast.serve.refusals import add_refusals, answer
from holdfast.serve.server import run_server
from holdfast.serve.service import Service
from holdfast.serve.watch import Find

__all__ = ["create_app", "run_server"]


def create_app(
    engine: Engine,
    config: ServeConfig,
    *,
    ref: str,
    asked: str | None = None,
    others: Sequence[str] = (),
    find: Find | None = None,
) -> Api:
    """The app: routes, limits, micro-batching. It answers once its lifespan has begun.

    Args:
        engine: stays the caller's, to be closed after the app has ended.
        config: limits and threads; `host` and `port` are for `run_server`.
        ref: what to call the model, such as `birds@3`.
        asked: the reference that led to it, such as `birds@champion`, which is followed.
        others: references of more models.
        find: looks references up; without it nothing is followed, and there are no others.
    """
    service = Service(engine, config, ref, asked=asked, others=others, find=find)
    app = Api(
        title=f"Holdfast: {ref}",
        version=holdfast.__version__,
        description=f"Predictions of the model{'s' if others else ''} {', '.join([ref, *others])}.",
        lifespan=lambda _: service.lifespan(),
    )
    app.state.service = service
    _add_routes(app, service)
    _add_models(app, service)
    oip.add_routes(app, service)
    gate = Gate(service, engine.threads * config.batch)
    bulk.add_routes(app, service, gate)
    jobs.add_routes(app, service, gate)
    add_pages(app)
    if service.journal:
        feedback.add_routes(app, service, service.journal)
        if review.can_review(service.journal):
            review.add_routes(app, service, service.journal)
    add_refusals(app)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(Exception, _broken)
    guard(app, config, service.warn)
    add_origins(app, config)
    app.add_middleware(SafeHeaders)
    if service.metrics:
        _add_metrics(app, service.metrics)
    traces.trace(app, config.otel)
    app.add_middleware(Traced, log=service.log.write if service.log else None)
    return app


def _add_routes(app: Api, service: Service) -> None:
    @app.post("/predict", **_of_predictions(service))
    async def predict(request: Request) -> Response:
        """Predict one or many items, sent as files of a form, as JSON, or one file as the body.

        Either all items are predicted or none: if some cannot be used, the answer is 422 and names each.
        """
        return answer(await service.predict(request))

    @app.get("/info")
    async def info() -> Response:
        """The model: labels, version, data, metrics, what it takes, and the limits of a request."""
        return answer(_told(service, service.live))

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether the process lives: always 200."""
        return answer({"status": "ok"})

    @app.get("/readyz", responses={503: {"description": "Not yet, or not any more."}})
    async def readyz() -> Response:
        """Whether requests are answered: 200 after the first prediction of its own, 503 when it stops."""
        return answer({"status": service.state}, 200 if service.state == "ready" else 503)


def _of_predictions(service: Service) -> dict[str, Any]:
    """What is said of a route that predicts."""
    return {
        "response_model": openapi.Response,
        "response_model_exclude_unset": True,
        "responses": openapi.ERRORS,
        "openapi_extra": {
            "parameters": [openapi.TOP_PARAMETER],
            "requestBody": openapi.request_body(service.live.modality),
        },
    }


def _told(service: Service, live: Live) -> dict[str, Any]:
    info = dict(live.info)
    if journal := service.journal:
        info["journal"] = {**journal.counts(), "review": review.can_review(journal)}
    return info


def _add_models(app: Api, service: Service) -> None:
    @app.get("/models")
    async def models() -> Response:
        """The models that are served: which version answers, which is on trial, which were refused."""
        return answer({"models": [release.state() for release in service.releases]})

    @app.get("/models/{name}/info", responses={404: openapi.ERRORS[404]})
    async def model_info(name: str) -> Response:
        """The same as `/info`, of one model by its name, such as `birds`, or version, such as `birds@3`."""
        return answer(_told(service, service.find(name).live))

    @app.post("/models/{name}/predict", **_of_predictions(service))
    async def model_predict(request: Request, name: str) -> Response:
        """The same as `/predict`, by one model."""
        return answer(await service.predict(request, name))


def _add_metrics(app: Api, metrics: Metrics) -> None:
    app.add_middleware(Measured, metrics=metrics)

    @app.get("/metrics", response_class=Response)
    async def numbers() -> Response:
        """Counts and times of requests, in the text format of Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    message = {
        404: f"there is nothing at {path}",
        405: f"{path} does not take {request.method}",
    }.get(error.status_code, str(error.detail))
    slash = error.status_code == 404 and path.endswith("/")
    hint = "leave out the slash at its end" if slash else "see /docs for what there is"
    content = {"error": message, "hint": hint}
    return JSONResponse(content, error.status_code, dict(error.headers or {}))


async def _broken(request: Request, __: Exception) -> Response:
    """The trace goes to the log of the server, which is told of the error after this."""
    number = request.state.request_id
    content = {
        "error": "something broke inside the server",
        "hint": f"the server's log says what (id {number})",
    }
    # The framework closes the connection after this; a client that is told will not use it again.
    return JSONResponse(content, 500, {**HEADERS, ID: number, "Connection": "close"})
