"""The Open Inference Protocol v2 over REST, so that clients of KServe and Triton work unchanged.

With Triton's binary tensor extension: a picture of 224 pixels a side is 150 KB and takes 0.02 ms to read;
the same in JSON is 500 KB and takes milliseconds (docs/protocols.md).
Source: https://github.com/kserve/open-inference-protocol and `extension_binary_data.md` of Triton.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

import holdfast
from holdfast.core.errors import RefError
from holdfast.core.refs import parse_ref
from holdfast.modality import form_of
from holdfast.serve import oip_schema as schema
from holdfast.serve.answers import dumped
from holdfast.serve.api import Api
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import RequestError
from holdfast.serve.live import Live
from holdfast.serve.oip_request import DECODED, DOUBTS, FILES, LENGTH, OUTPUTS, Infer, read_infer
from holdfast.serve.refusals import answer
from holdfast.serve.release import Release
from holdfast.serve.requests import Upload
from holdfast.serve.service import Service
from holdfast.serve.tensors import DATATYPES, NAMES, strings_to_bytes

IDS = "prediction_ids"
"""Of an answer: the ids of the predictions, with commas between, as the protocol has no lists."""
_AS_NUMBERS = 8
"""Bytes of memory for each of JSON, while its numbers are Python's."""
_LARGE = 256 * 1024
"""JSON from this size on is read in a thread, so that other requests go on."""


def add_routes(app: Api, service: Service) -> None:
    """`/v2` and what is under it."""
    _add_health(app, service)
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        _add_model(app, service, path)


def name_of(live: Live) -> tuple[str, str]:
    """What the protocol calls a model: `birds@3` is version 3 of birds; what has no version is its first."""
    try:
        ref = parse_ref(live.ref)
    except RefError:  # a folder's name need not be a reference
        return live.ref, "1"
    return ref.name, str(ref.version or ref.alias or 1)


def _add_health(app: Api, service: Service) -> None:
    @app.get("/v2", response_model=schema.Server, tags=schema.TAGS)
    async def server() -> Response:
        """Which server this is, and which extensions of the protocol it knows."""
        said = {"name": "holdfast", "version": holdfast.__version__, "extensions": ["binary_tensor_data"]}
        return answer(said)

    @app.get("/v2/health/live", response_model=schema.Live, tags=schema.TAGS)
    async def live() -> Response:
        """Whether the process lives: always 200."""
        return answer({"live": True})

    @app.get("/v2/health/ready", response_model=schema.Ready, responses=schema.NOT_READY, tags=schema.TAGS)
    async def ready() -> Response:
        """Whether requests are answered: 200 or 503."""
        is_ready = service.state == "ready"
        return answer({"ready": is_ready}, 200 if is_ready else 503)


