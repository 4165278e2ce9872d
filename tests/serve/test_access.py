"""Who is let in, over a real socket."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import ConfigError
from holdfast.serve.access import _address
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.keys import new_key, write_keys
from holdfast.serve.server import run_server
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
PICTURE = {"content": toy_item("image"), "headers": {"Content-Type": "image/png"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def predict(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(
        "/predict", content=toy_item("image"), headers={"Content-Type": "image/png", **headers}
    )


@pytest.fixture(scope="module")
def keyed(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, str, Path]]:
    from tests.serve.conftest import serving

    path = tmp_path_factory.mktemp("keys") / "keys.json"
    key, kept = new_key("ann")
    write_keys(path, [kept])
    with serving(engines("image"), keys=str(path)) as client:
        yield client, key, path


Keyed = tuple[httpx.Client, str, Path]


@pytest.mark.parametrize("header", ["Authorization", "authorization", "X-API-Key"])
def test_a_key_opens(keyed: Keyed, header: str) -> None:
    client, key, _ = keyed
    value = key if header == "X-API-Key" else f"bEARER  {key}"

    assert predict(client, **{header: value}).status_code == 200


def test_a_key_opens_beside_a_proxys_own_authorization(keyed: Keyed) -> None:
    client, key, _ = keyed

    assert predict(client, **{"Authorization": "Basic YTpi", "X-API-Key": key}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/predict", "/info", "/metrics", "/openapi.json", "/nowhere", "/static", "/healthz/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_without_a_key_there_is_nothing_not_even_what_there_is(keyed: Keyed, path: str, method: str) -> None:
    response = keyed[0].request(method, path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="holdfast"'
    assert response.json()["error"] == "this needs a key"
    assert "X-API-Key" in response.json()["hint"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/docs", "/static/app.js"])
def test_health_and_the_pages_files_are_open(keyed: Keyed, path: str) -> None:
    assert keyed[0].get(path).status_code == 200
    assert keyed[0].post(path).status_code == 401


@settings(max_examples=25)
@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60),
    st.sampled_from(["Authorization", "X-API-Key"]),
    st.sampled_from(["", "Bearer ", "Bearer holdfast_"]),
)
def test_no_guess_opens_or_breaks_anything(keyed: Keyed, guess: str, header: str, prefix: str) -> None:
    response = keyed[0].get("/info", headers={header: (prefix + guess).strip().encode("latin-1")})

    assert response.status_code == 401


def test_a_key_that_was_and_one_that_never_was_are_answered_alike(
    engines: Engines, serve: Serve, tmp_path: Path
) -> None:
    from datetime import UTC, datetime, timedelta

    old, kept = new_key("old", expires=datetime.now(UTC) - timedelta(days=1))
    write_keys(tmp_path / "k", [kept])

    with serve(engines("image"), keys=str(tmp_path / "k")) as client:
        answers = [client.get("/info", headers=bearer(key)) for key in (old, new_key("eve")[0], "a.b.c")]

    told = [
        (
            it.status_code,
            it.json(),
            {k: v for k, v in it.headers.items() if k not in ("x-request-id", "date")},
        )
        for it in answers
    ]
    assert told[0] == told[1] == told[2]
    assert told[0][0] == 401
    assert 'error="invalid_token"' in answers[0].headers["WWW-Authenticate"]


def test_keys_change_under_a_running_server(engines: Engines, serve: Serve, tmp_path: Path) -> None:
    (old, kept_old), (new, kept_new) = new_key("old"), new_key("new")
    write_keys(tmp_path / "k", [kept_old])
    with serve(engines("image"), keys=str(tmp_path / "k")) as client:

        def open_to(key: str) -> bool:
            return client.get("/info", headers=bearer(key)).status_code == 200

        before = open_to(old), open_to(new)
        write_keys(tmp_path / "k", [kept_new])
        until = time.monotonic() + 10
        while open_to(old) and time.monotonic() < until:
            time.sleep(0.1)
        after = open_to(old), open_to(new)

    assert (before, after) == ((True, False), (False, True))


def test_metrics_may_be_open(engines: Engines, serve: Serve, tmp_path: Path) -> None:
    write_keys(tmp_path / "k", [])

    with serve(engines("image"), keys=str(tmp_path / "k"), open_metrics=True) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/info").status_code == 401


def test_too_many_requests_are_told_when_to_come_back(engines: Engines, serve: Serve, tmp_path: Path) -> None:
    (slow, kept_slow), (free, kept_free) = new_key("slow", rate=0.01), new_key("free")
    write_keys(tmp_path / "k", [kept_slow, kept_free])

    with serve(engines("image"), keys=str(tmp_path / "k")) as client:
        answers = [predict(client, **bearer(slow)) for _ in range(2)]
        other = predict(client, **bearer(free))

    assert [it.status_code for it in (*answers, other)] == [200, 429, 200]
    assert 90 <= int(answers[1].headers["Retry-After"]) <= 100
    assert answers[1].json()["error"] == "more than one request in 100 seconds"


def test_without_keys_addresses_are_counted_only_where_that_is_asked_for(
    engines: Engines, serve: Serve
) -> None:
    limits = {"rate": 0.01, "burst": 3}
    with serve(engines("image"), limits=limits) as client:
        free = [predict(client).status_code for _ in range(5)]
    with serve(engines("image"), limits={**limits, "by_address": True}) as client:
        held = [predict(client).status_code for _ in range(5)]
        health = client.get("/readyz").status_code

    assert free == [200] * 5
    assert held == [200] * 3 + [429] * 2
    assert health == 200


@pytest.mark.parametrize(
    ("host", "caller"),
    [("10.0.0.7", "10.0.0.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64")],
)
def test_an_address_of_ipv6_stands_for_its_network(host: str, caller: str) -> None:
    assert _address({"client": (host, 1)}) == caller


def test_requests_at_once_are_counted_back_when_they_end(
    engines: Engines, serve: Serve, tmp_path: Path
) -> None:
    key, kept = new_key("ann", concurrency=1)
    write_keys(tmp_path / "k", [kept])

    with serve(engines("image"), keys=str(tmp_path / "k")) as client:
        host, port = client.base_url.host, client.base_url.port
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: image/png\r\n"
        with socket.create_connection((host, port), timeout=10) as slow:
            slow.sendall(f"{head}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n".encode())
            slow.recv(100)  # it runs, and waits for its body
            second = client.get("/info", headers=bearer(key))
        until = time.monotonic() + 10
        while (third := client.get("/info", headers=bearer(key))).status_code != 200:
            assert time.monotonic() < until
        bad = client.post("/predict", content=b"x", headers={**bearer(key), "Content-Type": "image/png"})
        last = client.get("/info", headers=bearer(key))

    assert second.status_code == 429
    assert second.json()["error"] == "more than 1 requests at once"
    assert (third.status_code, bad.status_code, last.status_code) == (200, 422, 200)


def test_a_refused_body_is_not_asked_for(keyed: Keyed) -> None:
    client = keyed[0]
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")

        assert raw.recv(1000).startswith(b"HTTP/1.1 401")


def test_the_log_names_who_asked_and_holds_no_key(
    engines: Engines, serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])

    with serve(engines("image"), keys=str(tmp_path / "k"), log=True) as client:
        client.get("/info", headers=bearer(key))
        client.get("/info", headers=bearer(key[:-1]))
        (tmp_path / "k").write_text(key)
        time.sleep(1.1)
        client.get("/info", headers=bearer(key))

    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line.get("caller") for line in lines if "status" in line] == ["key ann", None, "key ann"]
    assert [line["warning"][:28] for line in lines if "warning" in line] == ["the keys stay as they were: "]
    assert key[:-1] not in said


def test_the_api_says_what_it_asks(keyed: Keyed, clients: Callable[..., httpx.Client]) -> None:
    client, key, _ = keyed
    about = client.get("/openapi.json", headers=bearer(key)).json()
    plain = clients("image").get("/openapi.json").json()

    assert set(about["components"]["securitySchemes"]) == {"bearer", "key"}
    assert about["security"] == [{"bearer": []}, {"key": []}]
    assert about["paths"]["/healthz"]["get"]["security"] == []
    assert {"401", "429"} <= set(about["paths"]["/predict"]["post"]["responses"])
    assert "security" not in plain


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_nobody_is_let_in_from_other_machines_by_accident(
    own_engine: Engine, host: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="anybody there could ask") as error:
        run_server(create_app(own_engine, ServeConfig(), ref="toys"), ServeConfig(host=host, port=0))

    assert "serve.open=true" in str(error.value.hint)


@pytest.mark.parametrize("how", ["keys", "open"])
def test_other_machines_are_let_in_where_that_is_meant(
    engines: Engines, serve: Serve, how: str, tmp_path: Path
) -> None:
    write_keys(tmp_path / "k", [])
    settings: dict[str, Any] = {"open": True} if how == "open" else {"keys": str(tmp_path / "k")}

    with serve(engines("image"), host="0.0.0.0", **settings) as client:
        assert client.get("/healthz").status_code == 200
