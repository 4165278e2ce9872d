"""What schemathesis makes of our own OpenAPI document: each answer must be one that the document promises."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running
from holdfast.testing.documented import keep_promises

Engines = Callable[..., Engine]
EACH = 32
"""Requests to each operation; `python -m benchmarks.hostile --document` sends more."""


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_every_answer_is_one_that_the_document_promises(
    modality: Modality, engines: Engines, tmp_path: Path
) -> None:
    config = ServeConfig(port=0, threads=2, journal={"where": str(tmp_path), "inputs": 1.0})
    with running(create_app(engines(modality), config, ref="toys@3"), config) as url:
        document = httpx.get(f"{url}/openapi.json").json()
        validate(document)
        kept = keep_promises(url, {"name": "toys", "version": "3"}, each=EACH)

    assert not kept.faults, "\n".join(sorted(kept.faults))
    assert kept.paths == set(document["paths"])
    assert {("/predict", 422), ("/batch", 400), ("/jobs/{id}", 404), ("/v2", 200)} <= set(kept.seen)
    assert {("/models/{name}/info", 200), ("/v2/models/{name}/infer", 400)} <= set(kept.seen)