def _add_model(app: Api, service: Service, path: str) -> None:
    @app.get(path, response_model=schema.Model, responses=schema.NO_MODEL, tags=schema.TAGS)
    async def metadata(name: str, version: str | None = None) -> Response:
        """The inputs and outputs of a model. A request has one of the inputs."""
        return answer(describe(_find(service, name, version).live))

    @app.get(
        f"{path}/ready",
        response_model=schema.ModelReady,
        responses={**schema.NO_MODEL, **schema.NOT_READY},
        tags=schema.TAGS,
    )
    async def ready(name: str, version: str | None = None) -> Response:
        """Whether a model answers: 200 or 503."""
        known, _ = name_of(_find(service, name, version).live)
        is_ready = service.state == "ready"
        return answer({"name": known, "ready": is_ready}, 200 if is_ready else 503)

    @app.post(
        f"{path}/infer",
        response_model=schema.Inferred,
        responses=schema.INFER,
        openapi_extra=schema.INFER_REQUEST,
        tags=schema.TAGS,
    )
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Predict items: whole files or texts as the input `data`, or what is decoded already as `input`."""
        return await _infer(service, request, _find(service, name, version))


async def _infer(service: Service, request: Request, release: Release) -> Response:
    release.live.check()
    upload = Upload(request, service.limits, service.room)
    try:
        body = await upload.body()
        live = release.live
        given = (body, request.headers, live.engine.preparation, service.limits.max_files, _outputs(live))
        large = len(body) >= _LARGE and LENGTH not in request.headers
        if large:
            upload.hold(_AS_NUMBERS * len(body))
        asked = await asyncio.to_thread(read_infer, *given) if large else read_infer(*given)
        began = time.perf_counter()
        live, answers = await service.released(release, asked.items, upload)
    finally:
        upload.release()
    chosen = [answer.labels for answer in answers]
    ids = service.noted(live, request, asked.items, answers, chosen, time.perf_counter() - began)
    return _answer(service, live, asked, answers, chosen, ids)


def describe(live: Live) -> dict[str, Any]:
    """The metadata of a model, JSON-ready."""
    engine = live.engine
    name, version = name_of(live)
    form = form_of(engine.preparation)
    labels = [-1] if engine.task == "single" else [-1, -1]
    return {
        "name": name,
        "versions": [version],
        "platform": "onnx_onnxv1",
        "inputs": [
            _tensor(FILES, "BYTES", [-1]),
            _tensor(DECODED, NAMES[form.dtype], [-1 if size is None else size for size in form.shape]),
        ],
        "outputs": [
            _tensor("probabilities", "FP32", [-1, len(engine.labels)]),
            _tensor("embedding", "FP32", [-1, engine.width]),
            _tensor("label", "BYTES", labels),
            *([_tensor("sure", "BOOL", [-1])] if engine.abstention else []),
            *([_tensor("possible", "BOOL", [-1, len(engine.labels)])] if engine.abstention else []),
        ],
        "parameters": {
            "model": live.ref,
            "digest": engine.bundle.digest,
            "modality": live.modality,
            "task": engine.task,
            "labels": engine.labels,
            DECODED: form.words,
        },
    }


def _outputs(live: Live) -> tuple[str, ...]:
    return (*OUTPUTS, *DOUBTS) if live.engine.abstention else OUTPUTS


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _find(service: Service, name: str, version: str | None) -> Release:
    """The model of that name, written with its version or without.

    Raises:
        RequestError: 404 if it is not here.
    """
    there = []
    for release in service.releases:
        known, number = name_of(release.live)
        if name in (known, release.live.ref, release.asked):
            if version in (None, number):
                return release
            there.append(number)
    if not there:
        service.find(name)  # says what there is
    raise RequestError(
        404, f"no version {version!r:.40} of {name!r:.60} here", hint="there is " + ", ".join(there)
    )


def _answer(
    service: Service,
    live: Live,
    asked: Infer,
    answers: Sequence[Answer],
    chosen: list[list[str]],
    ids: list[str],
) -> Response:
    probabilities = np.stack([answer.probabilities for answer in answers])
    if service.metrics:
        service.metrics.predicted(label for labels in chosen for label in labels)
    outputs, parts = [], []
    for output, is_binary in asked.outputs.items():
        if output not in _outputs(live):
            continue  # another version took over, or is on trial, and does not know
        if output == "label":
            entry, data = _strings(live, chosen, is_binary=is_binary)
        else:
            entry, data = _numbers(output, _rows(live, output, probabilities, answers), is_binary=is_binary)
        outputs.append(entry)
        parts.append(data)
    name, version = name_of(live)
    number = {} if asked.id is None else {"id": asked.id}
    about = {"model_name": name, "model_version": version, **number, "parameters": {IDS: ",".join(ids)}}
    head = dumped({**about, "outputs": outputs})
    if not any(asked.outputs.values()):
        return Response(head, media_type="application/json")
    headers = {LENGTH: str(len(head))}
    return Response(b"".join([head, *parts]), 200, headers, "application/octet-stream")


def _rows(live: Live, output: str, probabilities: np.ndarray, answers: Sequence[Answer]) -> np.ndarray:
    """What an output says of each item."""
    if abstention := live.engine.abstention:
        if output == "sure":
            return abstention.sure(probabilities)
        if output == "possible":
            return abstention.possible(probabilities)
    rows = probabilities if output == "probabilities" else [it.embedding for it in answers]
    return np.asarray(rows, DATATYPES["FP32"])


def _numbers(name: str, rows: np.ndarray, *, is_binary: bool) -> tuple[dict[str, Any], bytes]:
    entry = _tensor(name, NAMES[rows.dtype], list(rows.shape))
    if is_binary:
        data = rows.tobytes()
        return {**entry, "parameters": {"binary_data_size": len(data)}}, data
    return {**entry, "data": rows.ravel().tolist()}, b""


def _strings(live: Live, chosen: list[list[str]], *, is_binary: bool) -> tuple[dict[str, Any], bytes]:
    """The labels: one an item, or as many columns as the item with the most has, filled up with ''."""
    most = max(map(len, chosen))
    flat = [label for labels in chosen for label in [*labels, *[""] * (most - len(labels))]]
    shape = [len(chosen)] if live.engine.task == "single" else [len(chosen), most]
    entry = _tensor("label", "BYTES", shape)
    if is_binary:
        data = strings_to_bytes([label.encode("utf-8", "replace") for label in flat])
        return {**entry, "parameters": {"binary_data_size": len(data)}}, data
    return {**entry, "data": flat}, b""
