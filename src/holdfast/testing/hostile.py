"""Requests that nobody should send: each may be good, or bad in one of many ways."""

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

from holdfast.core.media import Modality
from holdfast.testing.asgi import Sent
from holdfast.testing.hostile_files import good_files, hostile_file

_LENGTH = b"inference-header-content-length"
_KINDS = (
    "application/json",
    "application/octet-stream",
    "image/png",
    "audio/wav",
    "text/plain",
    "text/plain; charset=utf-16",
    "text/plain; charset=nonsense",
    "multipart/form-data; boundary=xx",
    "multipart/form-data",
    "multipart/form-data; boundary=" + "y" * 300,
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "nonsense",
    "",
    'a/b; c="',
    "\xff/\xfe",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "a",
    "\0",
    "\ud800",
    "é" * 100,
    "data:image/png;base64,",
    "====",
    [],
    {},
    [[]],
    [None],
    [[1, 2], [3]],
    {"a": {"b": []}},
    {"": 0},
    ["a"] * 70,
    [0] * 4000,
)
_PATHS = (
    "/",
    "/docs",
    "/openapi.json",
    "/info",
    "/healthz",
    "/readyz",
    "/metrics",
    "/models",
    "/v2",
    "/nothing",
    "/static/../x",
    "/static/%2e%2e",
    "/v2/health/live",
    "/v2/health/ready",
    "/review",
    "/review/items",
    "/é",
    "/" + "a" * 3000,
)
_QUERIES = (
    b"top=1",
    b"top=0",
    b"top=-1",
    b"top=9999999999999",
    b"top=%ff",
    b"top=&top=2",
    b"%",
    b"a=" + b"b" * 3000,
    b"top=\xc2\xb2",
)


