"""What the OpenAPI page says of work beside the requests of people: `/batch` and `/jobs`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from holdfast.core.media import Modality
from holdfast.serve.openapi import ERRORS, TOP_PARAMETER, Error, Prediction, json_item_schema, request_body
from holdfast.serve.streams import KIND

_LINES = {"type": "string", "description": "A line of JSON for each item."}
BATCH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each item, in their order: `index`, and a prediction as in /predict with "
        "its `model`, or `error`, `hint` and the `status` that it would have had alone. "
        "A request that breaks off has a line for where it did.",
        "content": {KIND: {"schema": _LINES}},
    },
    400: {"model": Error, "description": "The request is empty or broken."},
    408: {"model": Error, "description": "The body did not arrive."},
    415: {"model": Error, "description": "Neither lines of JSON nor a form."},
    503: ERRORS[503],
}

BATCH_OF = {**BATCH, 404: ERRORS[404]}


def batch_request(modality: Modality) -> dict[str, Any]:
    """The parameters and the body of a request to `/batch`."""
    binary = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": binary}},
        "required": ["file"],
    }
    item = json_item_schema(modality)
    words = f"{_LINES['description']} Each: {', '.join(item['properties'])}."
    return {
        "parameters": [TOP_PARAMETER],
        "requestBody": {
            "required": True,
            "content": {
                KIND: {"schema": {**_LINES, "description": words}},
                "multipart/form-data": {"schema": form},
            },
        },
    }


class FailedItem(BaseModel):
    """One item of a job that cannot be used."""

    name: str | None = None
    error: str
    hint: str | None = None


class Result(BaseModel):
    """The predictions of a job, in the order of its items."""

    model: str
    predictions: list[Prediction | FailedItem]


class Job(BaseModel):
    """How far a job is."""

    id: str
    state: Literal["waiting", "running", "done", "failed"]
    created: str
    items: int
    progress: Annotated[float | None, Field(description="From 0 to 1; null where nobody knows.")]
    seconds: Annotated[float, Field(description="Of the recording in work that are decoded.")]
    model: str | None = None
    error: Annotated[str | None, Field(description="Why it failed.")] = None
    hint: str | None = None
    result: Annotated[Result | None, Field(description="Once it is done.")] = None


JOBS: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "It is taken; Location says where to ask for it.",
        "headers": {"Location": {"schema": {"type": "string"}}},
    },
    **{status: ERRORS[status] for status in (400, 408, 413, 415, 503)},
    422: {"model": Error, "description": "No item can be read from the request."},
}
JOBS_OF = {**JOBS, 404: ERRORS[404]}
NO_JOB: dict[int | str, dict[str, Any]] = {
    404: {"model": Error, "description": "No such job, or not any more, or somebody else's."}
}


def job_request(modality: Modality) -> dict[str, Any]:
    """The parameters and the body of a request to `/jobs`: those of `/predict`."""
    return {"parameters": [TOP_PARAMETER], "requestBody": request_body(modality)}
