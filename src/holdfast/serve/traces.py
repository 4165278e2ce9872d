"""OpenTelemetry: a span for each request, within the caller's trace, and in it one for each phase."""

import asyncio
import importlib.util
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.serve.api import Api
from holdfast.serve.batching import Answer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PHASES = {"queue": (0, 1), "decode": (1, 2), "inference": (3, 4)}
"""The places of their ends in `Answer.times`; between the last two an item waits for others to join it."""
_QUIET = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")
"""Asked every few seconds by machines: their traces would be most of all."""
_END_S = 2.0


def trace(app: Api, wanted: bool) -> None:
    """Let an app send traces, if the settings or the environment say so; else it is left as it is.

    Args:
        app: is told after everything that a span is to be about.
        wanted: `serve.otel`.

    Raises:
        ModuleNotFoundError: if it is wanted and the packages for it are missing. Where only the environment
            asks for it, which other programs share, there are no traces then.
    """
    named = any(os.environ.get(name) for name in _ENDPOINTS)
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if wanted or (named and _is_installed()):
        app.add_middleware(Spanned, provider=_provider())


class Spans:
    """When the phases of a request began and ended, over all its items. Used from the event loop only."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.items = 0
        self.phases: dict[str, tuple[float, float]] = {}

    def add(self, model: str, answers: Sequence[Answer]) -> None:
        """Take in what was answered."""
        self.model, self.items = model, self.items + len(answers)
        for answer in answers:
            if answer.times is None:
                continue
            for name, (start, end) in _PHASES.items():
                began, ended = answer.times[start], answer.times[end]
                first, last = self.phases.get(name, (began, ended))
                self.phases[name] = min(first, began), max(last, ended)


class Spanned:
    """Makes the spans.

    They hold nothing of what was sent or who asked: no body, no query, no header, no address.

    Args:
        app: what answers.
        provider: sends them, in a thread of its own; it ends with the app.
    """

    def __init__(self, app: ASGIApp, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app, self._provider = app, provider
        self._tracer = provider.get_tracer("holdfast")
        self._context = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a span around it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._ending(send))
            return
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        span, status = self._start(scope), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        state = scope.setdefault("state", {})
        state["spans"] = spans = Spans()
        state["trace_id"] = f"{span.get_span_context().trace_id:032x}"
        try:
            await self._app(scope, receive, noted)
        finally:
            self._finish(span, scope, spans, status)

    def _start(self, scope: Scope) -> "Span":
        from opentelemetry.trace import SpanKind

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._tracer.start_span(
            scope["method"],
            context=self._context.extract(headers),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.path": scope["path"][:200],
                "url.scheme": scope["scheme"],
                "network.protocol.version": scope["http_version"],
            },
        )

    def _finish(self, span: "Span", scope: Scope, spans: Spans, status: int) -> None:
        """Say how it ended. Attributes are named as OpenTelemetry's conventions for HTTP name them."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        if route := getattr(scope.get("route"), "path", None):
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if request_id := scope["state"].get("request_id"):
            span.set_attribute("holdfast.request_id", request_id)
        if spans.model:
            span.set_attributes({"holdfast.model": spans.model, "holdfast.items": spans.items})
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        inside, offset = set_span_in_context(span), time.time_ns() - time.monotonic_ns()
        for name, (began, ended) in spans.phases.items():
            part = self._tracer.start_span(name, context=inside, start_time=offset + _ns(began))
            part.end(offset + _ns(ended))
        span.end()

    def _ending(self, send: Send) -> Send:
        """Sends what is left of the spans before the app is told to have ended."""

        async def ended(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self._end)
            await send(message)

        return ended

    def _end(self) -> None:
        """A collector that does not answer would hold it up for a minute."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_END_S)


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # not even a part of it
        return False


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _provider() -> Any:
    """Where spans go, which are to be kept, and who we are: as the standard variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    import holdfast

    told = {"service.version": holdfast.__version__}
    if "OTEL_SERVICE_NAME" not in os.environ:
        told["service.name"] = "holdfast"
    provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
