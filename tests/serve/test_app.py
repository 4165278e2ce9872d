"""The HTTP API, asked over a real socket."""

import base64
import io
import json
import select
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]
Serve = Callable[..., AbstractContextManager[httpx.Client]]
PICTURE, SOUND, TEXT = toy_item("image", 1), toy_item("audio", 1), toy_item("text", 1)
ITEMS = {"image": PICTURE, "audio": SOUND, "text": TEXT}


def bodies(modality: str) -> list[dict[str, Any]]:
    """Every way to send one item."""
    data = ITEMS[modality]
    kind = {"image": "image/png", "audio": "audio/wav", "text": "text/plain; charset=utf-8"}[modality]
    encoded = base64.b64encode(data).decode()
    found: list[dict[str, Any]] = [
        {"files": {"file": ("name", data)}},
        {"files": {"files": ("name", data, kind)}},
        {"content": data, "headers": {"Content-Type": kind}},
        {"content": data, "headers": {"Content-Type": "application/octet-stream"}},
        {"json": {"data": encoded}},
        {"json": {"data": f"data:{kind.split(';')[0]};base64,{encoded}", "name": "name"}},
        {"json": {"data": base64.encodebytes(data).decode()}},
        {"json": {"items": [{"data": encoded, "name": "name"}]}},
    ]
    if modality == "text":
        text = data.decode()
        found += [
            {"json": {"text": text}},
            {"json": {"texts": [text]}},
            {"json": {"items": [{"text": text}]}},
            {"files": {"text": (None, text)}},
            {"content": text.encode("utf-16"), "headers": {"Content-Type": "text/plain; charset=UTF-16"}},
        ]
    return found


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    """The reason of a refusal, which always has one, and says what to do."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    content = response.json()
    assert content["error"]
    assert content["hint"]
    assert "Traceback" not in response.text
    return dict(content)


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 100,000 pixels wide and as high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_every_way_to_send_an_item_gives_what_the_engine_says(
    modality: str, clients: Clients, engines: Engines
) -> None:
    engine = engines(modality)
    expected = engine.predict([ITEMS[modality]])

    for body in bodies(modality):
        answer = clients(modality).post("/predict", **body)

        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert list(prediction["probabilities"]) == engine.labels
        np.testing.assert_allclose(
            list(prediction["probabilities"].values()), expected.probabilities[0], rtol=0, atol=1e-7
        )
        assert [prediction["label"]] == prediction["labels"] == engine.labels_of(expected.probabilities)[0]
        assert prediction["name"] in ("name", None)


def test_many_files_are_answered_in_their_order(clients: Clients, engines: Engines) -> None:
    items = [toy_item("image", seed) for seed in range(20)]
    expected = engines("image").predict(items).probabilities

    answer = clients("image").post(
        "/predict", files=[("file", (f"{number} é.png", item)) for number, item in enumerate(items)]
    )

    predictions = answer.json()["predictions"]
    assert [it["name"] for it in predictions] == [f"{number} é.png" for number in range(20)]
    got = [list(it["probabilities"].values()) for it in predictions]
    # which items run together changes the last digit of a float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_a_sound_has_windows_whose_mean_is_the_answer(clients: Clients, engines: Engines) -> None:
    (prediction,) = clients("audio").post("/predict", files={"file": SOUND}).json()["predictions"]

    windows = prediction["windows"]
    spans = engines("audio").spans(len(windows))
    assert [(it["start_s"], it["end_s"]) for it in windows] == spans
    assert len(windows) > 1
    mean = np.mean([list(it["probabilities"].values()) for it in windows], axis=0)
    np.testing.assert_allclose(mean, list(prediction["probabilities"].values()), atol=1e-6)


def test_many_labels_are_decided_by_the_thresholds(clients: Clients, engines: Engines) -> None:
    items = [toy_item("image", seed) for seed in range(12)]
    engine = engines("image", "multi")

    answer = clients("image", "multi").post("/predict", files=[("file", item) for item in items]).json()

    expected = engine.labels_of(engine.predict(items).probabilities)
    assert [it["labels"] for it in answer["predictions"]] == expected
    assert all("label" not in it for it in answer["predictions"])


def test_32_clients_at_once_get_what_one_gets(clients: Clients) -> None:
    items = [toy_item("image", seed) for seed in range(32)]
    client = clients("image")

    def ask(item: bytes) -> list[float]:
        answer = client.post("/predict", content=item, headers={"Content-Type": "image/png"})
        return list(answer.json()["predictions"][0]["probabilities"].values())

    alone = [ask(item) for item in items]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(ask, items))

    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert len({tuple(row) for row in alone}) == 32  # else mixed-up answers would not show


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "empty"),
        ({"content": b"", "headers": {"Content-Type": "image/png"}}, 400, "empty"),
        ({"files": {"file": b""}}, 422, "empty file"),
        ({"files": {"file": ("a.txt", b"hello")}}, 422, "not an image (starts with 'hello')"),
        ({"files": {"file": PICTURE[:-40]}}, 422, "truncated image"),
        ({"files": {"file": bomb()}}, 422, "100000 × 100000 pixels"),
        ({"files": {"image": PICTURE}}, 422, "'image'; did you mean 'file'?"),
        ({"data": {"text": "x"}, "files": {"file": PICTURE}}, 422, "'text'"),
        ({"content": b"hello", "headers": {"Content-Type": "text/plain"}}, 415, "takes pictures, not text"),
        ({"content": SOUND, "headers": {"Content-Type": "audio/wav"}}, 415, "takes pictures, not audio/wav"),
        ({"content": PICTURE}, 415, "no Content-Type"),
        (
            {"content": PICTURE, "headers": {"Content-Type": "image/png", "Content-Encoding": "gzip"}},
            415,
            "'gzip'",
        ),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ({"content": b"[" * 60_000, "headers": {"Content-Type": "application/json"}}, 400, "not JSON"),
        ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 413, "1,040 parts"),
        ({"json": [1]}, 422, "must be an object, not [1]"),
        ({"json": {}}, 422, "no item"),
        ({"json": {"dota": ""}}, 422, "'dota'; did you mean 'data'?"),
        ({"json": {"data": "eA==", "items": []}}, 422, "data and items"),
        ({"json": {"items": []}}, 422, "must be a list with something in it"),
        ({"json": {"items": ["x"]}}, 422, 'item 0 must be an object, not "x"'),
        ({"json": {"items": [{"name": "x"}]}}, 422, "item 0 needs either text or data"),
        ({"json": {"data": 1}}, 422, "data must be a string, not 1"),
        ({"json": {"data": "not base64!"}}, 422, "item 0 is not base64"),
        ({"json": {"data": "é"}}, 422, "item 0 is not base64"),
        ({"json": {"text": "hello"}}, 422, "is text, but this model takes pictures"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "no boundary"),
        (
            {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            400,
            "broken",
        ),
        (
            {"content": b"--b--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            422,
            "no field 'file'",
        ),
    ],
)
def test_bad_input_is_told_what_is_wrong(
    body: dict[str, Any], status: int, words: str, clients: Clients
) -> None:
    response = clients("image").post("/predict", **body)

    assert words in refusal(response, status)["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"json": {"text": " "}}, 422, "empty text"),
        (
            {"content": b'{"text": "\\ud800"}', "headers": {"Content-Type": "application/json"}},
            422,
            "surrogate",
        ),
        ({"files": {"file": PICTURE}}, 422, "not UTF-8 text"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain; charset=zip"}}, 415, "charset 'zip'"),
        ({"content": PICTURE, "headers": {"Content-Type": "image/png"}}, 415, "takes texts, not image/png"),
    ],
)
def test_bad_texts_are_told_what_is_wrong(
    body: dict[str, Any], status: int, words: str, clients: Clients
) -> None:
    assert words in refusal(clients("text").post("/predict", **body), status)["error"]


def test_a_truncated_sound_is_told_so(clients: Clients) -> None:
    response = clients("audio").post("/predict", files={"file": SOUND[:-100]})

    assert refusal(response, 422)["error"] == "truncated recording"


def test_all_bad_items_among_good_ones_are_named_and_none_is_answered(clients: Clients) -> None:
    items = [("good.png", PICTURE), ("bad.png", b"hello"), ("good.png", PICTURE), ("cut.png", PICTURE[:-40])]

    response = clients("image").post("/predict", files=[("file", item) for item in items])

    content = refusal(response, 422)
    assert content["error"].startswith("2 of 4 items cannot be used: bad.png: not an image")
    assert content["item"] == 1
    assert [(it["item"], it["name"]) for it in content["problems"]] == [(1, "bad.png"), (3, "cut.png")]


def test_too_many_files_are_refused(engines: Engines, serve: Serve) -> None:
    with serve(engines("text"), max_files=3) as client:
        form = client.post("/predict", files=[("file", b"x")] * 4)
        texts = client.post("/predict", json={"texts": ["x"] * 4})

        assert "more than 3 items" in refusal(form, 413)["error"]
        assert "more than 3 items" in refusal(texts, 413)["error"]
        assert client.post("/predict", files=[("file", b"x")] * 3).status_code == 200


def test_a_body_that_grows_too_large_is_refused_while_it_arrives(engines: Engines, serve: Serve) -> None:
    with serve(engines("image"), max_mb=0.5) as client, raw(client) as wire:
        wire.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(2000):  # 128 MB; without an answer it would go on to the end
            wire.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            if select.select([wire], [], [], 0)[0]:
                break

        answer = b""
        while not answer.endswith(b"}"):
            answer += wire.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413")
        assert b"the request is larger than 0.5 MB" in answer
        wire.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")  # it is not cut off in the middle


def test_a_body_that_says_it_is_too_large_is_refused_unread(engines: Engines, serve: Serve) -> None:
    with serve(engines("image"), max_mb=0.5) as client, raw(client) as wire:
        wire.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        )

        assert wire.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_client_that_leaves_in_the_middle_harms_nobody(engines: Engines, serve: Serve) -> None:
    with serve(engines("image")) as client:
        for _ in range(5):
            with raw(client) as wire:
                wire.sendall(
                    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
                    b"Content-Length: 1000\r\n\r\nhalf"
                )

        answer = client.post("/predict", files={"file": PICTURE})

    assert answer.status_code == 200


def test_items_of_a_client_that_left_are_not_predicted(own_engine: Engine, serve: Serve) -> None:
    gate, seen = threading.Event(), []
    decode = own_engine.decode

    def slow(data: bytes) -> np.ndarray:
        if data != PICTURE:
            seen.append(data)
            gate.wait(30)
        return decode(PICTURE)

    with serve(own_engine, batch=1) as client:
        own_engine.decode = slow  # type: ignore[method-assign]
        with raw(client) as wire:
            body = json.dumps({"items": [{"data": base64.b64encode(b"%d" % it).decode()} for it in range(9)]})
            wire.sendall(
                f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            wait_until(lambda: len(seen) == 2)
        wait_until(lambda: waiting() == 2)  # the two that were begun
        gate.set()

        assert client.post("/predict", files={"file": PICTURE}).status_code == 200
        assert len(seen) == 2


def test_what_is_wrong_inside_is_not_told_outside(
    own_engine: Engine, serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object, **__: object) -> None:
        raise RuntimeError("secret")

    with serve(own_engine) as client:
        own_engine.predict_parts = broken  # type: ignore[assignment, method-assign]

        response = client.post("/predict", files={"file": PICTURE})

        assert "secret" not in response.text
        assert "inside the server" in refusal(response, 500)["error"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert client.get("/healthz").status_code == 200
    assert "secret" in capfd.readouterr().err


def test_a_full_queue_says_when_to_come_back(own_engine: Engine, serve: Serve) -> None:
    gate = threading.Event()
    decode = own_engine.decode

    def slow(data: bytes) -> np.ndarray:
        gate.wait(30)
        return decode(data)

    with serve(own_engine, batch=1, max_files=8, queue=32) as client:
        own_engine.decode = slow  # type: ignore[method-assign]
        with ThreadPoolExecutor(5) as pool:
            asked = [pool.submit(client.post, "/predict", files=[("file", PICTURE)] * 8) for _ in range(5)]
            wait_until(lambda: any(it.done() for it in asked))
            busy = next(it for it in asked if it.done()).result()
            gate.set()
            statuses = sorted(it.result().status_code for it in asked)

    assert "waiting already" in refusal(busy, 503)["error"]
    assert int(busy.headers["retry-after"]) >= 1
    assert statuses == [200, 200, 200, 200, 503]


def raw(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20)


def waiting() -> int:
    """How many items wait or are in work, as the threads of this process see it."""
    import gc

    from holdfast.serve.batching import Batcher

    return sum(it.rows for it in gc.get_objects() if isinstance(it, Batcher) and not it.closed)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_pictures_of_other_formats_are_taken(clients: Clients) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(PICTURE)).save(file, "JPEG")

    assert clients("image").post("/predict", files={"file": file.getvalue()}).status_code == 200
