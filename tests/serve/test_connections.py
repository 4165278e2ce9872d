"""Clients that are slow, idle, or many, on real sockets."""

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http.client import HTTPConnection

import httpx
import pytest

from holdfast.config.protection import LimitConfig
from holdfast.serve import connections, requests
from holdfast.serve.connections import Crowd, Times, times_of
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\n"


@contextmanager
def opened(client: httpx.Client, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(sent)
        yield connection


def ending(connection: socket.socket, *, drip: bytes = b"") -> tuple[bytes, float]:
    """What the server says until it closes, and after how long, while bytes drip in."""
    began, said = time.monotonic(), b""
    connection.settimeout(0.05)
    while time.monotonic() < began + 15:
        try:
            part = connection.recv(1000)
            if not part:
                return said, time.monotonic() - began
            said += part
        except TimeoutError:
            if drip:
                try:
                    connection.send(drip)
                except OSError:
                    return said, time.monotonic() - began
        except ConnectionError:
            return said, time.monotonic() - began
    raise AssertionError(f"still open after 15 s; it said {said!r}")


@pytest.fixture
def hurried(engines: Engines, serve: Serve) -> Iterator[httpx.Client]:
    with serve(engines("image"), limits={"head_s": 0.5, "body_s": 0.6}) as client:
        yield client


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_arrive_ends_the_connection(hurried: httpx.Client, sent: bytes) -> None:
    with opened(hurried, sent) as connection:
        said, after_s = ending(connection)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert 0.3 < after_s < 5


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_that_drips_in_does_too(hurried: httpx.Client, first: bytes) -> None:
    with opened(hurried, first + b"GET / HTTP/1.1\r\nX-A: ") as connection:
        said, after_s = ending(connection, drip=b"a")

    assert b"HTTP/1.1 408 " in said
    assert after_s < 5


def test_a_body_that_drips_in_is_refused_after_a_total_time(hurried: httpx.Client) -> None:
    with opened(hurried, POST) as connection:
        said, after_s = ending(connection, drip=b"a")

    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not arrive within 0.6 s" in said
    assert after_s < 5


def test_a_body_that_comes_after_its_refusal_is_thrown_away_for_a_while(hurried: httpx.Client) -> None:
    refused = POST.replace(b"/predict", b"/nowhere").replace(b": 100", b": 100000")

    with opened(hurried, refused) as connection:
        said, after_s = ending(connection, drip=b"a")

    assert said.startswith(b"HTTP/1.1 404 ")
    assert 0.3 < after_s < 5


def test_a_body_that_is_read_on_its_way_may_take_longer(hurried: httpx.Client) -> None:
    line = json.dumps({"data": base64.b64encode(toy_item("image")).decode()}).encode() + b"\n"

    def lines() -> Iterator[bytes]:
        for _ in range(8):
            yield line
            time.sleep(0.2)

    answer = hurried.post("/batch", content=lines(), headers={"Content-Type": "application/x-ndjson"})

    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 8


def test_silence_is_still_told_apart(engines: Engines, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_SILENCE_S", 0.2)

    with serve(engines("image")) as client, opened(client, POST) as connection:
        said = b""
        while part := connection.recv(1000):
            said += part
            if b"}" in said:
                break

    assert b"nothing arrived for 0 s" in said


def test_a_connection_that_asks_again_and_again_stays(hurried: httpx.Client) -> None:
    connection = HTTPConnection(hurried.base_url.host, hurried.base_url.port)
    connection.connect()
    mine = connection.sock
    for _ in range(12):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        time.sleep(0.1)

    assert connection.sock is mine
    connection.close()


def test_a_head_without_end_is_refused(hurried: httpx.Client) -> None:
    with opened(hurried, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 70_000) as connection:
        said, after_s = ending(connection, drip=b"a" * 1000)

    assert said.startswith(b"HTTP/1.1 431 ")
    assert after_s < 0.5


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ", b"\r\n\r\n"),
        (b"GET /healthz?", b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        (b"POST /predict?", b" HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" + b"a" * 90_000),
    ],
)
@pytest.mark.parametrize("length", [70_000, 200_000])
def test_a_long_head_that_comes_at_once_is_refused_in_words(
    hurried: httpx.Client, begin: bytes, end: bytes, length: int
) -> None:
    with opened(hurried, b"") as connection:
        connection.sendall(begin + b"a" * length + end)
        said, _ = ending(connection)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert "longer than 64 KB" in json.loads(body)["error"]
    assert json.loads(body)["hint"]


def test_what_is_no_http_is_refused_as_that_however_long(hurried: httpx.Client) -> None:
    with opened(hurried, b"") as connection:
        connection.sendall(b"\x16\x03\x01" + b"a" * 200_000)
        said, _ = ending(connection)

    assert said.startswith(b"HTTP/1.1 400 ")


def test_a_long_body_beside_a_short_head_is_no_long_head(hurried: httpx.Client) -> None:
    body = b"x" * 200_000
    head = POST.replace(b": 100", f": {len(body)}\r\nConnection: close".encode())
    with opened(hurried, b"") as connection:
        connection.sendall(head + body)
        said, _ = ending(connection)

    assert said.startswith(b"HTTP/1.1 422 ")


def test_a_client_that_does_not_read_is_cut_off(hurried: httpx.Client) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect((hurried.base_url.host, hurried.base_url.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
        began = time.monotonic()
        said = b"begun"
        time.sleep(1.5)
        with suppress(ConnectionError):
            while said:
                said = connection.recv(1_000_000)

    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", [b"/predict", b"/nowhere"])
@pytest.mark.parametrize("behind", [b"0\r\nX-A: ", b"0\r\n", b"5;"])
def test_headers_without_end_behind_a_body_are_refused(
    hurried: httpx.Client, path: bytes, behind: bytes
) -> None:
    head = POST.replace(b"/predict", path).replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    drip = b"X-A: a\r\n" * 1000 if behind == b"0\r\n" else b"a" * 8000

    with opened(hurried, head + b"3\r\nabc\r\n" + behind) as connection:
        sent = 0
        with suppress(OSError):
            while sent < 20_000_000:
                sent += connection.send(drip)

    assert sent < 10_000_000  # the rest was in the system's buffers


def test_a_large_body_in_small_chunks_is_none_of_that(clients: Callable[..., httpx.Client]) -> None:
    body = toy_item("image") + bytes(300_000)

    answer = clients("image").post(
        "/predict",
        content=(body[start : start + 7] for start in range(0, len(body), 7)),
        headers={"Content-Type": "image/png"},
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\r\n\r\n",
        POST.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"nonsense\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_usual_words(hurried: httpx.Client, sent: bytes) -> None:
    with opened(hurried, sent) as connection:
        said, _ = ending(connection)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert set(json.loads(body)) == {"error", "hint"}


def test_idle_connections_make_room_for_others(engines: Engines, serve: Serve) -> None:
    with serve(engines("image"), limits={"connections": 20}) as client, ExitStack() as stack:
        idle = [stack.enter_context(opened(client)) for _ in range(60)]
        slow = [stack.enter_context(opened(client, POST)) for _ in range(10)]
        for _ in range(5):
            answer = client.post("/predict", content=toy_item("image"), headers={"Content-Type": "image/png"})
            assert answer.status_code == 200

        for connection in [*idle[:40], *slow]:
            connection.settimeout(0.01)
        gone = [_is_closed(connection) for connection in idle[:40]]
        kept = [not _is_closed(connection) for connection in slow]

    assert all(gone)
    assert all(kept)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


class Patient:
    """A connection that notes whether it was given up."""

    def __init__(self, crowd: Crowd, phase: connections.Phase) -> None:
        self.crowd, self.phase, self.gone = crowd, phase, False
        crowd.move(self, None, phase)

    def give_up(self) -> None:
        self.gone = True
        self.crowd.move(self, self.phase, None)


def test_those_who_never_asked_go_first_and_those_being_answered_never() -> None:
    crowd = Crowd(Times(1, 1, most=5))
    answer, body, kept, old, new = (
        Patient(crowd, phase)
        for phase in ("answer", "body", "kept", "new", "new")  # type: ignore[arg-type]
    )

    gone = []
    for _ in range(5):
        room = crowd.make_room()
        gone.append([it for it in (answer, body, kept, old, new) if it.gone][:])
        if room:
            Patient(crowd, "answer")

    assert [len(it) for it in gone] == [1, 2, 3, 4, 4]
    assert gone[0] == [old]
    assert new in gone[1]
    assert kept in gone[2]
    assert not answer.gone
    assert not room


def test_there_are_never_more_connections_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_most_files", lambda: 1024)

    assert times_of(LimitConfig(connections=2000)).most < 1024 - connections.BACKLOG
    assert times_of(LimitConfig(connections=50)).most == 50
