"""What a body of the Open Inference Protocol asks: samples, and which outputs in which form."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from holdfast.core.errors import InputError
from holdfast.core.refs import did_you_mean
from holdfast.modality import accept, fits, form_of
from holdfast.modality.preparation import Preparation
from holdfast.serve.bodies import Item, RequestError
from holdfast.serve.tensors import (
    DATATYPES,
    NAMES,
    TensorError,
    from_bytes,
    from_json,
    strings_from_bytes,
    strings_from_json,
)

LENGTH = "Inference-Header-Content-Length"
"""The header that says where the JSON ends and the tensors' bytes begin."""
OUTPUTS = ("probabilities", "embedding", "label")
DOUBTS = ("sure", "possible")
"""Outputs beside these, of a model that knows when it is not sure."""
FILES, DECODED = "data", "input"
"""The two inputs, of which a request has one: whole files or texts, or what is decoded already."""
_HINT = "see the model's inputs and outputs at its address under /v2/models"
_UNKNOWN = ("shared_memory_region", "classification")
"""Parameters of Triton's extensions that would change what an answer means."""
_MOST_LISTS = 250_000
"""Lists within lists take twenty times as much memory as their text; a nested picture has 50,000."""
_LONGEST_ID = 1000
_T = TypeVar("_T")


@dataclass(frozen=True)
class Infer:
    """A request that was understood.

    Attributes:
        id: the caller's, to be repeated.
        items: the samples, in their order.
        outputs: name → whether it is wanted as bytes.
    """

    id: str | None
    items: list[Item]
    outputs: dict[str, bool]


def read_infer(
    body: bytes,
    headers: Mapping[str, str],
    preparation: Preparation,
    max_files: int,
    outputs: Sequence[str] = OUTPUTS,
) -> Infer:
    """Read the body of an `infer` request.

    Args:
        headers: of the request.
        preparation: of the model.
        max_files: more samples are refused.
        outputs: those that the model has; all come if none is asked for.

    Raises:
        RequestError: if it is not one that the model can answer.
    """
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(415, f"the body is encoded as {encoding!r:.40}", hint="send it as it is")
    length = _header_length(headers.get(LENGTH.lower()), len(body))
    if length == 0 and body:
        return Infer(None, [Item(None, body)], dict.fromkeys(outputs, False))
    whole = _object(body[:length])
    number = _field(whole, "id", str, None)
    if number is not None and len(number) > _LONGEST_ID:
        raise _wrong(f"the id is longer than {_LONGEST_ID} characters")
    tensor = _only_input(whole)
    rest = memoryview(body)[length:]
    size = _binary_size(tensor)
    if len(rest) != (size or 0):
        raise _wrong(f"{len(rest):,} bytes follow the JSON, but binary_data_size is {size or 0:,}")
    try:
        items = _items(tensor, None if size is None else rest, preparation, max_files)
    except TensorError as error:
        raise _wrong(f"input {tensor['name']!r} {error}") from None
    return Infer(number, items, _outputs(whole, outputs))


def _header_length(said: str | None, size: int) -> int:
    """Where the JSON ends."""
    if said is None:
        return size
    if not (said.isascii() and said.isdigit() and len(said) < 12 and int(said) <= size):
        raise _wrong(f"{LENGTH} is {said!r:.40}, not a number up to the {size:,} bytes of the body")
    return int(said)


def _object(body: bytes) -> dict[str, Any]:
    if body.count(b"[") + body.count(b"{") > _MOST_LISTS:
        raise RequestError(
            413, f"the JSON has more than {_MOST_LISTS:,} lists", hint="send a flat list of data, or bytes"
        )
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"the body is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise _wrong("the JSON must be an object")
    return value


def _only_input(whole: dict[str, Any]) -> dict[str, Any]:
    """The one input, whose name and datatype are strings and whose shape is a list of numbers."""
    inputs = _objects(whole, "inputs")
    names = [_field(it, "name", str, "") for it in inputs]
    for name in names:
        if name not in (FILES, DECODED):
            near = did_you_mean(name, (FILES, DECODED))
            raise _wrong(f"unknown input {name!r:.60}" + (f"; did you mean {near!r}?" if near else ""))
    if len(inputs) != 1:
        raise _wrong(f"{len(inputs)} inputs, but one is needed: {FILES!r} or {DECODED!r}")
    (tensor,) = inputs
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise _wrong(f"input {names[0]!r} needs a shape: a list of whole numbers")
    _field(tensor, "datatype", str, "")
    return tensor


