"""What an answer holds of many labels."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.evaluate import Conformal
from holdfast.serve.answers import tell
from holdfast.serve.engine import Engine
from holdfast.serve.requests import TOP
from holdfast.testing.bundles import toy_bundle, toy_item

Clients = Callable[..., httpx.Client]


def test_probabilities_are_of_the_likeliest_labels_where_fewer_are_asked_for(clients: Clients) -> None:
    client, ask = clients("audio"), {"files": {"file": ("name", toy_item("audio", 1))}}
    (whole,) = client.post("/predict", **ask).json()["predictions"]

    (one,) = client.post("/predict?top=1", **ask).json()["predictions"]
    (three,) = client.post("/predict?top=3", **ask).json()["predictions"]

    assert "left_out" not in whole
    assert {**three, "id": whole["id"]} == whole
    best = max(whole["probabilities"], key=whole["probabilities"].__getitem__)
    assert one["probabilities"] == {best: whole["probabilities"][best]}
    assert (one["left_out"], one["label"], one["labels"]) == (2, whole["label"], whole["labels"])
    assert [list(window["probabilities"]) for window in one["windows"]] == [[best]] * len(whole["windows"])


@pytest.mark.parametrize("top", ["0", "-1", "five", "1.5", "", "9" * 40])
def test_a_number_of_labels_that_is_none_is_refused(clients: Clients, top: str) -> None:
    response = clients("text").post("/predict", params={"top": top}, json={"text": "a boat"})

    assert response.status_code == 400
    assert response.json()["error"] == f"top is {top!r}, not a whole number from 1 on"


def test_of_a_thousand_labels_the_hundred_likeliest_and_every_chosen_one_are_told() -> None:
    rng = np.random.default_rng(0)
    labels = [f"l{number}" for number in range(1000)]
    engine: Any = SimpleNamespace(abstention=None, labels=labels, task="multi", spans=lambda _: None)
    said = rng.random(1000)
    unlikely = labels[int(said.argmin())]

    told = tell(engine, None, said, said[None], [unlikely], top=TOP)

    likeliest = {labels[place] for place in np.argsort(-said)[:100]}
    assert told["probabilities"].keys() == likeliest | {unlikely}
    assert told["left_out"] == 899
    assert all(told["probabilities"][label] == said[labels.index(label)] for label in likeliest)


def test_an_answer_says_what_else_is_possible_where_the_bundle_knows(tmp_path: Path) -> None:
    bounds = Conformal("single", 0.9, np.array([0.3, 0.3]), None, 40)
    engine = Engine(open_bundle(toy_bundle(tmp_path / "bundle", abstention=bounds)), threads=1)

    def told(*row: float) -> dict[str, object]:
        found = tell(engine, None, np.array(row), np.array([row]), ["disc"])
        return {name: found[name] for name in ("sure", "possible")}

    assert told(0.8, 0.2) == {"sure": True, "possible": ["disc"]}
    assert told(0.6, 0.4) == {"sure": False, "possible": ["disc", "square"]}
    few = tell(engine, None, np.array([0.6, 0.4]), np.array([[0.6, 0.4]]), ["disc"], top=1)
    assert (few["possible"], few["possible_left_out"]) == (["disc"], 1)
