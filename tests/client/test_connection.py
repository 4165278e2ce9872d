"""A server that is busy, away or broken, from the side of who asks."""

import http.server
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.client.connection import Connections
from holdfast.core.errors import ConfigError, ServerError

Answer = tuple[int, dict[str, str], bytes]
Begin = Callable[..., tuple[Connections, "Scripted"]]
OK: Answer = (200, {}, b"{}")
KEY = "hf_secret"


class Scripted(http.server.ThreadingHTTPServer):
    """Gives its answers one after another; None hangs up."""

    def __init__(self, answers: list[Answer | None]) -> None:
        self.answers, self.seen = list(answers), []  # type: ignore[var-annotated]
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                scripted.seen.append((self.command, self.path, dict(self.headers), body, self.client_address))
                answer = scripted.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, data = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def begin() -> Iterator[Begin]:
    servers = []

    def make(*answers: Answer | None, **options: Any) -> tuple[Connections, Scripted]:
        server = Scripted(list(answers))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        slept: list[float] = []
        now = [0.0]

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            now[0] += seconds

        url = f"http://127.0.0.1:{server.server_port}"
        made = Connections(url, KEY, sleep=sleep, clock=lambda: now[0], timeout_s=5, **options)
        made.slept = slept  # type: ignore[attr-defined]
        servers.append((made, server))
        return made, server

    yield make
    for made, server in servers:
        made.close()
        server.shutdown()
        server.server_close()


def busy(status: int, after: str | None) -> Answer:
    headers = {} if after is None else {"Retry-After": after}
    return (status, headers, json.dumps({"error": "too much", "hint": "wait"}).encode())


def test_one_connection_serves_many_requests(begin: Begin) -> None:
    made, server = begin(*[OK] * 5)

    for _ in range(5):
        assert made.ask("POST", "/a", b"body").json() == {}

    assert len({address for *_, address in server.seen}) == 1
    assert all(headers["Authorization"] == f"Bearer {KEY}" for _, _, headers, _, _ in server.seen)


def test_a_path_in_the_address_goes_before_all_others(begin: Begin) -> None:
    _, server = begin(OK)
    made = Connections(f"http://127.0.0.1:{server.server_port}/models/")

    made.ask("GET", "/info")

    assert server.seen[0][1] == "/models/info"
    made.close()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(status: int, begin: Begin) -> None:
    made, _ = begin(busy(status, "7"), busy(status, "100"), OK)

    made.ask("GET", "/a")

    assert made.slept == [7, 30]  # type: ignore[attr-defined] - it does not say for how long one must wait


def test_without_a_time_the_pauses_grow(begin: Begin) -> None:
    made, _ = begin(*[busy(503, None)] * 4, OK)

    made.ask("GET", "/a")

    pauses = made.slept  # type: ignore[attr-defined]
    assert len(pauses) == 4
    assert pauses[0] < 0.31
    assert pauses[3] > 3 * pauses[0] * 0.5


def test_patience_ends(begin: Begin) -> None:
    made, server = begin(*[busy(503, "10")] * 9, patience_s=25)

    with pytest.raises(ServerError, match="too much") as caught:
        made.ask("GET", "/a")

    assert caught.value.status == 503
    assert caught.value.hint == "wait"
    assert len(server.seen) == 3


def test_a_refusal_is_not_asked_again(begin: Begin) -> None:
    made, server = begin((422, {}, b'{"error": "not an image", "hint": "send one"}'), OK)

    with pytest.raises(ServerError, match="not an image") as caught:
        made.ask("GET", "/a")

    assert (caught.value.status, caught.value.hint) == (422, "send one")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {}, b"<html>"), "GET /a was answered with 500"),
        ((404, {}, b"[]"), "GET /a was answered with 404"),
        ((302, {"Location": "https://b"}, b""), "use the address that it leads to: https://b"),
    ],
)
def test_an_answer_of_something_else_is_told_as_it_is(answer: Answer, said: str, begin: Begin) -> None:
    made, _ = begin(answer)

    with pytest.raises(ServerError) as caught:
        made.ask("GET", "/a")

    assert said in str(caught.value)


def test_no_json_is_an_error(begin: Begin) -> None:
    made, _ = begin((200, {}, b"<html>hello"))

    with pytest.raises(ServerError, match="no JSON"):
        made.ask("GET", "/a").json()


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(begin: Begin) -> None:
    made, server = begin(OK, None, OK)
    made.ask("GET", "/a")

    made.ask("GET", "/b")

    assert [path for _, path, *_ in server.seen] == ["/a", "/b", "/b"]
    assert made.slept == []  # type: ignore[attr-defined]


def test_what_may_not_be_done_twice_is_not_sent_twice(begin: Begin) -> None:
    made, server = begin(None, OK)

    with pytest.raises(ServerError, match="cannot be reached"):
        made.ask("POST", "/jobs", b"x", again=False)

    assert len(server.seen) == 1


def test_a_server_that_is_away_is_asked_until_patience_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    slept: list[float] = []
    now = iter(range(100))
    made = Connections(f"http://127.0.0.1:{port}", sleep=slept.append, clock=lambda: next(now), patience_s=3)

    with pytest.raises(ServerError, match="cannot be reached: Connection refused") as caught:
        made.ask("GET", "/a")

    assert caught.value.status is None
    assert len(slept) >= 2


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = Connections(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)

        with pytest.raises(ServerError, match=r"not answered for 0.1 s"):
            made.ask("GET", "/a")


def test_threads_have_connections_of_their_own(begin: Begin) -> None:
    made, server = begin(*[OK] * 8)
    meet = threading.Barrier(4)

    def ask() -> None:
        made.ask("GET", "/a")
        meet.wait(5)
        made.ask("GET", "/b")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({address for *_, address in server.seen}) == 4


def test_the_key_is_in_no_message(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    made, _ = begin(busy(422, None))

    with caplog.at_level(logging.DEBUG), pytest.raises(ServerError) as caught:
        made.ask("GET", "/a")

    assert KEY not in repr(made) + repr(caught.value) + caplog.text
    for key in ("a\nb", "ab\0", "é", "a b"):
        with pytest.raises(ConfigError) as wrong:
            Connections("http://a", key)
        assert key not in str(wrong.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", "http://a:x", "http://a:99999", "http://me:pw@a", "http://a?b=c"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Connections(url)

    assert "pw" not in str(caught.value).replace("password", "")


def test_an_address_may_leave_http_out() -> None:
    assert repr(Connections("localhost:8000/")) == "Connections('http://localhost:8000')"
