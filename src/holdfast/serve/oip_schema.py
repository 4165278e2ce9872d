"""What the OpenAPI page says of the Open Inference Protocol."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from holdfast.serve.oip_request import DOUBTS, LENGTH, OUTPUTS
from holdfast.serve.openapi import Error

TAGS: list[Any] = ["Open Inference Protocol v2"]


class Server(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """The process lives."""

    live: bool


class Ready(BaseModel):
    """Requests are answered, or not."""

    ready: bool


class ModelReady(BaseModel):
    """A model answers, or does not."""

    name: str
    ready: bool


class TensorForm(BaseModel):
    """An input or output; -1 in its shape stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class Model(BaseModel):
    """A model's inputs, of which a request has one, and its outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorForm]
    outputs: list[TensorForm]
    parameters: Annotated[
        dict[str, Any], Field(description="Its labels in the order of the columns, its modality, its digest.")
    ]


class Tensor(TensorForm):
    """An output: its data, or how many bytes behind the JSON are it."""

    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class Inferred(BaseModel):
    """The outputs that were asked for; all if none was."""

    model_name: str
    model_version: str
    id: Annotated[str | None, Field(description="The caller's own.")] = None
    parameters: Annotated[
        dict[str, str], Field(description="`prediction_ids`: of the items, with commas between.")
    ]
    outputs: list[Tensor]


NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not yet, or not any more."}}
NO_MODEL: dict[int | str, dict[str, Any]] = {
    404: {"model": Error, "description": "No such model or version."}
}
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
INFER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"The outputs; where bytes follow the JSON, {LENGTH} says from where on.",
        "content": {"application/octet-stream": {"schema": _BINARY}},
        "headers": {
            LENGTH: {
                "description": "Bytes of the JSON; only where more follow.",
                "schema": {"type": "string"},
            }
        },
    },
    400: {"model": Error, "description": "The request is broken, or not one for this model."},
    404: {"model": Error, "description": "No such model or version."},
    408: {"model": Error, "description": "The body did not arrive."},
    413: {"model": Error, "description": "The request is too large, or has too many items."},
    415: {"model": Error, "description": "The body is compressed."},
    422: {"model": Error, "description": "At least one item cannot be used; none was predicted."},
    503: {"model": Error, "description": "Too much is waiting; Retry-After says how long to wait."},
}

_PARAMETERS = {
    "type": "object",
    "properties": {"binary_data_output": {"type": "boolean", "description": "All outputs as bytes."}},
}
_INPUT = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"enum": ["data", "input"]},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
        "datatype": {"enum": ["BYTES", "UINT8", "INT64", "FP32"]},
        "data": {
            "type": "array",
            "description": "Nested as the shape says, or flat; files in base64.",
            "items": {},
        },
        "parameters": {
            "type": "object",
            "properties": {"binary_data_size": {"type": "integer", "minimum": 0}},
        },
    },
}
_OUTPUT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {
            "enum": [*OUTPUTS, *DOUBTS],
            "description": "The last two only where the model knows when it is not sure: see its metadata.",
        },
        "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
    },
}
INFER_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": LENGTH,
            "in": "header",
            "required": False,
            "description": "Bytes of the JSON, where tensors follow it. 0: no JSON, the body is one file.",
            "schema": {"type": "integer", "minimum": 0},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": _PARAMETERS,
                        "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": _INPUT},
                        "outputs": {"type": "array", "items": _OUTPUT},
                    },
                }
            },
            "application/octet-stream": {"schema": _BINARY},
        },
    },
}
