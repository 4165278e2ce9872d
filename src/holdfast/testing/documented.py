"""Requests that a server's OpenAPI document allows, or nearly so, and whether it keeps what it promises."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Kept:
    """What came of some requests.

    Attributes:
        paths: those of the document that were asked.
        seen: how often each status came from each path.
        faults: answers that the document does not promise, in words.
    """

    paths: set[str] = field(default_factory=set)
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: set[str] = field(default_factory=set)


def keep_promises(url: str, there: Mapping[str, str], *, each: int, seed: int | None = None) -> Kept:
    """Ask each operation of the document of a server that runs.

    Needs schemathesis and hypothesis, which are for development only.

    Args:
        url: of the server.
        there: parts of paths, such as `name`, of what there is: three of four requests have these, as nothing
            that is made up leads anywhere.
        each: requests to each operation.
        seed: of chance; without one, it is the same each time.
    """
    import schemathesis

    kept = Kept()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations: Iterator[Any] = schema.get_all_operations()
    for found in operations:
        operation = found.ok()
        promised = schema.raw_schema["paths"][operation.path][operation.method]["responses"]
        kept.paths.add(operation.path)
        for answer in _answers(operation, url, there, each, seed):
            kept.seen[operation.path, answer.status_code] += 1
            if fault := _fault(answer, promised):
                kept.faults.add(f"{operation.method} {operation.path}: {fault}")
    return kept


def _answers(operation: Any, url: str, there: Mapping[str, str], each: int, seed: int | None) -> list[Any]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found: list[Any] = []

    @settings(
        max_examples=each,
        derandomize=seed is None,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        for name in (case.path_parameters or {}).keys() & there.keys():
            if len(found) % 4:
                case.path_parameters[name] = there[name]
        found.append(case.call(base_url=url))

    (ask if seed is None else seeded(seed)(ask))()
    return found


def _fault(answer: Any, promised: Any) -> str | None:
    """What is wrong with an answer, if anything is."""
    status, kind = str(answer.status_code), answer.headers.get("content-type", [""])[0].partition(";")[0]
    content = promised.get(status, {}).get("content", {})
    if status in promised and (not content or kind in content):
        return None
    return f"{status} {kind} {answer.text[:200]}"
