"""Which pages in browsers may ask."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from holdfast.config.schema import ServeConfig
from holdfast.serve.engine import Engine
from holdfast.serve.keys import new_key, write_keys
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
APP = "https://app.example.com"


def predict(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post(
        "/predict", content=toy_item("image"), headers={"Content-Type": "image/png", **headers}
    )


@pytest.fixture(scope="module")
def plain(clients: Callable[..., httpx.Client]) -> httpx.Client:
    return clients("image")


def test_no_page_may_read_by_default(plain: httpx.Client) -> None:
    response = plain.get("/info", headers={"Origin": APP})
    preflight = plain.options("/predict", headers={"Origin": APP, "Access-Control-Request-Method": "POST"})

    assert not [name for name in (*response.headers, *preflight.headers) if name.startswith("access-control")]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": APP, "Sec-Fetch-Site": "cross-site"},
        {"Origin": APP, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": APP},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_another_sites_page_makes_nothing_happen(plain: httpx.Client, headers: dict[str, str]) -> None:
    response = predict(plain, **headers)

    assert response.status_code == 403
    assert "serve.cors" in response.json()["hint"]


def test_our_own_page_and_programs_may_ask(plain: httpx.Client) -> None:
    own = str(plain.base_url).rstrip("/")

    for headers in ({}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}):
        assert predict(plain, **headers).status_code == 200
    # behind a proxy the browser's word counts, as the host is another one
    assert predict(plain, **{"Origin": APP, "Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "EVIL.example.", "127.0.0.1.evil.example"]
)
def test_a_name_that_was_made_to_mean_this_machine_is_none_of_it(plain: httpx.Client, host: str) -> None:
    response = plain.get("/info", headers={"Host": host})

    assert response.status_code == 403
    assert "127.0.0.1" in response.json()["hint"]


@pytest.mark.parametrize(
    "host", ["localhost:1", "127.0.0.1", "[::1]:80", "birds", "app.localhost", "my.local"]
)
def test_names_of_this_machine_are_its_names(plain: httpx.Client, host: str) -> None:
    assert plain.get("/info", headers={"Host": host}).status_code == 200


def test_behind_a_proxy_any_name_will_do(engines: Engines, serve: Serve) -> None:
    with serve(engines("image"), open=True) as client:
        assert client.get("/info", headers={"Host": "birds.example.com"}).status_code == 200


def test_a_named_origin_may_ask_and_read_and_no_other(engines: Engines, serve: Serve, tmp_path: Path) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with serve(engines("image"), cors=APP, keys=str(tmp_path / "k")) as client:
        preflight = client.options("/predict", headers={"Origin": APP, **asking})
        cancel = client.options(
            "/jobs/a", headers={"Origin": APP, **asking, "Access-Control-Request-Method": "DELETE"}
        )
        answer = predict(client, Origin=APP, **{"Sec-Fetch-Site": "cross-site", "X-API-Key": key})
        refusal = predict(client, Origin=APP)
        for other in (f"{APP}:444", f"{APP}.evil.example", "http://app.example.com", "null", APP.upper()):
            stranger = client.options("/predict", headers={"Origin": other, **asking})
            assert stranger.status_code == 400
            assert "access-control-allow-origin" not in stranger.headers
            assert "access-control-allow-origin" not in predict(client, Origin=other).headers

    assert (preflight.status_code, cancel.status_code) == (200, 200)
    assert answer.status_code == 200
    assert refusal.status_code == 401
    for response in (preflight, answer, refusal):
        assert response.headers["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in response.headers
    assert {"Retry-After", "Location"} <= set(answer.headers["access-control-expose-headers"].split(", "))


def test_a_named_origin_may_ask_an_open_server(engines: Engines, serve: Serve) -> None:
    with serve(engines("image"), cors=[APP]) as client:
        assert predict(client, **{"Origin": APP, "Sec-Fetch-Site": "cross-site"}).status_code == 200
        assert predict(client, Origin="https://evil.example").status_code == 403


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example.com", "null", "example.com", "https://a.b/path", 3, ""]
)
def test_what_is_no_origin_is_refused(origin: object) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        ServeConfig(cors=(origin,))  # type: ignore[arg-type]


def test_origins_are_compared_as_browsers_write_them() -> None:
    config = ServeConfig(cors=("https://App.Example.com:443/", "http://[::1]:8080"))

    assert config.cors == (APP, "http://[::1]:8080")


def test_the_api_says_that_it_refuses_foreign_pages(plain: httpx.Client) -> None:
    paths = plain.get("/openapi.json").json()["paths"]

    assert all("403" in operation["responses"] for it in paths.values() for operation in it.values())
