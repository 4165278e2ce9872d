"""`POST /feedback`: what was true of a prediction, told whenever it is known."""

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.refs import did_you_mean
from holdfast.serve.api import Api
from holdfast.serve.batching import BusyError
from holdfast.serve.bodies import RequestError, read_json
from holdfast.serve.ids import is_id, time_of
from holdfast.serve.journal import Journal
from holdfast.serve.openapi import ERRORS, Error
from holdfast.serve.refusals import answer
from holdfast.serve.requests import Upload
from holdfast.serve.service import BadItemsError, Service
from holdfast.serve.whose import Known, Whose

_MOST_ITEMS = 1000
_MOST_PARTS = 100 * _MOST_ITEMS
_PATIENCE_S = 5.0
"""So long a label may wait to be written before the client is told that it is not."""
_NEAR = 3
_HINT = 'send {"id": "…", "label": "…"}, or several as {"items": […]}; see /docs'
_FIELDS = ("id", "label", "labels", "withdraw", "model")


class Truth(BaseModel):
    """What was true of one prediction; the latest counts."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(description="As `/predict` gave it.")]
    label: Annotated[str | None, Field(description="The true label.")] = None
    labels: Annotated[
        list[str] | None, Field(description="All true labels, where there can be many; maybe none.")
    ] = None
    withdraw: Annotated[bool | None, Field(description="True takes back what was said.")] = None
    model: Annotated[
        str | None, Field(description="Which gave it; counts where the journal does not know any more.")
    ] = None


class Taken(BaseModel):
    """The labels are written down."""

    accepted: int
    unknown: Annotated[
        int, Field(description="Of these, predictions that the journal does not have (any more).")
    ] = 0


@dataclass(frozen=True)
class Said:
    """One item of feedback, checked; without labels, what was said before is withdrawn."""

    id: str
    labels: list[str] | None


def add_routes(app: Api, service: Service, journal: Journal) -> None:
    """`/feedback`, for a server that keeps a journal."""
    whose = Whose(service, journal)
    schema = {"anyOf": [Truth.model_json_schema(), {"type": "object", "properties": {"items": _items()}}]}
    label = service.live.engine.labels[0]
    example = {"id": "01a1ffe2-9502-7000-8004-740199929562", "label": label}
    examples = {
        "one": {"summary": "One label", "value": example},
        "several": {"summary": "Several", "value": {"items": [example]}},
    }
    body = {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    told: dict[int | str, dict[str, Any]] = {
        **{status: ERRORS[status] for status in (400, 408, 413)},
        415: {"model": Error, "description": "The body is no JSON."},
        422: {"model": Error, "description": "Some items cannot be used; none was taken."},
        503: {"model": Error, "description": "The labels could not be written; send them again."},
    }

    @app.post("/feedback", response_model=Taken, responses=told, openapi_extra={"requestBody": body})
    async def feedback(request: Request) -> Response:
        """Say what was true of predictions: the label, or all labels. Said again, it replaces what was said.

        Either all items are taken or none. They are written down when the answer comes.
        """
        items = items_of(await _read(request, service))
        known = await whose.known([item.get("id") for item in items if isinstance(item, dict)])
        said = read_feedback(items, known)
        await _note(service, journal, said, request)
        unknown = sum(not known.has(one.id) for one in said)
        return answer({"accepted": len(said), **({"unknown": unknown} if unknown else {})})


def items_of(value: Any) -> list[Any]:
    """The items of a body of JSON.

    Raises:
        RequestError: if it is no feedback at all.
    """
    if not isinstance(value, dict):
        raise RequestError(422, "the JSON must be an object", hint=_HINT)
    items = value["items"] if set(value) == {"items"} else [value]
    if not isinstance(items, list) or not items:
        raise RequestError(422, "items must be a list with something in it", hint=_HINT)
    if len(items) > _MOST_ITEMS:
        raise RequestError(413, f"more than {_MOST_ITEMS} items", hint="send them in several requests")
    return items


def read_feedback(items: Sequence[Any], known: Known) -> list[Said]:
    """What the items say.

    Args:
        items: of JSON.
        known: of their predictions.

    Raises:
        BadItemsError: if some cannot be used; all of them are named.

    >>> number = "01a1ffe2-9502-7000-8004-740199929562"
    >>> known = Known({"birds@3": (["owl", "gull"], "single")})
    >>> read_feedback([{"id": number, "label": "owl"}], known)[0].labels
    ['owl']
    """
    said, problems = [], []
    for index, item in enumerate(items):
        found = _one(item, known)
        if isinstance(found, Said):
            said.append(found)
        else:
            problems.append({"item": index, "name": None, "error": found})
    if problems:
        listed = "; ".join(f"item {it['item']}: {it['error']}" for it in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        first = problems[0]
        error = str(first["error"]) if len(items) == 1 else f"{listed}{more}"
        raise BadItemsError({"error": error, "hint": _HINT, "item": first["item"], "problems": problems})
    return said


def _one(item: Any, known: Known) -> Said | str:
    """One item, or what is wrong with it."""
    if not isinstance(item, dict):
        return "must be an object"
    for key in item:
        if key not in _FIELDS:
            near = did_you_mean(key, _FIELDS)
            return f"unknown field {key!r:.60}" + (f"; did you mean {near!r}?" if near else "")
    number = item.get("id")
    if not isinstance(number, str) or not is_id(number):
        return f"id must be that of a prediction, not {number!r:.60}"
    given = [key for key in ("label", "labels", "withdraw") if item.get(key) not in (None, False)]
    if len(given) != 1:
        return "needs one of label, labels and withdraw"
    if given == ["withdraw"]:
        return Said(number, None) if item["withdraw"] is True else "withdraw must be true"
    true = [item["label"]] if given == ["label"] else item["labels"]
    if not isinstance(true, list) or not all(isinstance(label, str) for label in true):
        return "labels must be a list of strings" if given == ["labels"] else "label must be a string"
    model = item.get("model")
    if not isinstance(model, str | None):
        return "model must be a string"
    kind = known.kind(number, model)
    if isinstance(kind, str):
        return kind
    labels, task = kind
    if task == "single" and len(true) != 1:
        return f"this model gives one label, not {len(true)}"
    if unknown := [label for label in true if label not in labels]:
        return _unknown(unknown[0], labels)
    return Said(number, list(dict.fromkeys(true)))


def _unknown(label: str, labels: Sequence[str]) -> str:
    near = difflib.get_close_matches(label[:200], labels, n=_NEAR, cutoff=0.5)
    if not near:
        near, more = list(labels[:_NEAR]), " …" if len(labels) > _NEAR else ""
        return f"no label {label!r:.60}; there are {', '.join(map(repr, near))}{more}"
    return f"no label {label!r:.60}; did you mean {' or '.join(map(repr, near))}?"


async def _read(request: Request, service: Service) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # which a page of another server cannot send unasked
        raise RequestError(415, f"feedback is JSON, not {kind or 'of no Content-Type'}", hint=_HINT)
    upload = Upload(request, service.limits, service.room)
    try:
        return read_json(await upload.body(), _MOST_PARTS, _HINT)
    finally:
        upload.release()


async def _note(service: Service, journal: Journal, said: Sequence[Said], request: Request) -> None:
    """Return once it is written.

    Raises:
        BusyError: if it is not, or not soon.
    """
    caller = None if journal.config.private else request.scope["state"].get("caller")
    waiting = []
    for one, number in zip(said, service.ids.take(len(said)), strict=True):
        now = datetime.fromtimestamp(time_of(number), UTC).isoformat(timespec="milliseconds")
        record = {"kind": "feedback", "id": number, "prediction": one.id, "time": now}
        future = journal.add({**record, "labels": one.labels, **({"by": caller} if caller else {})})
        if future is None:
            raise BusyError("the labels cannot be written: too much waits to be written already", retry_s=5)
        waiting.append(asyncio.wrap_future(future))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*waiting)
    except TimeoutError:
        raise BusyError("the labels could not be written yet", retry_s=5) from None


def _items() -> dict[str, Any]:
    return {"type": "array", "items": Truth.model_json_schema(), "maxItems": _MOST_ITEMS}
