"""Versions come into service and go without a request that fails."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.bundle import Bundle, open_bundle
from holdfast.config.release import CanaryConfig
from holdfast.config.schema import ServeConfig
from holdfast.core.errors import HoldfastError, RefError
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.release import Canary
from holdfast.serve.server import running
from holdfast.testing.bundles import toy_bundle, toy_item

PICTURE = {"file": toy_item("image")}


class Shelf:
    """Versions in folders, and aliases that a test moves as the registry would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.aliases = folder, {}
        for number in (1, 2, 3):
            toy_bundle(folder / str(number), seed=number)

    aliases: dict[str, str]

    def find(self, asked: str) -> tuple[str, Callable[[], Bundle]]:
        ref = self.aliases.get(asked, asked)
        number = ref.rpartition("@")[2]
        if not (self.folder / number).is_dir():
            raise RefError(f"no version {ref}", hint="there are 1, 2 and 3")
        return ref, lambda: open_bundle(self.folder / number)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@contextmanager
def served(
    shelf: Shelf, asked: str = "toys@live", others: tuple[str, ...] = (), **dials: Any
) -> Iterator[httpx.Client]:
    shelf.aliases.setdefault("toys@live", "toys@1")
    config = ServeConfig(port=0, threads=2, follow_s=0.05, **dials)
    ref, load = shelf.find(asked)
    engine = Engine(load(), threads=2)
    app = create_app(engine, config, ref=ref, asked=asked, others=others, find=shelf.find)
    with running(app, config) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
    engine.close()


