"""Thousands of bad requests: none breaks anything, each is told why."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.testing.asgi import Got, Sent, ask, ask_all, started
from holdfast.testing.bundles import toy_item
from holdfast.testing.hostile import hostile_requests
from holdfast.testing.memory import held_bytes

Engines = Callable[..., Engine]
COUNTS = {"image": 1500, "audio": 1500, "text": 2000}
GROWTH = 60e6
"""Libraries keep what they have been given once; what leaks would be far more."""


def check(sent: Sent, got: Got) -> None:
    shown = f"{sent.method} {sent.path[:60]} {sent.headers!r:.200} {sent.body[:200]!r} → {got.status}"
    assert got.status < 500 or got.status == 503, f"{shown} {got.body[:300]!r}"
    assert b"Traceback" not in got.body, shown
    if got.status >= 400 and sent.method != "HEAD":
        content = json.loads(got.body)
        assert content["error"], shown
        assert content["hint"], shown
    if got.status == 200 and got.headers["content-type"].startswith("application/x-ndjson"):
        for line in got.body.splitlines():
            assert json.loads(line).get("status") != 500, f"{shown} {line!r}"


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_no_bad_request_breaks_anything(modality: Modality, engines: Engines, tmp_path: Path) -> None:
    config = ServeConfig(
        threads=2,
        journal={"where": str(tmp_path), "inputs": 0.1},
        jobs={"most": 10_000, "most_kept": 10_000, "keep_s": 1.0},
    )
    app = create_app(engines(modality), config, ref="toys@3")
    statuses: Counter[int] = Counter()

    async def attack() -> float:
        before = 0.0
        requests = hostile_requests(modality, COUNTS[modality], seed=7)
        async with started(app):
            while some := list(islice(requests, 500)):
                async for sent, got in ask_all(app, some):
                    check(sent, got)
                    statuses[got.status] += 1
                before = before or held_bytes()  # while nothing is in work
            item = toy_item(modality)
            kind = [(b"content-type", b"application/octet-stream")]
            assert (await ask(app, Sent("POST", "/predict", kind, item))).status == 200
        return held_bytes() - before

    grown = asyncio.run(attack())

    assert statuses.total() == COUNTS[modality]
    assert {200, 202, 400, 404, 405, 413, 415, 422} <= set(statuses), statuses
    assert statuses[200] > 0.05 * statuses.total(), statuses  # else they are all turned away at the door
    assert grown < GROWTH
