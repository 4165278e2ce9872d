"""What the server says of itself, and its pages."""

from collections.abc import Callable

import httpx
import pytest

from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item
from tests.serve.test_app import refusal

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]
PICTURE, SOUND, TEXT = toy_item("image", 1), toy_item("audio", 1), toy_item("text", 1)
ITEMS = {"image": PICTURE, "audio": SOUND, "text": TEXT}


def test_unknown_paths_and_methods_are_answered_in_json(clients: Clients) -> None:
    client = clients("image")

    assert "/nowhere" in refusal(client.get("/nowhere"), 404)["error"]
    assert "/static/../app.py" in refusal(client.get("/static/%2e%2e%2fapp.py"), 404)["error"]
    assert "GET" in refusal(client.get("/predict"), 405)["error"]
    assert client.get("/predict").headers["allow"] == "POST"


def test_info_says_what_the_model_is(clients: Clients, engines: Engines) -> None:
    info = clients("audio").get("/info").json()

    manifest = engines("audio").manifest
    assert (info["model"], info["version"], info["task"], info["modality"]) == (
        "toys@3",
        3,
        "single",
        "audio",
    )
    assert info["labels"] == manifest.labels
    assert info["dataset"] == {"name": "toy", "version": 1, "fingerprint": "f" * 64}
    assert info["metrics"] == manifest.metrics
    assert info["input"]["rate"] == 8000
    assert info["limits"]["max_files"] == 64


def test_it_lives_and_is_ready(clients: Clients) -> None:
    client = clients("text")

    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_the_examples_of_the_api_page_work(modality: str, clients: Clients) -> None:
    client = clients(modality)
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]

    examples = operation["requestBody"]["content"]["application/json"]["examples"]

    assert len(examples) >= 2
    for example in examples.values():
        answer = client.post("/predict", json=example["value"])
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == "toys@3"


def test_pages_need_nothing_from_elsewhere_and_browsers_are_told_so(clients: Clients) -> None:
    client = clients("image")

    for path in (
        "/",
        "/docs",
        "/static/app.js",
        "/static/style.css",
        "/static/icon.svg",
        "/info",
        "/nowhere",
    ):
        answer = client.get(path)
        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace("${", "")
        assert client.head(path).status_code in (200, 404, 405)