def ask(client: httpx.Client, path: str = "/predict") -> dict[str, Any]:
    response = client.post(path, files=PICTURE)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def state(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/models").json()["models"][0]
    return found


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def workers() -> int:
    return sum(it.name.startswith("predict-") for it in threading.enumerate())


def test_several_models_answer_in_one_process_each_by_its_name(shelf: Shelf) -> None:
    with served(shelf, others=("toys@2", "other@3")) as client:
        by_name = {
            name: ask(client, f"/models/{name}/predict") for name in ("toys@live", "toys", "toys@2", "other")
        }
        missing = client.post("/models/birds/predict", files=PICTURE)
        info = client.get("/models/toys@2/info").json()
        infer = client.get("/v2/models/toys/versions/2").json()

    assert {name: it["model"] for name, it in by_name.items()} == {
        "toys@live": "toys@1",
        "toys": "toys@1",
        "toys@2": "toys@2",
        "other": "other@3",
    }
    assert (
        by_name["toys"]["predictions"][0]["probabilities"]
        != by_name["toys@2"]["predictions"][0]["probabilities"]
    )
    assert missing.status_code == 404
    assert missing.json() == {
        "error": "no model 'birds' here",
        "hint": "there is toys@live, toys@2, other@3",
    }
    assert info["model"] == "toys@2"
    assert (infer["name"], infer["versions"]) == ("toys", ["2"])


def test_an_alias_that_moves_is_followed_and_no_request_fails(shelf: Shelf) -> None:
    answers: list[httpx.Response] = []
    ended, before = threading.Event(), workers()

    def load(client: httpx.Client) -> None:
        while not ended.is_set():
            answers.append(client.post("/predict", files=PICTURE))

    with served(shelf) as client:
        threads = [threading.Thread(target=load, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in (2, 3, 1, 2):
            shelf.aliases["toys@live"] = f"toys@{number}"
            until(lambda number=number: bool(answers) and answers[-1].json()["model"] == f"toys@{number}")  # type: ignore[misc]
        ended.set()
        for thread in threads:
            thread.join()
        until(lambda: workers() == before + 2)  # those of the old versions have ended

    assert {it.status_code for it in answers} == {200}
    assert {it.json()["model"] for it in answers} == {"toys@1", "toys@2", "toys@3"}


def test_a_broken_version_is_refused_and_the_old_one_goes_on(
    shelf: Shelf, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(shelf) as client:
        model = shelf.folder / "2" / "model.onnx"
        model.write_bytes(model.read_bytes()[:-1])
        shelf.aliases["toys@live"] = "toys@2"
        until(lambda: "toys@2" in state(client)["refused"])
        assert ask(client)["model"] == "toys@1"
        assert client.get("/readyz").status_code == 200

        shelf.aliases["toys@live"] = "toys@3"
        until(lambda: ask(client)["model"] == "toys@3")

    told = capfd.readouterr().err
    assert told.count("toys@2 cannot be served, toys@1 goes on") == 1
    assert "damaged" in told


def test_an_alias_that_is_gone_is_told_once_and_the_old_version_goes_on(
    shelf: Shelf, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(shelf) as client:
        shelf.aliases["toys@live"] = "toys@9"
        time.sleep(0.4)
        assert ask(client)["model"] == "toys@1"
        shelf.aliases["toys@live"] = "toys@1"
        time.sleep(0.4)

    told = capfd.readouterr().err
    assert told.count("! toys@live cannot be looked up (no version toys@9); toys@1 goes on\n") == 1
    assert told.count("! toys@live is found again: toys@1\n") == 1


def test_a_canary_answers_its_share(shelf: Shelf) -> None:
    canary = CanaryConfig(model="toys@2", share=0.3, slower=1000)
    with served(shelf, canary=canary) as client:
        models = [ask(client)["model"] for _ in range(200)]

        assert 30 <= models.count("toys@2") <= 90
        assert models.count("toys@1") == 200 - models.count("toys@2")
        assert state(client)["canary"]["requests"] == models.count("toys@2")
        metrics = client.get("/metrics").text
    assert 'holdfast_model{digest="' in metrics
    assert 'role="canary"' in metrics


def test_a_canary_that_fails_is_dropped_and_nobody_notices(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fail_on(monkeypatch, 2, "no such kernel")
    canary = CanaryConfig(model="toys@2", share=0.5, requests=5, slower=1000)
    with served(shelf, canary=canary) as client:
        assert {ask(client)["model"] for _ in range(40)} == {"toys@1"}
        assert state(client)["canary"] is None
        assert state(client)["refused"] == {"toys@2": "100.0% of its requests failed, against 0.0%"}

    assert "the canary toys@2 was dropped: 100.0% of its requests failed" in capfd.readouterr().err


def test_a_canary_that_is_slow_is_dropped() -> None:
    none: Any = None
    trial = Canary(none, CanaryConfig(requests=10, slower=1.5))
    for _ in range(9):
        trial.steady.note(0.010, failed=False)
        trial.own.note(0.020, failed=False)
    assert trial.fault() is None  # not enough of them

    trial.own.note(0.020, failed=False)
    assert trial.fault() == "nine of ten answers within 20.0 ms, against 10.0 ms"


def test_a_canary_that_is_hardly_slower_stays() -> None:
    none: Any = None
    trial = Canary(none, CanaryConfig(requests=10, slower=1.5))
    for _ in range(20):
        trial.steady.note(0.001, failed=False)
        trial.own.note(0.0025, failed=False)  # 2.5 times, but of a millisecond: noise

    assert trial.fault() is None


def test_a_canary_that_is_promoted_answers_everything(shelf: Shelf) -> None:
    with served(shelf, canary=CanaryConfig(model="toys@2", share=0.1, slower=1000)) as client:
        shelf.aliases["toys@live"] = "toys@2"
        until(lambda: state(client)["model"] == "toys@2")

        assert state(client)["canary"] is None
        assert {ask(client)["model"] for _ in range(20)} == {"toys@2"}


def test_a_shadow_is_compared_and_never_heard(shelf: Shelf) -> None:
    with served(shelf, shadow={"model": "toys@2"}) as client:
        given = [ask(client) for _ in range(10)]
        until(lambda: state(client)["shadow"]["compared"] == 10)
        shadow = state(client)["shadow"]

        shelf.aliases["toys@live"] = "toys@2"
        until(lambda: state(client)["model"] == "toys@2")
        assert state(client)["shadow"] is None

    assert {it["model"] for it in given} == {"toys@1"}
    one, two = (
        Engine(open_bundle(shelf.folder / number)).predict([PICTURE["file"]]).probabilities for number in "12"
    )
    assert shadow["mean_difference"] == pytest.approx(np.abs(one - two).max(), abs=1e-6)
    assert shadow["agreed"] == (10 if one.argmax() == two.argmax() else 0)


def test_a_shadow_that_fails_harms_nobody(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_on(monkeypatch, 2, "broken")
    with served(shelf, shadow={"model": "toys@2"}) as client:
        assert {ask(client)["model"] for _ in range(5)} == {"toys@1"}
        until(lambda: state(client)["shadow"]["failed"] == 5)


def test_a_canary_of_another_kind_stops_the_start(shelf: Shelf) -> None:
    toy_bundle(shelf.folder / "4", modality="text")

    with (
        pytest.raises(HoldfastError, match=r"toys@4 is for text \(single\), but toys@1 is for image"),
        served(shelf, canary=CanaryConfig(model="toys@4")),
    ):
        pass


def fail_on(monkeypatch: pytest.MonkeyPatch, seed: int, why: str) -> None:
    """Let the graph of one toy break after its start."""
    real, calls = Engine.predict_parts, []

    def predict_parts(self: Engine, *args: Any, **named: Any) -> Any:
        if self.bundle.folder.name == str(seed):
            calls.append(1)
            if len(calls) > 1:
                raise RuntimeError(why)
        return real(self, *args, **named)

    monkeypatch.setattr(Engine, "predict_parts", predict_parts)