def _items(
    tensor: dict[str, Any], data: memoryview | None, preparation: Preparation, max_files: int
) -> list[Item]:
    shape, datatype = tensor["shape"], tensor.get("datatype", "")
    if shape and shape[0] > max_files:
        raise RequestError(
            413, f"{shape[0]:,} items, more than {max_files}", hint="send them in several requests"
        )
    if not shape or shape[0] < 1:
        raise TensorError("holds no items")
    if tensor["name"] == FILES:
        if datatype != "BYTES":
            raise TensorError(f"is of datatype {datatype!r:.20}, not 'BYTES'")
        if len(shape) > 2 or shape[1:] not in ([], [1]):
            raise TensorError(f"has shape {shape[:8]}, not [{shape[0]}] or [{shape[0]}, 1]")
        return [Item(None, it) for it in _files(tensor, data, shape, preparation)]
    return [Item(None, it) for it in _decoded(tensor, data, shape, datatype, preparation)]


def _files(
    tensor: dict[str, Any], data: memoryview | None, shape: Sequence[int], preparation: Preparation
) -> list[bytes]:
    if data is not None:
        return strings_from_bytes(data, shape[0])
    strings = strings_from_json(tensor.get("data"), shape)
    try:
        if preparation.modality == "text":
            return [it.encode() for it in strings]
        return [base64.b64decode(it, validate=True) for it in strings]
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise TensorError(f"holds a string that is not {_in_json(preparation)} ({error})") from None


def _in_json(preparation: Preparation) -> str:
    return "Unicode" if preparation.modality == "text" else "base64, as files in JSON must be"


def _decoded(
    tensor: dict[str, Any],
    data: memoryview | None,
    shape: Sequence[int],
    datatype: str,
    preparation: Preparation,
) -> list[np.ndarray]:
    form = form_of(preparation)
    name = NAMES[form.dtype]
    if datatype != name:
        raise TensorError(f"is of datatype {datatype!r:.20}, not {name!r}")
    if not fits(tuple(shape), form.shape) or 0 in shape:
        wanted = [-1 if size is None else size for size in form.shape]
        raise TensorError(f"has shape {list(shape[:8])}, not {wanted}: {form.words}")
    dtype = DATATYPES[name]
    found = from_json(tensor.get("data"), dtype, shape) if data is None else from_bytes(data, dtype, shape)
    try:
        return accept(preparation, found.astype(form.dtype, copy=False))
    except InputError as error:
        raise RequestError(422, error.message, hint=f"the model takes {form.words}") from None


def _binary_size(tensor: dict[str, Any]) -> int | None:
    """Of a tensor that is sent as bytes; None for one in the JSON."""
    parameters = _parameters(tensor)
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0 or "data" in tensor:
        raise _wrong("an input needs either data, or a whole number as its binary_data_size")
    return size


def _outputs(whole: dict[str, Any], there: Sequence[str]) -> dict[str, bool]:
    binary = _flag(_parameters(whole), "binary_data_output", default=False)
    if "outputs" not in whole or whole["outputs"] == []:
        return dict.fromkeys(there, binary)
    wanted: dict[str, bool] = {}
    for entry in _objects(whole, "outputs"):
        name = _field(entry, "name", str, "")
        if name not in there or name in wanted:
            near = did_you_mean(name, there)
            said = "twice" if name in wanted else f"did you mean {near!r}?" if near else "unknown"
            if name in DOUBTS and name not in wanted:
                said = "this model does not know when it is not sure"
            raise _wrong(f"output {name!r:.60}: {said}")
        wanted[name] = _flag(_parameters(entry), "binary_data", default=binary)
    return wanted


def _objects(whole: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = whole.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _wrong(f"{key} must be a list of objects")
    return entries


def _parameters(holder: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _field(holder, "parameters", dict, {})
    for name in _UNKNOWN:
        if name in found:
            raise _wrong(f"the parameter {name} is of an extension that is not here")
    return found


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    return bool(_field(parameters, name, bool, default))


def _field(holder: dict[str, Any], name: str, kind: type[_T], default: Any) -> Any:
    value = holder.get(name, default)
    if value is not default and not isinstance(value, kind):
        words = {str: "a string", bool: "true or false", dict: "an object"}
        raise _wrong(f"{name} must be {words[kind]}")
    return value


def _wrong(message: str) -> RequestError:
    return RequestError(400, message, hint=_HINT)
