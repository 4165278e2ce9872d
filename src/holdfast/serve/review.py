"""`/review`: a page on which people look at predictions with their inputs, and say what is true."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.media import Task
from holdfast.monitor.journal import Record
from holdfast.monitor.window import Window
from holdfast.serve.api import Api
from holdfast.serve.journal import Journal
from holdfast.serve.openapi import Error, parameters, problems_of
from holdfast.serve.pages import page
from holdfast.serve.refusals import answer
from holdfast.serve.service import Service

Show = Literal["uncertain", "recent"]
Labelled = Literal["no", "yes", "all"]
_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "txt": "text/plain; charset=utf-8",
}
_SANDBOX = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Disposition": "inline",
    "Cache-Control": "private, no-store",
}
"""What people sent may be anything: a browser that opens it by itself lets it do nothing, and keeps no copy.

What is removed from the journal is then gone from the disks of those who have looked at it too.
"""
_MOST = 200


class ReviewTruth(BaseModel):
    """What somebody said last."""

    labels: list[str]
    time: str
    by: Annotated[str | None, Field(description="Whose key it was said with.")] = None


class ReviewItem(BaseModel):
    """A prediction whose input was kept."""

    id: str
    time: str
    model: str
    task: Task
    name: str | None
    labels: list[str]
    probabilities: Annotated[dict[str, float], Field(description="Of the likeliest labels, and the given.")]
    uncertainty: Annotated[float, Field(description="0 sure, 1 a coin toss.")]
    type: Annotated[str, Field(description="The input's media type.")]
    bytes: int
    truth: ReviewTruth | None


class ReviewModel(BaseModel):
    """What can be said of a model's predictions."""

    labels: list[str]
    task: Task


class Review(BaseModel):
    """Some predictions, and how many there are."""

    items: list[ReviewItem]
    models: Annotated[dict[str, ReviewModel], Field(description="Those that are served, by name.")]
    matching: Annotated[int, Field(description="How many there are of what was asked for.")]
    labelled: Annotated[int, Field(description="Of all that can be looked at.")]
    all: Annotated[int, Field(description="How many can be looked at.")]


class Asked(BaseModel):
    """Which predictions are to be shown."""

    show: Annotated[Show, Field(description="What comes first.")] = "uncertain"
    label: Annotated[str | None, Field(description="Only predictions of this label.")] = None
    model: Annotated[str | None, Field(description="Only of the model of this name.")] = None
    labelled: Annotated[Labelled, Field(description="Only those with or without a true label.")] = "no"
    limit: Annotated[int, Field(ge=1, le=_MOST, description="At most so many.")] = 50


def can_review(journal: Journal) -> bool:
    """Whether there is anything to look at."""
    return journal.config.inputs > 0 and not journal.config.private


def add_routes(app: Api, service: Service, journal: Journal) -> None:
    """The page, what it shows, and the inputs."""
    window = Window(journal.stores)

    @app.api_route("/review", methods=["GET", "HEAD"], include_in_schema=False)
    async def review() -> Response:
        return page("review.html")

    @app.get(
        "/review/items",
        response_model=Review,
        responses=_errors(422, 503),
        openapi_extra={"parameters": parameters(Asked)},
    )
    async def items(request: Request) -> Response:
        """The last thousand predictions whose inputs were kept: the most uncertain or the newest first."""
        try:
            asked = Asked.model_validate(dict(request.query_params))
        except ValidationError as error:
            return _refusal(422, problems_of(error), "see /docs for what can be asked")
        try:
            await asyncio.to_thread(window.look)
        except Exception as error:  # libraries of stores raise what they like
            return _refusal(
                503, f"the journal cannot be read now ({type(error).__name__})", "try again later"
            )
        found = await asyncio.to_thread(window.records)
        if asked.model is not None:
            found = [record for record in found if record["model"].partition("@")[0] == asked.model]
        chosen = choose(found, show=asked.show, label=asked.label, labelled=asked.labelled)
        told = {
            "items": [_told(record) for record in chosen[: asked.limit]],
            "models": _models(service),
            "matching": len(chosen),
            "labelled": sum(record["truth"] is not None for record in found),
            "all": len(found),
        }
        return answer(told)

    @app.get(
        "/review/inputs/{number}",
        response_class=Response,
        responses={
            200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
            **_errors(404, 503),
        },
    )
    async def input_of(number: str) -> Response:
        """What was sent, as it was sent."""
        try:
            record, data = await asyncio.to_thread(window.input, number)
        except FileNotFoundError:
            return _refusal(404, "no input of this prediction can be shown", "see /review/items")
        except Exception as error:
            return _refusal(
                503, f"the journal cannot be read now ({type(error).__name__})", "try again later"
            )
        return Response(data, 200, _SANDBOX, _type(record))


def choose(records: Sequence[Record], *, show: Show, label: str | None, labelled: Labelled) -> list[Record]:
    """Those that were asked for, in that order.

    Args:
        records: the newest first.
        show: the most uncertain first, or the newest.
        label: one that was given.
        labelled: whether somebody said what is true.

    >>> some = [{"id": it, "labels": ["owl"], "uncertainty": it / 9, "truth": None} for it in (2, 7, 1)]
    >>> [it["id"] for it in choose(some, show="uncertain", label=None, labelled="no")]
    [7, 2, 1]
    """
    found = [
        record
        for record in records
        if (label is None or label in record["labels"])
        and (labelled == "all" or (labelled == "yes") == (record["truth"] is not None))
    ]
    return sorted(found, key=lambda it: -it["uncertainty"]) if show == "uncertain" else found


def _told(record: Record) -> dict[str, Any]:
    keys = ("id", "time", "model", "task", "name", "labels", "probabilities", "uncertainty", "truth")
    return {
        **{key: record[key] for key in keys},
        "type": _type(record),
        "bytes": record["input"]["bytes"],
    }


def _type(record: Record) -> str:
    suffix = str(record["input"]["file"]).rpartition(".")[2]
    return _TYPES.get(suffix, "application/octet-stream")


def _models(service: Service) -> dict[str, Any]:
    lives = [release.live for release in service.releases]
    return {
        live.ref.partition("@")[0]: {"labels": live.engine.labels, "task": live.engine.task} for live in lives
    }


def _unreadable(error: Exception) -> Response:
    return _refusal(503, f"the journal cannot be read now ({type(error).__name__})", "try again later")


def _refusal(status: int, error: str, hint: str) -> Response:
    return answer({"error": error, "hint": hint}, status)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        404: "No such prediction, or its input is not kept.",
        422: "What was asked for cannot be.",
        503: "The journal cannot be read now.",
    }
    return {status: {"model": Error, "description": words[status]} for status in statuses}
