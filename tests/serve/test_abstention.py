"""A model that knows when it is not sure says so on every road, and others say nothing of it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.core.media import Modality
from holdfast.evaluate import Conformal
from holdfast.serve.engine import Engine
from holdfast.serve.oip_request import DOUBTS, LENGTH
from holdfast.testing.bundles import toy_bundle, toy_item
from tests.journals import read, settings, wait_for

LABELS = ["heron", "gull", "owl"]
COUNT = 6
Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def doubting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Modality], Engine]]:
    """Engines that are not sure of those half of the toys whose second label is likelier."""
    made: dict[Modality, Engine] = {}

    def engine(modality: Modality) -> Engine:
        if modality not in made:
            folder = tmp_path_factory.mktemp("doubting") / modality
            engine = Engine(open_bundle(toy_bundle(folder, modality=modality, labels=LABELS)), threads=1)
            found = engine.predict([toy_item(modality, seed) for seed in range(COUNT)]).probabilities
            bound = float(np.median(np.sort(found)[:, -2]))
            engine.abstention = Conformal("single", 0.9, np.full(3, bound), None, 100)
            made[modality] = engine
        return made[modality]

    yield engine
    for it in made.values():
        it.close()


def told(predictions: list[dict[str, Any]]) -> list[tuple[bool, list[str]]]:
    return [(it["sure"], it["possible"]) for it in predictions]


def job(client: httpx.Client, files: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    sent = client.post("/jobs", files=files)
    place = urljoin(str(sent.request.url), sent.headers["location"])
    while (said := client.get(place).json())["state"] in ("waiting", "running"):
        time.sleep(0.02)
    return list(said["result"]["predictions"])


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_every_road_says_the_same(
    modality: Modality, serve: Serve, doubting: Callable[[Modality], Engine]
) -> None:
    items = [toy_item(modality, seed) for seed in range(COUNT)]
    files = [("file", (f"{number}", item)) for number, item in enumerate(items)]
    with serve(doubting(modality)) as client:
        wanted = told(client.post("/predict", files=files).json()["predictions"])
        lines = client.post("/batch", files=files).text.splitlines()
        done = job(client, files)
        single = [
            client.post("/v2/models/toys/infer", content=item, headers={LENGTH: "0"}).json()["outputs"]
            for item in items
        ]

    assert {sure for sure, _ in wanted} == {True, False}, "else it shows nothing"
    assert told([json.loads(line) for line in lines]) == wanted
    assert told(done) == wanted
    for outputs, (sure, possible) in zip(single, wanted, strict=True):
        found = {it["name"]: it for it in outputs}
        assert found["sure"] == {"name": "sure", "datatype": "BOOL", "shape": [1], "data": [sure]}
        assert found["possible"]["data"] == [label in possible for label in LABELS]
        assert found["possible"]["shape"] == [1, 3]


def test_tritons_client_finds_and_gets_it(serve: Serve, doubting: Callable[[Modality], Engine]) -> None:
    http = pytest.importorskip("tritonclient.http")
    items = [toy_item("text", seed) for seed in range(COUNT)]
    with serve(doubting("text")) as client:
        wanted = client.post("/predict", json={"texts": [it.decode() for it in items]}).json()["predictions"]
        triton = http.InferenceServerClient(client.base_url.netloc.decode())
        outputs = triton.get_model_metadata("toys")["outputs"]
        tensor = http.InferInput("data", [COUNT, 1], "BYTES")
        tensor.set_data_from_numpy(np.array(items, dtype=object)[:, None])
        asked = [http.InferRequestedOutput("possible"), http.InferRequestedOutput("sure", binary_data=False)]
        answer = triton.infer("toys", [tensor], outputs=asked)

    assert {"name": "sure", "datatype": "BOOL", "shape": [-1]} in outputs
    assert {"name": "possible", "datatype": "BOOL", "shape": [-1, 3]} in outputs
    assert answer.as_numpy("sure").tolist() == [it["sure"] for it in wanted]
    assert answer.as_numpy("possible").tolist() == [
        [label in it["possible"] for label in LABELS] for it in wanted
    ]


def test_a_model_that_does_not_know_has_none_of_it(clients: Callable[..., httpx.Client]) -> None:
    client = clients("text")
    tensor = {"name": "data", "datatype": "BYTES", "shape": [1], "data": ["the sea"]}

    outputs = client.get("/v2/models/toys").json()["outputs"]
    answer = client.post("/v2/models/toys/infer", json={"inputs": [tensor]}).json()
    asked = client.post("/v2/models/toys/infer", json={"inputs": [tensor], "outputs": [{"name": "sure"}]})

    assert not {it["name"] for it in outputs + answer["outputs"]} & set(DOUBTS)
    assert asked.status_code == 400
    assert "this model does not know when it is not sure" in asked.json()["error"]
    assert "sure" not in job(client, [("text", toy_item("text"))])[0]


def test_the_journal_has_the_same_features_of_a_recording_however_it_was_sent(
    serve: Serve, doubting: Callable[[Modality], Engine], tmp_path: Path
) -> None:
    from tests.serve.test_jobs import recording

    files = [("file", ("a", recording(9)))]
    with serve(doubting("audio"), journal=settings(where=tmp_path)) as client:
        client.post("/predict", files=files)
        client.post("/batch", files=files)
        job(client, files)
        wait_for(lambda: len(read(tmp_path)) == 3)

    plain, *others = [record["features"] for record in read(tmp_path)]
    assert plain["windows"] > 8
    for features in others:
        assert features == {**plain, "loudness": pytest.approx(plain["loudness"], abs=0.5)}
