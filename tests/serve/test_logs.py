"""Each request leaves a line that can be found again, and no line holds anybody up."""

import io
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from holdfast.serve import logs
from holdfast.serve.engine import Engine
from holdfast.serve.logs import ID, RequestLog
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


def test_each_request_is_one_line_under_the_id_of_its_answer(
    serve: Serve, own_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(own_engine, log=True) as client:
        picture = {"file": toy_item("image")}
        good = client.post("/predict", files=picture, headers={ID: "order-66.a"})
        missing = client.get("/nothing", headers={ID: "two words"})  # is not repeated
    found = lines(capsys.readouterr().err)

    assert [line["id"] for line in found] == [good.headers[ID], missing.headers[ID]]
    assert good.headers[ID] == "order-66.a"
    assert len(missing.headers[ID]) == 32
    assert [(it["method"], it["path"], it["status"]) for it in found] == [
        ("POST", "/predict", 200),
        ("GET", "/nothing", 404),
    ]
    assert found[0]["bytes"] == len(good.content)
    assert 0 < found[0]["seconds"] < 30


def test_no_secret_and_nothing_that_was_sent_is_in_a_line(
    serve: Serve, own_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(own_engine, log=True) as client:
        client.post(
            "/predict?token=hunter2",
            files={"file": ("hunter2.png", toy_item("image"))},
            headers={"Authorization": "Bearer hunter2", "Cookie": "hunter2", "User-Agent": "hunter2"},
        )

    written = capsys.readouterr().err
    assert len(lines(written)) == 1
    assert "hunter2" not in written


def test_what_breaks_is_found_by_the_id_in_the_answer(
    serve: Serve, own_engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a wire is loose")

    with serve(own_engine, log=True) as client:
        monkeypatch.setattr(own_engine, "labels_of", broken)
        answer = client.post("/predict", files={"file": toy_item("image")})

    assert answer.status_code == 500
    assert "wire" not in answer.text
    (line,) = lines(capsys.readouterr().err)
    assert line["id"] == answer.headers[ID]
    assert line["id"] in answer.json()["hint"]
    assert "a wire is loose" in line["trace"]


def test_without_a_log_an_answer_still_has_an_id(
    serve: Serve, own_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(own_engine) as client:
        assert len(client.get("/healthz").headers[ID]) == 32

    assert capsys.readouterr().err == ""


class Stuck(io.StringIO):
    """A pipe that nobody empties."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        self.free.wait(30)
        return super().write(text)


def test_a_reader_that_is_stuck_costs_lines_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_WAITING", 5)
    stream = Stuck()
    log = RequestLog(stream)

    for number in range(20):
        log.write({"number": number})  # returns at once

    assert 20 - log.lost in (5, 6)  # those that wait, and the one that is being written
    stream.free.set()
    log.close()
    assert [line["number"] for line in lines(stream.getvalue())] == list(range(20 - log.lost))


def test_a_stream_that_is_gone_is_no_error() -> None:
    stream = io.StringIO()
    log = RequestLog(stream)
    stream.close()

    log.write({"number": 1})
    log.close()

    assert log.lost == 1