def hostile_requests(modality: Modality, count: int, seed: int = 0) -> Iterator[Sent]:
    """So many requests, the same for the same seed.

    >>> [it.path for it in hostile_requests("text", 3)] == [it.path for it in hostile_requests("text", 3)]
    True
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(count):
        yield _bent(_request(modality, rng), rng)


def _request(modality: Modality, rng: random.Random) -> Sent:
    ways = (_raw, _raw, _form, _form, _json, _json, _infer, _infer, _infer, _lines, _anywhere, _feedback)
    return rng.choice(ways)(modality, rng)


def _bent(sent: Sent, rng: random.Random) -> Sent:
    """The same, but for one request in four another head or bytes changed in its body."""
    kind = rng.random()
    method, headers, body, query = sent.method, list(sent.headers), sent.body, sent.query
    if kind < 0.04:
        method = rng.choice(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"))
    elif kind < 0.08:
        headers = [it for it in headers if it[0] != b"content-type"]
        headers.append((b"content-type", rng.choice(_KINDS).encode("latin-1")))
    elif kind < 0.11:
        headers.append(
            rng.choice(
                (
                    (b"content-encoding", b"gzip"),
                    (b"content-length", b"99999999999"),
                    (b"content-length", b"x"),
                    (b"accept", b"\xff"),
                    (b"x-request-id", b"a" * 100),
                    (b"authorization", b"Bearer \xff"),
                    (b"cookie", b"a" * 5000),
                    (b"origin", b"http://evil"),
                )
            )
        )
    elif kind < 0.15:
        query = rng.choice(_QUERIES)
    elif kind < 0.25 and body:
        bent = bytearray(body)
        for _ in range(rng.choice((1, 3))):
            place = rng.randrange(len(bent))
            bent[place : place + rng.choice((0, 1, 1, 20))] = rng.randbytes(rng.choice((0, 1, 1, 20)))
            if not bent:
                break
        body = bytes(bent)
    return Sent(method, sent.path, headers, body, query)


def _model(rng: random.Random) -> str:
    return rng.choice(("", "", "", "/models/toys", "/models/toys@3", "/models/nothing", "/models/é"))


def _raw(modality: Modality, rng: random.Random) -> Sent:
    path = _model(rng) + rng.choice(("/predict", "/predict", "/predict", "/jobs"))
    kind = rng.choice((f"{modality}/x", "application/octet-stream", "text/plain"))
    return Sent("POST", path, [(b"content-type", kind.encode())], hostile_file(modality, rng))


def _form(modality: Modality, rng: random.Random) -> Sent:
    parts: list[bytes] = []
    for _ in range(rng.choice((0, 1, 1, 2, 5, 70))):
        field = rng.choice(
            (
                'name="file"',
                'name="file"',
                'name="files"; filename="../../a"',
                'name="text"',
                'name="x"',
                "",
                'name="file"; filename="\xff"',
            )
        )
        head = f"--xx\r\nContent-Disposition: form-data; {field}\r\n\r\n".encode("latin-1")
        data = hostile_file(modality, rng) if len(parts) < 5 else b"a"
        parts.append(head + data + b"\r\n")
    body = b"".join(parts) + rng.choice((b"--xx--\r\n", b"--xx--\r\n", b"--xx--\r\n", b"", b"--xx"))
    path = _model(rng) + rng.choice(("/predict", "/batch", "/jobs"))
    return Sent("POST", path, [(b"content-type", b"multipart/form-data; boundary=xx")], body)


def _json(modality: Modality, rng: random.Random) -> Sent:
    item = _item(modality, rng)
    value: Any = rng.choice(
        (item, {"items": [item, _item(modality, rng)]}, {"texts": ["a", "b"]}, {"items": []})
    )
    body = _dumped(_changed(value, rng))
    path = _model(rng) + rng.choice(("/predict", "/predict", "/jobs"))
    return Sent("POST", path, [(b"content-type", b"application/json")], body)


def _lines(modality: Modality, rng: random.Random) -> Sent:
    lines = [_dumped(_changed(_item(modality, rng), rng)) for _ in range(rng.choice((0, 1, 3, 10)))]
    return Sent(
        "POST", _model(rng) + "/batch", [(b"content-type", b"application/x-ndjson")], b"\n".join(lines)
    )


def _infer(modality: Modality, rng: random.Random) -> Sent:
    path = (
        rng.choice(
            ("/v2/models/toys", "/v2/models/toys/versions/3", "/v2/models/nothing", "/v2/models/toys@3")
        )
        + "/infer"
    )
    data = hostile_file(modality, rng)
    kind = rng.random()
    if kind < 0.15:
        return Sent("POST", path, [(_LENGTH, rng.choice((b"0", b"0", b"1", b"-1", b"x", b"9" * 30)))], data)
    tensor, behind = _tensor(modality, data, rng)
    outputs: Any = rng.choice(
        ([], [{"name": "label"}], [{"name": "probabilities", "parameters": {"binary_data": True}}])
    )
    head = _dumped(
        _changed(
            {"id": "a", "inputs": [tensor], "outputs": outputs, "parameters": {"binary_data_output": True}},
            rng,
        )
    )
    headers = [(_LENGTH, str(len(head) + rng.choice((0, 0, 0, 0, 1, -1))).encode())] if behind else []
    return Sent("POST", path, headers, head + behind)


def _tensor(modality: Modality, data: bytes, rng: random.Random) -> tuple[dict[str, Any], bytes]:
    if rng.random() < 0.5:
        tensor: dict[str, Any] = {"name": "data", "datatype": "BYTES", "shape": [1]}
        if rng.random() < 0.5:
            behind = len(data).to_bytes(4, "little") + data
            return {**tensor, "parameters": {"binary_data_size": len(behind)}}, behind
        text = data.decode("latin-1") if modality == "text" else base64.b64encode(data).decode()
        return {**tensor, "data": [text]}, b""
    datatype, shape, each = {
        "image": ("UINT8", [1, 16, 16, 3], 1),
        "audio": ("FP32", [1, rng.choice((1, 300, 9000))], 4),
        "text": ("INT64", [1, rng.choice((1, 7, 300))], 8),
    }[modality]
    tensor = {"name": "input", "datatype": datatype, "shape": shape}
    count = shape[1] if modality != "image" else 768
    if rng.random() < 0.5:
        behind = rng.randbytes(count * each) if rng.random() < 0.5 else bytes([5, *bytes(each - 1)]) * count
        return {**tensor, "parameters": {"binary_data_size": len(behind)}}, behind
    return {**tensor, "data": [rng.choice((0, 1, 5, 255, 299)) for _ in range(count)]}, b""


def _anywhere(_: Modality, rng: random.Random) -> Sent:
    paths = (*_PATHS, "/jobs/x", "/v2/models/toys", "/v2/models/é/ready", "/models/toys/info", "/feedback")
    return Sent(rng.choice(("GET", "GET", "POST", "DELETE")), rng.choice(paths), [], rng.choice((b"", b"x")))


def _feedback(_: Modality, rng: random.Random) -> Sent:
    value = {"id": "01a1ffe2-9502-7000-8004-740199929562", "label": rng.choice(("heron", "nothing"))}
    body = _dumped(_changed(rng.choice((value, {"items": [value]})), rng))
    return Sent("POST", "/feedback", [(b"content-type", b"application/json")], body)


def _item(modality: Modality, rng: random.Random) -> dict[str, Any]:
    if modality == "text" and rng.random() < 0.6:
        return {"text": rng.choice(good_files("text")).decode(), "name": "n"}
    return {"data": base64.b64encode(hostile_file(modality, rng)).decode(), "name": "n"}


def _changed(value: Any, rng: random.Random) -> Any:
    """The same, with a value somewhere in it replaced, a key dropped, or one added; often none of it."""
    if rng.random() < 0.4:
        return value
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.15:
            return {name: it for name, it in value.items() if name != key}
        if kind < 0.25:
            return {
                **value,
                rng.choice(("x", "text", "items", "data", "parameters", "")): rng.choice(_VALUES),
            }
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    return rng.choice(_VALUES)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()
