"""The true label comes later, is checked, and is written beside the prediction."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.monitor import segments
from holdfast.monitor.journal import latest
from holdfast.serve import feedback as feedbacks
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item
from tests.journals import read, settings

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
UNKNOWN = "01a1ffe2-9502-7000-8004-740199929562"


@pytest.fixture
def client(serve: Serve, engines: Engines, tmp_path: Path) -> Iterator[httpx.Client]:
    with serve(engines("image"), journal=settings(where=tmp_path)) as it:
        yield it


def predicted(client: httpx.Client) -> str:
    answer = client.post("/predict", files={"file": toy_item("image")})
    return str(answer.json()["predictions"][0]["id"])


def said(where: Path) -> list[dict[str, Any]]:
    return [record for record in read(where) if record["kind"] == "feedback"]


def test_a_true_label_is_written_when_the_answer_comes(client: httpx.Client, tmp_path: Path) -> None:
    number = predicted(client)

    answer = client.post("/feedback", json={"id": number, "label": "heron"})

    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    (record,) = said(tmp_path)
    assert (record["prediction"], record["labels"]) == (number, ["heron"])
    assert record["time"].startswith("20")


def test_the_last_word_counts_and_can_be_taken_back(client: httpx.Client, tmp_path: Path) -> None:
    first, second = predicted(client), predicted(client)

    for item in (
        {"id": first, "label": "heron"},
        {"items": [{"id": first, "labels": ["owl & wren"]}, {"id": second, "label": "heron"}]},
        {"id": second, "withdraw": True},
    ):
        assert client.post("/feedback", json=item).status_code == 200

    found = latest(said(tmp_path))
    assert found[first]["labels"] == ["owl & wren"]
    assert found[second]["labels"] is None


def test_an_id_that_nobody_knows_is_taken_and_told(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post("/feedback", json={"id": UNKNOWN, "label": "heron"})

    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "unknown": 1})
    assert said(tmp_path)[0]["prediction"] == UNKNOWN


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"id": UNKNOWN, "label": "hern"}, "no label 'hern'; did you mean 'heron'?"),
        ({"id": UNKNOWN, "label": "zzzz"}, "there are 'heron', '<b>gull</b>', 'owl & wren'"),
        ({"id": UNKNOWN, "label": "\ud800"}, r"no label '\ud800'"),
        ({"id": "7", "label": "heron"}, "id must be that of a prediction, not '7'"),
        ({"id": 7, "label": "heron"}, "id must be that of a prediction, not 7"),
        ({"id": UNKNOWN}, "needs one of label, labels and withdraw"),
        ({"id": UNKNOWN, "label": "heron", "withdraw": True}, "needs one of"),
        ({"id": UNKNOWN, "labels": "heron"}, "labels must be a list of strings"),
        ({"id": UNKNOWN, "label": 3}, "label must be a string"),
        ({"id": UNKNOWN, "withdraw": "yes"}, "withdraw must be true"),
        ({"id": UNKNOWN, "labels": []}, "this model gives one label, not 0"),
        ({"id": UNKNOWN, "lable": "heron"}, "unknown field 'lable'; did you mean 'label'?"),
        ({"items": []}, "items must be a list with something in it"),
        ({"items": ["x"]}, "must be an object"),
        (["x"], "the JSON must be an object"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    client: httpx.Client, tmp_path: Path, body: Any, words: str
) -> None:
    answer = client.post("/feedback", content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert answer.json()["hint"]
    assert said(tmp_path) == []


def test_of_many_items_every_bad_one_is_named_and_none_is_taken(client: httpx.Client, tmp_path: Path) -> None:
    good = {"id": UNKNOWN, "label": "heron"}
    items = [good, {"id": "1", "label": "heron"}, good, {**good, "label": "hern"}]

    answer = client.post("/feedback", json={"items": items})

    assert answer.status_code == 422
    assert [it["item"] for it in answer.json()["problems"]] == [1, 3]
    assert answer.json()["item"] == 1
    assert said(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"{}", "text/plain", 415), (b"[" * 100_000, "application/json", 400)],
)
def test_a_body_that_is_no_json_is_refused(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = client.post("/feedback", content=content, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert set(answer.json()) == {"error", "hint"}


def test_too_many_at_once_are_refused(client: httpx.Client) -> None:
    answer = client.post("/feedback", json={"items": [{"id": UNKNOWN, "label": "heron"}] * 1001})

    assert answer.status_code == 413


def test_with_many_labels_there_may_be_none(serve: Serve, engines: Engines, tmp_path: Path) -> None:
    with serve(engines("text", "multi"), journal=settings(where=tmp_path)) as client:
        for labels in (["heron", "owl & wren", "heron"], []):
            assert client.post("/feedback", json={"id": UNKNOWN, "labels": labels}).status_code == 200

    assert [record["labels"] for record in said(tmp_path)] == [["heron", "owl & wren"], []]


def test_a_label_that_cannot_be_written_is_not_accepted(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    full.set()
    plain = segments._write

    def write(handle: int, data: bytes) -> None:
        if full.is_set():
            raise OSError(28, "no room")
        plain(handle, data)

    monkeypatch.setattr(segments, "_write", write)
    monkeypatch.setattr(feedbacks, "_PATIENCE_S", 0.1)

    answer = client.post("/feedback", json={"id": UNKNOWN, "label": "heron"})
    full.clear()

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "could not be written" in answer.json()["error"]


def test_without_a_journal_there_is_no_feedback(clients: Callable[..., httpx.Client]) -> None:
    assert clients("image").post("/feedback", json={"id": UNKNOWN, "label": "heron"}).status_code == 404
