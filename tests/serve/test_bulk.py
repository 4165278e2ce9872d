"""Many items in one request, over a real socket."""

import base64
import http.client
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.core.errors import BundleError
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]
Serve = Callable[..., AbstractContextManager[httpx.Client]]
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def as_line(item: bytes, **more: str) -> bytes:
    return json.dumps({"data": base64.b64encode(item).decode(), **more}).encode() + b"\n"


def asked(client: httpx.Client, body: bytes) -> list[dict[str, Any]]:
    return lines(client.post("/batch", content=body, headers=NDJSON))


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_every_item_has_a_line_with_what_the_engine_says(
    modality: str, clients: Clients, engines: Engines
) -> None:
    items = [toy_item(modality, seed) for seed in range(30)]  # type: ignore[arg-type]

    found = asked(clients(modality), b"".join(as_line(it, name=f"n{at}") for at, it in enumerate(items)))

    assert [it["index"] for it in found] == list(range(30))
    assert [it["name"] for it in found] == [f"n{at}" for at in range(30)]
    assert {it["model"] for it in found} == {"toys@3"}
    assert len({it["id"] for it in found}) == 30
    expected = engines(modality).predict(items)
    got = [list(it["probabilities"].values()) for it in found]
    np.testing.assert_allclose(got, expected.probabilities, rtol=0, atol=1e-6)
    if modality == "audio":
        assert [len(it["windows"]) for it in found] == [len(it) for it in expected.parts]


def test_a_form_of_more_files_than_predict_takes(clients: Clients) -> None:
    files = [("file", (f"{number}.png", toy_item("image", number))) for number in range(100)]

    found = lines(clients("image").post("/batch", files=files, params={"top": 1}))

    assert [it["name"] for it in found] == [f"{number}.png" for number in range(100)]
    assert {it["left_out"] for it in found} == {2}
    assert clients("image").post("/predict", files=files).status_code == 413


def test_a_bad_item_is_a_line_and_refuses_no_other(clients: Clients) -> None:
    good = toy_item("image")
    body = as_line(good) + b"no JSON\n" + as_line(good[:50], name="half") + as_line(good)

    found = asked(clients("image"), body)

    assert [("error" in it) for it in found] == [False, True, True, False]
    assert found[2]["name"] == "half"
    assert all(it["hint"] for it in found if "error" in it)


class Slow:
    """A request whose lines are sent one by one."""

    def __init__(self, client: httpx.Client) -> None:
        url = client.base_url
        self._connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
        self._connection.putrequest("POST", "/batch")
        self._connection.putheader("Content-Type", "application/x-ndjson")
        self._connection.putheader("Transfer-Encoding", "chunked")
        self._connection.endheaders()

    def send(self, data: bytes) -> None:
        self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))

    def answer(self) -> http.client.HTTPResponse:
        return self._connection.getresponse()


def test_lines_come_while_the_request_is_still_sent(clients: Clients) -> None:
    slow = Slow(clients("text"))

    slow.send(b'{"text": "the sea"}\n')
    answer = slow.answer()
    first = json.loads(answer.readline())
    slow.send(b'{"text": "the hill"}\n')
    second = json.loads(answer.readline())
    slow.send(b"")

    assert (first["index"], second["index"]) == (0, 1)
    assert answer.read() == b""


def test_what_broke_in_the_middle_is_told_in_a_line(serve: Serve, engines: Engines) -> None:
    with serve(engines("text"), bulk={"items": 2}) as client:
        found = asked(client, b'{"text": "a"}\n' * 3)
        assert [it.get("error") for it in found] == [None, None, "more than 2 items"]

        body = b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\nthe sea\r\n--xx\r\nCont'
        headers = {"Content-Type": "multipart/form-data; boundary=xx"}
        good, bad = lines(client.post("/batch", content=body, headers=headers))
        assert good["label"]
        assert "multipart body is broken" in bad["error"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", NDJSON, 400),
        (b"\n \n", NDJSON, 400),
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"x", {}, 415),
        (b"x", {"Content-Type": "multipart/form-data; boundary=xx"}, 400),
        (b"", {"Content-Type": "multipart/form-data; boundary=xx"}, 400),
    ],
)
def test_a_request_without_any_item_is_refused(
    body: bytes, headers: dict[str, str], status: int, clients: Clients
) -> None:
    answer = clients("text").post("/batch", content=body, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert answer.json()["hint"]


def test_only_so_many_at_once(serve: Serve, engines: Engines) -> None:
    with serve(engines("text"), bulk={"at_once": 1}) as client:
        slow = Slow(client)
        slow.send(b'{"text": "a"}\n')
        answer = slow.answer()
        answer.readline()

        refused = client.post("/batch", content=b'{"text": "a"}', headers=NDJSON)
        slow.send(b"")
        assert answer.read() == b""

        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert len(asked(client, b'{"text": "a"}')) == 1


def test_a_client_that_leaves_gives_its_place_and_its_room_back(serve: Serve, engines: Engines) -> None:
    body = b'{"text": "a"}\n' * 50
    with serve(engines("text"), bulk={"at_once": 1}) as client:
        taken = 0
        for _ in range(500):
            with client.stream("POST", "/batch", content=body, headers=NDJSON) as answer:
                if answer.status_code == 200:
                    next(answer.iter_raw())  # and leave
                    taken += 1
            if taken == 3:
                return
            time.sleep(0.02)
        raise AssertionError(taken)


def test_what_breaks_the_graph_is_told_without_its_trace(serve: Serve, own_engine: Engine) -> None:
    with serve(own_engine) as client:

        def fail(*_: Any, **__: Any) -> None:
            raise BundleError("secret")

        own_engine.predict_parts = fail  # type: ignore[method-assign]
        (line,) = asked(client, as_line(toy_item("image")))

        assert line["error"] == "something broke inside the server"
        assert "secret" not in str(line)
