"""The labels of the model that gave a prediction are asked for, also after a restart."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from holdfast.bundle import open_bundle
from holdfast.client import Client
from holdfast.config.schema import ServeConfig
from holdfast.core.errors import ServerError
from holdfast.monitor.lookup import Lookup
from holdfast.serve import whose
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.recent import Recent
from holdfast.serve.server import running
from holdfast.serve.whose import Known, Whose
from holdfast.testing.bundles import toy_bundle, toy_item
from tests.journals import settings

UNKNOWN = "01a1ffe2-9502-7000-8004-740199929562"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    toy_bundle(folder / "birds@1", labels=("owl", "gull"))
    toy_bundle(folder / "words@1", modality="text", task="multi", labels=("sea", "hill"))
    return folder


@contextmanager
def server(folder: Path, kept: Path, refs: Sequence[str] = ("birds@1", "words@1")) -> Iterator[httpx.Client]:
    config = ServeConfig(port=0, threads=1, journal=settings(where=kept))
    engine = Engine(open_bundle(folder / refs[0]), threads=1)

    def find(asked: str) -> Any:
        return asked, lambda: open_bundle(folder / asked)

    app = create_app(engine, config, ref=refs[0], asked=refs[0], others=refs[1:], find=find)
    with running(app, config) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
    engine.close()


def predicted(client: httpx.Client) -> tuple[str, str]:
    bird = client.post("/predict", files={"file": toy_item("image")}).json()["predictions"][0]
    word = client.post("/models/words/predict", json={"text": "the sea"}).json()["predictions"][0]
    return bird["id"], word["id"]


def test_after_a_restart_the_labels_of_the_right_model_are_asked_for(folder: Path, tmp_path: Path) -> None:
    with server(folder, tmp_path) as client:
        bird, word = predicted(client)
    with server(folder, tmp_path) as client:
        good = [{"id": bird, "label": "owl"}, {"id": word, "labels": ["sea", "hill"]}]
        taken = client.post("/feedback", json={"items": good})
        bad = [{"id": bird, "labels": ["sea"]}, {"id": word, "labels": ["gull"], "model": "birds"}]
        refused = client.post("/feedback", json={"items": bad})

    assert (taken.status_code, taken.json()) == (200, {"accepted": 2})
    assert refused.status_code == 422
    said = [problem["error"] for problem in refused.json()["problems"]]
    assert said == ["no label 'sea'; there are 'owl', 'gull'", "no label 'gull'; did you mean 'hill'?"]


def test_what_nobody_knows_needs_its_model_said(folder: Path, tmp_path: Path) -> None:
    with server(folder, tmp_path) as client:

        def say(**item: Any) -> httpx.Response:
            return client.post("/feedback", json={"id": UNKNOWN, **item})

        blind, said = say(label="owl"), say(label="owl", model="birds@1")
        wrong, nobody = say(label="owl", model="words"), say(label="owl", model="brids@1")
        number, withdrawn = say(label="owl", model=7), say(withdraw=True)

    assert blind.status_code == 422
    assert "which model gave it is not known here" in blind.json()["error"]
    assert '"model": "birds"' in blind.json()["error"]
    assert (said.status_code, said.json()) == (200, {"accepted": 1, "unknown": 1})
    assert "no label 'owl'" in wrong.json()["error"]
    assert "no model 'brids@1' here; did you mean 'birds@1'?" in nobody.json()["error"]
    assert "model must be a string" in number.json()["error"]
    assert withdrawn.json() == {"accepted": 1, "unknown": 1}


def test_our_client_says_the_model_that_it_was_made_for(folder: Path, tmp_path: Path) -> None:
    with server(folder, tmp_path) as client:
        url = str(client.base_url).rstrip("/")
        with Client(url) as nobodys, Client(url, model="words") as words:
            words.feedback(UNKNOWN, ["sea"])
            with pytest.raises(ServerError, match="not known here"):
                nobodys.feedback(UNKNOWN, "sea")


def test_of_one_model_alone_unknown_predictions_are_taken_and_counted(folder: Path, tmp_path: Path) -> None:
    with server(folder, tmp_path) as client:
        bird, word = predicted(client)
    with server(folder, tmp_path, ["birds@1"]) as client:
        items = [{"id": UNKNOWN, "label": "owl"}, {"id": bird, "label": "owl"}]
        taken = client.post("/feedback", json={"items": items})
        other = client.post("/feedback", json={"id": word, "label": "owl"})

    assert taken.json() == {"accepted": 2, "unknown": 1}
    assert other.status_code == 422
    assert "it was given by words@1, which is not served here" in other.json()["error"]


def test_a_later_version_of_a_model_speaks_for_it() -> None:
    served = {"birds@3": (["owl"], "single"), "words@1": (["sea"], "multi")}
    known = Known(served, {}, {"a": "birds@2", "b": "words@1"})  # type: ignore[arg-type]

    assert known.kind("a") == (["owl"], "single")
    assert known.kind("b") == (["sea"], "multi")


class Slow(Lookup):
    """Does not come to an end before it may."""

    def __init__(self) -> None:
        super().__init__([])
        self.may_end, self.looks = threading.Event(), 0

    def models(self, made: Any) -> dict[str, str]:
        self.looks += 1
        self.may_end.wait(10)
        raise OSError("the bucket is gone")


def test_a_journal_that_does_not_answer_holds_up_one_thread_and_no_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whose, "_PATIENCE_S", 0.05)
    asked = Whose(SimpleNamespace(recent=Recent(), releases=[]), SimpleNamespace(stores=[]))  # type: ignore[arg-type]
    slow = asked._lookup = Slow()

    async def ask() -> list[Known]:
        found = await asyncio.gather(*(asked.known([UNKNOWN]) for _ in range(5)))
        looks = slow.looks
        slow.may_end.set()
        assert looks == 1
        return [*found, await asked.known([UNKNOWN])]

    assert [known.has(UNKNOWN) for known in asyncio.run(ask())] == [False] * 6
    assert slow.looks == 2
