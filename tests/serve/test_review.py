"""People see what the model was unsure of, with what was sent, and nothing more than that."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.core.media import Modality
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item
from tests.journals import settings, wait_for

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]


@pytest.fixture
def client(serve: Serve, engines: Engines, tmp_path: Path) -> Iterator[httpx.Client]:
    with serve(engines("image"), journal=settings(where=tmp_path, inputs=1.0)) as it:
        yield it


def predict(client: httpx.Client, count: int = 1, modality: Modality = "image") -> list[dict[str, Any]]:
    found = []
    for seed in range(count):
        item = toy_item(modality, seed)
        files = {"text" if modality == "text" else "file": (f"{seed}", item)}
        found += client.post("/predict", files=files).json()["predictions"]
    wait_for(lambda: client.get("/review/items?labelled=all").json()["all"] >= count)
    return found


def shown(client: httpx.Client, **query: Any) -> list[str]:
    answer = client.get("/review/items", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def lead(prediction: dict[str, Any]) -> float:
    second, first = sorted(prediction["probabilities"].values())[-2:]
    return float(first - second)


def test_the_most_uncertain_or_the_newest_come_first(client: httpx.Client) -> None:
    told = predict(client, 6)

    assert shown(client) == [it["id"] for it in sorted(told, key=lead)]
    assert shown(client, show="recent") == [it["id"] for it in reversed(told)]
    assert shown(client, limit=2) == [it["id"] for it in sorted(told, key=lead)][:2]


def test_items_are_found_by_label_and_by_whether_they_are_labelled(client: httpx.Client) -> None:
    told = predict(client, 8)
    label = told[0]["label"]
    client.post("/feedback", json={"id": told[0]["id"], "label": "heron"})

    assert set(shown(client, label=label, labelled="all")) == {
        it["id"] for it in told if it["label"] == label
    }
    assert shown(client, labelled="yes") == [told[0]["id"]]
    assert told[0]["id"] not in shown(client)
    (item,) = client.get("/review/items?labelled=yes").json()["items"]
    assert item["truth"]["labels"] == ["heron"]
    client.post("/feedback", json={"id": told[0]["id"], "withdraw": True})
    assert shown(client, labelled="yes") == []


@pytest.mark.parametrize(
    ("modality", "kind"),
    [("image", "image/png"), ("audio", "audio/wav"), ("text", "text/plain; charset=utf-8")],
)
def test_what_was_sent_is_given_back_and_a_browser_runs_none_of_it(
    serve: Serve, engines: Engines, tmp_path: Path, modality: Modality, kind: str
) -> None:
    with serve(engines(modality), journal=settings(where=tmp_path, inputs=1.0)) as client:
        (told,) = predict(client, modality=modality)
        answer = client.get(f"/review/inputs/{told['id']}")

    assert answer.content == toy_item(modality)
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "private, no-store" in answer.headers.get_list("Cache-Control")
    assert any(it.startswith("sandbox") for it in answer.headers.get_list("Content-Security-Policy"))


@pytest.mark.parametrize("number", ["01a1ffe2-9502-7000-8004-740199929562", "x", "..%2F..%2Fetc", "%00"])
def test_other_inputs_are_not_there(client: httpx.Client, number: str) -> None:
    answer = client.get(f"/review/inputs/{number}")

    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize("query", ["show=all", "limit=0", "limit=x", "labelled=maybe"])
def test_a_question_that_cannot_be_is_refused_in_words(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/review/items?{query}")

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(query.split("=")[0])


def test_a_server_that_starts_again_shows_what_was_there(
    serve: Serve, engines: Engines, tmp_path: Path
) -> None:
    place = settings(where=tmp_path, inputs=1.0)
    with serve(engines("image"), journal=place) as client:
        told = predict(client, 3)
        client.post("/feedback", json={"id": told[1]["id"], "label": "heron"})

    with serve(engines("image"), journal=place) as client:
        assert set(shown(client)) == {told[0]["id"], told[2]["id"]}
        assert client.get(f"/review/inputs/{told[0]['id']}").content == toy_item("image", 0)
        assert client.get("/review/items").json()["labelled"] == 1


def test_two_servers_of_one_journal_show_the_same(serve: Serve, engines: Engines, tmp_path: Path) -> None:
    place = settings(where=tmp_path, inputs=1.0)
    with (
        serve(engines("image"), journal=place) as one,
        serve(engines("image"), journal=place) as other,
    ):
        told = predict(one, 2)
        assert set(shown(other)) == {it["id"] for it in told}
        other.post("/feedback", json={"id": told[0]["id"], "label": "heron"})
        wait_for(lambda: shown(one) == [told[1]["id"]])


def test_of_several_models_each_has_its_own_labels(tmp_path: Path) -> None:
    from holdfast.bundle import open_bundle
    from holdfast.config.schema import ServeConfig
    from holdfast.serve.app import create_app
    from holdfast.serve.server import running
    from holdfast.testing.bundles import toy_bundle

    toy_bundle(tmp_path / "birds@1", labels=("owl", "gull"))
    toy_bundle(tmp_path / "words@1", modality="text", task="multi", labels=("sea", "hill"))
    config = ServeConfig(port=0, threads=1, journal=settings(where=tmp_path / "kept", inputs=1.0))
    engine = Engine(open_bundle(tmp_path / "birds@1"), threads=1)

    def find(asked: str) -> Any:
        return asked, lambda: open_bundle(tmp_path / asked)

    app = create_app(engine, config, ref="birds@1", asked="birds@1", others=("words@1",), find=find)
    with running(app, config) as url, httpx.Client(base_url=url, timeout=30) as client:
        bird = client.post("/predict", files={"file": toy_item("image")}).json()["predictions"][0]
        word = client.post("/models/words/predict", json={"text": "the sea"}).json()["predictions"][0]
        wait_for(lambda: client.get("/review/items").json()["all"] == 2)
        models = client.get("/review/items").json()["models"]
        assert shown(client, model="words") == [word["id"]]
        truths = [{"id": bird["id"], "label": "owl"}, {"id": word["id"], "labels": ["sea", "hill"]}]
        assert client.post("/feedback", json={"items": truths}).status_code == 200
        assert client.post("/feedback", json={"id": bird["id"], "label": "hil"}).status_code == 422
        wrong = client.post("/feedback", json={"id": bird["id"], "labels": ["sea", "hill"]})
        assert (wrong.status_code, wrong.json()["error"]) == (422, "this model gives one label, not 2")
        assert "'sea', 'hill'" in client.post("/feedback", json={"id": word["id"], "labels": ["owl"]}).text
    engine.close()

    assert models == {
        "birds": {"labels": ["owl", "gull"], "task": "single"},
        "words": {"labels": ["sea", "hill"], "task": "multi"},
    }


@pytest.mark.parametrize("place", [{"inputs": 0.0}, {"inputs": 1.0, "private": True}])
def test_where_no_input_is_kept_there_is_no_page(
    serve: Serve, engines: Engines, tmp_path: Path, place: dict[str, Any]
) -> None:
    with serve(engines("image"), journal=settings(where=tmp_path, **place)) as client:
        assert client.get("/review").status_code == 404
        assert client.get("/review/items").status_code == 404
        assert client.get("/info").json()["journal"]["review"] is False


def test_with_keys_only_the_page_itself_is_open(serve: Serve, engines: Engines, tmp_path: Path) -> None:
    from holdfast.serve.keys import new_key, write_keys

    key, kept = new_key("ann")
    write_keys(tmp_path / "keys.json", [kept])
    place = settings(where=tmp_path / "kept", inputs=1.0)
    with serve(engines("image"), journal=place, keys=str(tmp_path / "keys.json")) as client:
        assert client.get("/review").status_code == 200
        assert client.get("/review/items").status_code == 401
        assert client.post("/feedback", json={}).status_code == 401
        client.headers["Authorization"] = f"Bearer {key}"
        (told,) = predict(client)
        client.post("/feedback", json={"id": told["id"], "label": "heron"})
        (item,) = client.get("/review/items?labelled=yes").json()["items"]
        client.headers.pop("Authorization")
        assert client.get(f"/review/inputs/{told['id']}").status_code == 401

    assert item["truth"]["by"] == "key ann"


def test_the_api_page_tells_of_it(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    assert set(paths["/feedback"]["post"]["responses"]) == {
        "200",
        "400",
        "403",
        "408",
        "413",
        "415",
        "422",
        "503",
    }
    assert set(paths["/review/items"]["get"]["responses"]) == {"200", "403", "422", "503"}
    assert set(paths["/review/inputs/{number}"]["get"]["responses"]) >= {"200", "404", "503"}
    assert "/review" not in paths
    assert json.dumps(paths["/feedback"])
