"""What `/metrics` says is what happened."""

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast.serve.engine import Engine
from holdfast.serve.metrics import OTHER, Metrics
from holdfast.testing.bundles import toy_item

Serve = Callable[..., AbstractContextManager[httpx.Client]]


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each number by its name and the values of its labels, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(text)
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


def test_requests_items_phases_and_labels_are_counted(serve: Serve, own_engine: Engine) -> None:
    pictures = [("file", (f"{seed}.png", toy_item("image", seed))) for seed in range(5)]
    with serve(own_engine) as client:
        given = [it["label"] for it in client.post("/predict", files=pictures).json()["predictions"]]
        given.append(client.post("/predict", files=pictures[:1]).json()["predictions"][0]["label"])
        assert client.post("/predict", content=b"no picture").status_code == 415
        assert client.post("/predict", files={"file": b"no picture"}).status_code == 422
        assert client.get("/nothing/1").status_code == client.get("/nothing/2").status_code == 404
        found = samples(client.get("/metrics").text)

    requests = {key[1:]: value for key, value in found.items() if key[0] == "holdfast_requests_total"}
    statuses = {status: value for (_, route, status), value in requests.items() if route == "/predict"}
    assert statuses == {"200": 2, "415": 1, "422": 1}
    assert requests["GET", OTHER, "404"] == 2  # no series for each path that somebody tries
    assert found["holdfast_request_seconds_count", "/predict"] == 4
    phases = {name: found["holdfast_phase_seconds_count", name] for name in ("queue", "decode", "inference")}
    assert phases["queue"] == phases["decode"] == 7  # six good ones, and one that could not be decoded
    assert phases["inference"] == found["holdfast_batch_items_count",]
    assert found["holdfast_batch_items_sum",] == 6
    for label in own_engine.labels:  # also those with marks that mean something in the format
        assert found.get(("holdfast_labels_total", label), 0) == given.count(label)
    assert found["holdfast_in_flight_requests",] == 1  # this one
    assert found["holdfast_waiting_items",] == 0
    assert found["holdfast_model", own_engine.bundle.digest, "toys@3", "steady"] == 1


def test_of_many_labels_the_first_hundred_have_a_count_of_their_own() -> None:
    labels = [f"l{number}" for number in range(10_000)]
    metrics = Metrics(waiting=lambda: 0)

    metrics.predicted(labels)

    found = samples(metrics.text().decode())
    counted = {key[1]: value for key, value in found.items() if key[0] == "holdfast_labels_total"}
    assert counted == {**dict.fromkeys(labels[:100], 1), OTHER: 9900}


def test_methods_that_somebody_makes_up_are_one_series(serve: Serve, own_engine: Engine) -> None:
    with serve(own_engine) as client:
        for method in ("PROPFIND", "PURGE"):  # known to HTTP parsers, not to us; others are refused by them
            client.request(method, "/predict")
        found = samples(client.get("/metrics").text)

    assert {key[1] for key in found if key[0] == "holdfast_requests_total"} == {OTHER}


def test_what_was_turned_away_is_counted_by_its_reason(serve: Serve, own_engine: Engine) -> None:
    with serve(own_engine, max_mb=0.001) as client:
        before = samples(client.get("/metrics").text)
        client.post("/predict", content=b"x" * 2000, headers={"Content-Type": "image/png"})
        client.post("/predict", content=b"x", headers={"Content-Type": "image/png"})  # 422: it was looked at
        found = samples(client.get("/metrics").text)

    rejected = {key[1]: value for key, value in found.items() if key[0] == "holdfast_rejected_requests_total"}
    assert rejected == {"unknown": 0, "slow": 0, "large": 1, "often": 0, "busy": 0}
    assert before["holdfast_rejected_requests_total", "large"] == 0


def test_metrics_can_be_turned_off(serve: Serve, own_engine: Engine) -> None:
    with serve(own_engine, metrics=False) as client:
        assert client.post("/predict", files={"file": toy_item("image")}).status_code == 200
        assert client.get("/metrics").status_code == 404


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs Prometheus' own checker")
def test_prometheus_own_checker_finds_nothing_to_say(serve: Serve, own_engine: Engine) -> None:
    with serve(own_engine) as client:
        client.post("/predict", files={"file": toy_item("image")})
        text = client.get("/metrics").text

    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)

    assert not re.search("holdfast", checked.stdout + checked.stderr), checked.stderr
