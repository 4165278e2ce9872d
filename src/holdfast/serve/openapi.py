"""What the OpenAPI page says of `/predict`: every form of a request, with examples that work."""

import base64
import io
import math
import wave
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from holdfast.core.media import Modality
from holdfast.serve.requests import TOP

_TEXT = "The harbour lay still, and a gull walked along the wall."


class Window(BaseModel):
    """What the model hears in one window of a sound; of the same labels as the prediction."""

    start_s: float
    end_s: float
    probabilities: dict[str, float]


class Prediction(BaseModel):
    """What the model says of one item."""

    id: Annotated[str, Field(description="Of this prediction, a UUID of version 7; for `/feedback`.")]
    name: Annotated[str | None, Field(description="What the client called the item.")]
    labels: Annotated[list[str], Field(description="The chosen labels; exactly one if the task is single.")]
    label: Annotated[str | None, Field(description="The chosen label; only if the task is single.")] = None
    sure: Annotated[
        bool | None, Field(description="Whether all but one answer is ruled out; only if the model knows.")
    ] = None
    possible: Annotated[
        list[str] | None,
        Field(description="The labels that are not ruled out, with the confidence that `/info` tells."),
    ] = None
    possible_left_out: Annotated[
        int | None,
        Field(description="How many more are possible but not told; if there are any."),
    ] = None
    probabilities: Annotated[
        dict[str, float],
        Field(description="Label → probability, calibrated; of the `top` likeliest labels and the chosen."),
    ]
    left_out: Annotated[
        int | None, Field(description="How many labels have no probability here; only if there are any.")
    ] = None
    windows: Annotated[list[Window] | None, Field(description="Only for sounds.")] = None


class Response(BaseModel):
    """The predictions, in the order of the items."""

    model: str
    predictions: list[Prediction]
    seconds: Annotated[float, Field(description="From the end of the upload to the answer.")]


class Problem(BaseModel):
    """One item that cannot be used."""

    item: int
    name: str | None
    error: str


class Error(BaseModel):
    """Why a request is not answered."""

    error: Annotated[str, Field(description="What is wrong.")]
    hint: Annotated[str | None, Field(description="What to do.")] = None
    item: Annotated[int | None, Field(description="Index of the first item that is wrong.")] = None
    problems: Annotated[list[Problem] | None, Field(description="Every item that is wrong.")] = None


TOP_PARAMETER: dict[str, Any] = {
    "name": "top",
    "in": "query",
    "required": False,
    "description": "Of how many labels, the likeliest, to give probabilities; chosen labels always have one.",
    "schema": {"type": "integer", "minimum": 1, "default": TOP},
}

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The request is empty or broken."},
    404: {"model": Error, "description": "There is no such model here."},
    408: {"model": Error, "description": "The body did not arrive."},
    413: {"model": Error, "description": "The request is too large, or has too many items."},
    415: {"model": Error, "description": "The model does not take this Content-Type."},
    422: {"model": Error, "description": "At least one item cannot be used; none was predicted."},
    503: {"model": Error, "description": "Too much is waiting; Retry-After says how long to wait."},
}


def example(modality: Modality) -> bytes:
    """The bytes of a very small real sample: a PNG picture, a WAV sound, or a text.

    >>> example("audio")[:4]
    b'RIFF'
    """
    if modality == "text":
        return _TEXT.encode()
    return _picture() if modality == "image" else _sound()


def request_body(modality: Modality) -> dict[str, Any]:
    """The `requestBody` of `/predict` in OpenAPI."""
    binary = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
    files = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": binary}},
        "required": ["file"],
    }
    raw = {"text": "text/plain"}.get(modality, f"{modality}/*")
    return {
        "required": True,
        "content": {
            "application/json": {"schema": _json_schema(modality), "examples": json_examples(modality)},
            "multipart/form-data": {"schema": files},
            raw: {"schema": {"type": "string"} if modality == "text" else binary},
        },
    }


def json_examples(modality: Modality) -> dict[str, dict[str, Any]]:
    """Bodies that can be sent as they are: name → summary and value."""
    if modality == "text":
        return {
            "one": {"summary": "One text", "value": {"text": _TEXT}},
            "several": {"summary": "Several texts", "value": {"texts": [_TEXT, "Rain again."]}},
            "named": {
                "summary": "Texts with names",
                "value": {"items": [{"text": _TEXT, "name": "page 1"}, {"text": "Rain again."}]},
            },
        }
    data = base64.b64encode(example(modality)).decode()
    name = "dot.png" if modality == "image" else "beep.wav"
    return {
        "one": {"summary": "One file in base64", "value": {"data": data}},
        "several": {
            "summary": "Several files with names",
            "value": {"items": [{"data": data, "name": name}, {"data": data}]},
        },
    }


def json_item_schema(modality: Modality) -> dict[str, Any]:
    """One item in JSON."""
    string = {"type": "string"}
    properties = {"data": {**string, "contentEncoding": "base64"}, "name": string}
    if modality == "text":
        properties = {"text": string, **properties}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _json_schema(modality: Modality) -> dict[str, Any]:
    item = json_item_schema(modality)
    whole: dict[str, Any] = dict(item["properties"])
    if modality == "text":
        whole["texts"] = {"type": "array", "items": {"type": "string"}}
    whole["items"] = {"type": "array", "items": item}
    return {"type": "object", "properties": whole, "additionalProperties": False}


def _picture() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.radial_gradient("L").resize((16, 16)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def _sound(rate: int = 8000, seconds: float = 0.05) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        steps = range(int(rate * seconds))
        sound.writeframes(bytes(128 + round(90 * math.sin(step * 880 * math.tau / rate)) for step in steps))
    return file.getvalue()


def parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The fields of a model as query parameters of OpenAPI; none of them is required.

    >>> class Asked(BaseModel):
    ...     limit: int = 50
    >>> parameters(Asked)[0]["schema"]["default"]
    50
    """
    fields = model.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in fields.items()
    ]


def problems_of(error: ValidationError) -> str:
    """All that is wrong with query parameters, without repeating what was sent."""
    return "; ".join(f"{it['loc'][-1]}: {it['msg'][0].lower()}{it['msg'][1:]}" for it in error.errors())
