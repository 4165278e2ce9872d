"""Work that is asked for now and fetched later, over a real socket."""

import io
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest
import soundfile

from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]
Serve = Callable[..., AbstractContextManager[httpx.Client]]
WAV = {"Content-Type": "audio/wav"}


@cache
def recording(seconds: float, seed: int = 0, rate: int = 1000) -> bytes:
    """A file that is small, however long it is."""
    bits = np.random.default_rng(seed).integers(0, 8, round(seconds * rate)).astype(np.int16)
    sound = bits * (np.arange(len(bits)) // rate % 50 + 1).astype(np.int16)  # louder and louder
    file = io.BytesIO()
    soundfile.write(file, sound, rate, format="FLAC")
    return file.getvalue()


def begun(client: httpx.Client, data: bytes, **params: Any) -> str:
    """Where a new job is."""
    answer = client.post("/jobs", content=data, headers=WAV, params=params)
    assert answer.status_code == 202, answer.text
    return place_of(answer)


def place_of(answer: httpx.Response) -> str:
    """Where a job is, as one who was sent there finds it."""
    return urljoin(str(answer.request.url), answer.headers["location"])


def ended(client: httpx.Client, place: str) -> dict[str, Any]:
    """What a job says at its end."""
    for _ in range(1000):
        answer = client.get(place)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        if said["state"] in ("done", "failed"):
            return dict(said)
        time.sleep(0.02)
    raise AssertionError(said)


def test_a_job_says_what_predict_says(clients: Clients) -> None:
    client, data = clients("audio"), recording(9)

    said = ended(client, begun(client, data))

    expected = client.post("/predict", content=data, headers=WAV).json()
    (got,), (wanted,) = said["result"]["predictions"], expected["predictions"]
    assert said["state"] == "done"
    assert said["progress"] == 1.0
    assert said["seconds"] == 9.0
    assert said["result"]["model"] == "toys@3"
    assert got["label"] == wanted["label"]
    assert [(it["start_s"], it["end_s"]) for it in got["windows"]] == [
        (it["start_s"], it["end_s"]) for it in wanted["windows"]
    ]
    for one, other in [(got, wanted), *zip(got["windows"], wanted["windows"], strict=True)]:
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_a_job_may_be_longer_than_a_request(clients: Clients) -> None:
    client, data = clients("audio"), recording(1900)
    assert "longer than 1,800 s" in client.post("/predict", content=data, headers=WAV).json()["error"]

    said = ended(client, begun(client, data, top=1))

    (prediction,) = said["result"]["predictions"]
    assert len(prediction["windows"]) == 7599
    assert prediction["left_out"] == 2
    assert client.delete(f"/jobs/{said['id']}").status_code == 204


def test_other_modalities_have_jobs_too(clients: Clients) -> None:
    client = clients("text")
    texts = [toy_item("text", seed).decode() for seed in range(5)]

    place = place_of(client.post("/jobs", json={"texts": texts}))

    predictions = ended(client, place)["result"]["predictions"]
    expected = client.post("/predict", json={"texts": texts}).json()["predictions"]
    assert [it["label"] for it in predictions] == [it["label"] for it in expected]
    assert len({it["id"] for it in predictions}) == 5


@pytest.mark.parametrize("route", ["jobs", "models/toys/jobs"])
def test_a_job_is_found_behind_a_proxy_that_puts_a_path_before_ours(route: str, clients: Clients) -> None:
    answer = clients("text").post(f"/{route}", json={"text": "the sea"})

    place = urljoin(f"https://example.com/birds/v1/{route}", answer.headers["location"])

    assert place == f"https://example.com/birds/v1/jobs/{answer.json()['id']}"


def test_a_bad_item_has_an_error_in_its_place(clients: Clients) -> None:
    client, good = clients("image"), toy_item("image")
    place = place_of(client.post("/jobs", files=[("file", good), ("file", ("half", good[:60]))]))

    first, second = ended(client, place)["result"]["predictions"]

    assert first["label"]
    assert second["name"] == "half"
    assert second["error"]


def test_a_job_of_nothing_good_has_failed(clients: Clients) -> None:
    client = clients("audio")

    said = ended(client, begun(client, recording(3)[:500]))

    assert said["state"] == "failed"
    assert said["error"]
    assert said["hint"]
    assert "result" not in said


def test_a_cancelled_job_is_gone(serve: Serve, engines: Engines) -> None:
    with serve(engines("audio")) as client:
        place = begun(client, recording(1700))

        assert client.delete(place).status_code == 204
        answer = client.get(place)
        assert answer.status_code == 404
        assert "send it again" in answer.json()["hint"]
        assert client.delete(place).status_code == 404


def test_results_are_forgotten_after_their_time(serve: Serve, engines: Engines) -> None:
    with serve(engines("audio"), jobs={"keep_s": 0.3}) as client:
        place = begun(client, recording(1))
        ended(client, place)

        time.sleep(0.4)

        assert client.get(place).status_code == 404


def test_limits_hold(serve: Serve, engines: Engines) -> None:
    long = recording(1700)
    settings = {"max_mb": len(long) / 1e6 + 1, "room_mb": 1.5 * len(long) / 1e6, "most": 2, "most_kept": 1}
    with serve(engines("audio"), jobs=settings) as client:
        too_large = client.post("/jobs", content=bytes(len(long) + 2_000_000), headers=WAV)
        assert too_large.status_code == 413
        assert "serve.jobs.max_mb" in too_large.json()["hint"]

        first = begun(client, long)
        no_room = client.post("/jobs", content=long, headers=WAV)
        assert no_room.status_code == 503
        assert no_room.headers["retry-after"]
        second = begun(client, recording(600))
        assert "2 jobs wait or run already" in client.post("/jobs", content=long, headers=WAV).json()["error"]
        for place in (first, second):
            assert client.delete(place).status_code == 204

        kept = begun(client, recording(1))
        while client.post("/jobs", content=recording(1), headers=WAV).status_code == 202:
            time.sleep(0.05)  # until the first is done and kept, though nobody has fetched it
        ended(client, kept)
        for _ in range(100):
            if client.post("/jobs", content=recording(1), headers=WAV).status_code == 202:
                break
            time.sleep(0.05)
        assert client.get(kept).status_code == 404


def test_jobs_let_requests_go_first(serve: Serve, engines: Engines) -> None:
    with serve(engines("audio"), jobs={"at_once": 2}) as client:
        places = [begun(client, recording(1700, seed), top=1) for seed in range(2)]
        times = []
        for seed in range(20):
            began = time.perf_counter()
            answer = client.post("/predict", content=toy_item("audio", seed), headers=WAV)
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200
        states = [client.get(place).json()["state"] for place in places]
        for place in places:
            client.delete(place)

    assert "running" in states  # else it has shown nothing


def test_what_is_not_done_when_the_server_stops_is_said_to_be_lost(
    serve: Serve, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(engines("audio")) as client:
        place = begun(client, recording(1700))

    number = place.rpartition("/")[2]
    assert f"1 job was not done when the server stopped, and lost: {number}" in capsys.readouterr().err


def test_a_job_of_somebody_else_is_not_there(serve: Serve, engines: Engines, tmp_path: Any) -> None:
    from holdfast.serve.keys import new_key, write_keys

    file = tmp_path / "keys.json"
    made = [new_key(name) for name in ("ann", "bob")]
    secrets = [secret for secret, _ in made]
    write_keys(file, [key for _, key in made])
    with serve(engines("text"), keys=str(file)) as client:
        ann, bob = ({"Authorization": f"Bearer {secret}"} for secret in secrets)
        place = place_of(client.post("/jobs", json={"text": "the sea"}, headers=ann))

        assert client.get(place, headers=bob).status_code == 404
        assert client.delete(place, headers=bob).status_code == 404
        assert client.get(place, headers=ann).status_code == 200


@pytest.mark.parametrize("number", ["x", "%00", "a" * 500, "é"])
def test_other_jobs_are_not_here(number: str, clients: Clients) -> None:
    assert clients("text").get(f"/jobs/{number}").status_code == 404
