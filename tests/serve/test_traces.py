"""Spans arrive at a real receiver of OTLP, within the caller's trace, and cost nobody anything."""

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from holdfast.serve import traces
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@contextmanager
def collector(answer_s: float = 0.0) -> Iterator[tuple[str, list[Any]]]:
    """Takes OTLP over HTTP; gives its address, and the spans that came with the service's name."""
    found: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(answer_s)
            assert self.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {it.key: it.value.string_value for it in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found.extend((named["service.name"], span) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", found
    finally:
        server.shutdown()
        server.server_close()


def told(span: Any) -> dict[str, Any]:
    """The attributes of a span."""
    return {it.key: it.value.string_value or it.value.int_value for it in span.attributes}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED", *traces._ENDPOINTS):
        monkeypatch.delenv(name, raising=False)


def test_a_request_is_a_span_of_its_callers_trace_with_a_span_for_each_phase(
    serve: Serve, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [("file", (f"{seed}.png", toy_item("image", seed))) for seed in range(3)]
    with collector() as (url, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        began = time.time_ns()
        with serve(own_engine) as client:
            answer = client.post(
                "/predict?token=hunter2",
                files=pictures,
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "Authorization": "Bearer hunter2"},
            )
        ended = time.time_ns()

    spans = {span.name: span for _, span in found}
    assert set(spans) == {"POST /predict", "queue", "decode", "inference"}
    assert {name for name, _ in found} == {"holdfast"}
    root = spans.pop("POST /predict")
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert told(root) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "holdfast.model": "toys@3",
        "holdfast.items": 3,
        "holdfast.request_id": answer.headers["X-Request-Id"],
    }
    for span in spans.values():
        assert span.parent_span_id == root.span_id
        assert span.trace_id == root.trace_id
        assert began <= root.start_time_unix_nano <= span.start_time_unix_nano + 1_000_000
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= ended
    assert spans["queue"].start_time_unix_nano <= spans["decode"].start_time_unix_nano
    assert spans["decode"].start_time_unix_nano <= spans["inference"].start_time_unix_nano
    assert "hunter2" not in str(found)


def test_refusals_and_failures_are_spans_too_and_health_is_none(
    serve: Serve, own_engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a wire is loose")

    with collector() as (url, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "birds")
        with serve(own_engine, log=True) as client:
            client.get("/healthz")
            client.get("/nowhere")
            client.post("/predict", content=b"x", headers={"Content-Type": "image/png"})
            monkeypatch.setattr(own_engine, "labels_of", broken)
            client.post("/predict", files={"file": toy_item("image")})

    seen = {told(span)["http.response.status_code"]: span for _, span in found if span.kind == 2}
    assert {status: span.name for status, span in seen.items()} == {
        404: "GET",
        422: "POST /predict",
        500: "POST /predict",
    }
    assert {status: span.status.code for status, span in seen.items()} == {404: 0, 422: 0, 500: 2}
    assert {name for name, _ in found} == {"birds"}
    assert seen[500].trace_id.hex() in capsys.readouterr().err  # the line of the log leads to the trace


def test_a_caller_that_keeps_no_trace_is_followed(
    serve: Serve, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (url, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with serve(own_engine) as client:
            client.get("/info", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            for wrong in ("", "00-zz-zz-01", f"00-{'0' * 32}-{PARENT}-01", "x" * 5000):
                assert client.get("/info", headers={"traceparent": wrong}).status_code == 200

    assert [span.name for _, span in found] == ["GET /info"] * 4
    assert all(span.parent_span_id == b"" for _, span in found)


def test_a_collector_that_is_slow_or_gone_holds_nobody_up(
    serve: Serve, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "_END_S", 0.2)
    with collector(answer_s=2.0) as (url, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        began = time.monotonic()
        with serve(own_engine) as client:
            for _ in range(20):
                assert client.get("/info").status_code == 200
            assert time.monotonic() - began < 2.5
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with serve(own_engine) as client:
        assert client.get("/info").status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_nothing_is_loaded_or_done_where_nobody_asks_for_it() -> None:
    code = (
        "import sys\nfrom holdfast.serve import traces\nfrom starlette.applications import Starlette\n"
        "app = Starlette()\ntraces.trace(app, False)\n"
        "print(app.user_middleware, 'opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[] False\n"


def test_what_is_missing_is_told_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.serve.api import Api

    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    app = Api(title="a", version="1")

    with pytest.raises(ModuleNotFoundError):
        traces.trace(app, True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(traces, "_is_installed", lambda: False)
    traces.trace(app, False)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    traces.trace(app, True)

    assert app.user_middleware == []
