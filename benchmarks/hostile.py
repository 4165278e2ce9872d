"""A hundred thousand bad requests.

    python -m benchmarks.hostile [--requests 100000] [--seed 0] [--document]

For pictures, sounds and texts in turn: files cut, bent and lying about their size, JSON with anything in it,
broken forms and heads, over all routes, with a journal and all limits on. Every 1,000 requests the
memory is looked at. It ends with 1 if an answer is a 5xx other than 503, if one has no reason in it, if a
good request fails afterwards, or if memory grows. With --document, the requests are those that schemathesis
makes of the OpenAPI document, and each answer must be one that it promises.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from itertools import islice
from pathlib import Path

from holdfast.bundle import open_bundle
from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality
from holdfast.serve.api import Api
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.asgi import Got, Sent, ask, ask_all, started
from holdfast.testing.bundles import toy_bundle, toy_item
from holdfast.testing.documented import keep_promises
from holdfast.testing.hostile import hostile_requests
from holdfast.testing.memory import held_bytes

_GROWTH = 40e6
_WARM = 0.2
"""Share of the requests after which memory should not grow any more."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("image", "audio", "text"))
    parser.add_argument("--document", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of damaged TIFF files
    faults: list[str] = []
    modalities: tuple[Modality, ...] = ("image", "audio", "text")
    for modality in (args.only,) if args.only else modalities:
        with tempfile.TemporaryDirectory() as folder:
            count = args.requests // len(modalities)
            if args.document:
                faults += hold_to_document(modality, count, args.seed, Path(folder))
            else:
                faults += asyncio.run(attack(modality, count, args.seed, Path(folder)))
    for fault in faults[:20]:
        print(fault)
    print(f"{len(faults)} faults; load {os.getloadavg()[0]:.1f}")
    sys.exit(bool(faults))


def served(modality: Modality, folder: Path) -> tuple[Engine, ServeConfig, Api]:
    """A server of a toy, with a journal."""
    labels = ("heron", "gull", "owl")
    engine = Engine(open_bundle(toy_bundle(folder / "bundle", modality=modality, labels=labels)))
    config = ServeConfig(
        port=0,
        journal={"where": str(folder / "journal"), "inputs": 0.1},
        jobs={"most": 10_000, "most_kept": 10_000, "keep_s": 1.0},
    )
    return engine, config, create_app(engine, config, ref="toys@3")


def hold_to_document(modality: Modality, count: int, seed: int, folder: Path) -> list[str]:
    """The answers to about so many requests that the server's own document does not promise."""
    engine, config, app = served(modality, folder)
    operations = sum(map(len, app.openapi()["paths"].values()))
    began = time.perf_counter()
    with running(app, config) as url:
        there = {"name": "toys", "version": "3"}
        kept = keep_promises(url, there, each=max(1, count // operations), seed=seed)
    engine.close()
    statuses: Counter[int] = Counter()
    for (_, status), times in kept.seen.items():
        statuses[status] += times
    print(
        f"{modality}: {statuses.total():,} requests to {operations} operations in "
        f"{time.perf_counter() - began:.0f} s; "
        + ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items())),
        flush=True,
    )
    return sorted(kept.faults)


async def attack(modality: Modality, count: int, seed: int, folder: Path) -> list[str]:
    """The faults that so many requests found."""
    engine, _, app = served(modality, folder)
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    sizes: list[float] = []
    slowest, began, last = 0.0, time.perf_counter(), time.perf_counter()
    async with started(app):
        requests = hostile_requests(modality, count, seed)
        while some := list(islice(requests, 1000)):
            async for sent, got in ask_all(app, some):
                statuses[got.status] += 1
                faults += fault_of(sent, got)
                slowest, last = max(slowest, time.perf_counter() - last), time.perf_counter()
            sizes.append(held_bytes())  # while nothing is in work
        kind = [(b"content-type", b"application/octet-stream")]
        good = await ask(app, Sent("POST", "/predict", kind, toy_item(modality)))
        if good.status != 200:
            faults.append(f"a good request was answered with {good.status} afterwards")
    engine.close()
    taken = time.perf_counter() - began
    warm = sizes[int(len(sizes) * _WARM) :] or [0.0]
    grown = sum(warm[-3:]) / len(warm[-3:]) - sum(warm[:3]) / len(warm[:3])
    print(
        f"{modality}: {count:,} requests in {taken:.0f} s, longest pause {slowest:.2f} s; "
        f"memory {warm[0] / 1e6:.0f} → {warm[-1] / 1e6:.0f} MB, at most {max(warm) / 1e6:.0f}; "
        + ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items())),
        flush=True,
    )
    if grown > _GROWTH:
        faults.append(f"{modality}: memory grew by {grown / 1e6:.0f} MB")
    return faults


def fault_of(sent: Sent, got: Got) -> list[str]:
    """What is wrong with an answer, if anything is."""
    asked = f"{sent.method} {sent.path[:60]} {sent.headers!r:.200} {sent.body[:200]!r}"
    shown = f"{asked} → {got.status} {got.body[:300]!r}"
    if (got.status >= 500 and got.status != 503) or b"Traceback" in got.body:
        return [shown]
    if got.status >= 400 and sent.method != "HEAD":
        try:
            content = json.loads(got.body)
            return [] if content["error"] and content["hint"] else [shown]
        except (ValueError, KeyError, TypeError):
            return [f"no reason: {shown}"]
    if got.headers.get("content-type", "").startswith("application/x-ndjson") and b'"status":500' in got.body:
        return [shown]
    return []


if __name__ == "__main__":
    main()
