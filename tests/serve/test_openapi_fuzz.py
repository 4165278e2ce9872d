"""What schemathesis makes of our own OpenAPI document: each answer must be one that the document promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate

from holdfast.config.schema import ServeConfig
from holdfast.core.media import Modality
from holdfast.serve.app import create_app
from holdfast.serve.engine import Engine
from holdfast.serve.server import running

Engines = Callable[..., Engine]
EACH = 8
"""Requests to each operation."""


@pytest.mark.parametrize(
    "modality",
    ["audio", pytest.param("image", marks=pytest.mark.slow), pytest.param("text", marks=pytest.mark.slow)],
)
def test_every_answer_is_one_that_the_document_promises(
    modality: Modality, engines: Engines, tmp_path: Path
) -> None:
    config = ServeConfig(port=0, threads=2, journal={"where": str(tmp_path), "inputs": 1.0})
    seen: list[tuple[str, int]] = []
    faults: set[str] = set()
    with running(create_app(engines(modality), config, ref="toys@3"), config) as url:
        document = httpx.get(f"{url}/openapi.json").json()
        validate(document)

        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = found.ok()
            promised = document["paths"][operation.path][operation.method]["responses"]
            for status, kind, text in answers(operation, url):
                seen.append((operation.path, status))
                content = promised.get(str(status), {}).get("content", {})
                if str(status) not in promised or (content and kind not in content):
                    faults.add(f"{operation.method} {operation.path}: {status} {kind} {text[:200]}")

    assert not faults, "\n".join(sorted(faults))
    assert {path for path, _ in seen} == set(document["paths"])
    assert {("/predict", 422), ("/batch", 400), ("/jobs/{id}", 404), ("/v2", 200)} <= set(seen)


def answers(operation: Any, url: str) -> list[tuple[int, str, str]]:
    """Status, kind and text of the answers to some requests that the document allows, or nearly so."""
    found: list[tuple[int, str, str]] = []

    @settings(
        max_examples=EACH,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=url)
        kind = answer.headers.get("content-type", [""])[0].partition(";")[0]
        found.append((answer.status_code, kind, answer.text))

    ask()
    return found
