"""The Open Inference Protocol, asked by Triton's own client and by hand."""

import base64
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pytest
from openapi_spec_validator import validate

from holdfast.modality import form_of
from holdfast.serve.engine import Engine
from holdfast.serve.oip_request import LENGTH
from holdfast.testing.bundles import toy_item

Clients = Callable[..., httpx.Client]
Engines = Callable[..., Engine]
Serve = Callable[..., AbstractContextManager[httpx.Client]]
MODALITIES = ["image", "audio", "text"]
DATATYPES = {"image": "UINT8", "audio": "FP32", "text": "INT64"}


def infer(client: httpx.Client, *inputs: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post("/v2/models/toys/infer", json={"inputs": list(inputs), **more})


def output(answer: httpx.Response, name: str) -> Any:
    """An output of an answer in JSON, in its shape."""
    assert answer.status_code == 200, answer.text
    (found,) = [it for it in answer.json()["outputs"] if it["name"] == name]
    return np.array(found["data"]).reshape(found["shape"])


def refusal(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    content = answer.json()
    assert isinstance(content["error"], str)
    assert content["hint"]
    return str(content["error"])


def decoded(engine: Engine, count: int) -> np.ndarray:
    """Samples that a client has decoded itself."""
    rng = np.random.default_rng(1)
    if engine.manifest.modality == "image":
        return rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    if engine.manifest.modality == "audio":
        return rng.uniform(-1, 1, (count, 4000)).astype(np.float32)
    return rng.integers(1, 250, (count, 9))


@pytest.mark.parametrize("modality", MODALITIES)
class TestTritonsClient:
    @pytest.fixture
    def triton(self, modality: str, clients: Clients) -> Any:
        http = pytest.importorskip("tritonclient.http")
        return http.InferenceServerClient(str(clients(modality).base_url).removeprefix("http://").rstrip("/"))

    def test_finds_the_server_and_the_model(self, triton: Any, modality: str, engines: Engines) -> None:
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("toys")
        assert triton.is_model_ready("toys", "3")
        assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        said = triton.get_model_metadata("toys")
        assert said["versions"] == ["3"]
        assert said["inputs"][1]["datatype"] == DATATYPES[modality]
        assert said["parameters"]["labels"] == engines(modality).labels

    @pytest.mark.parametrize("binary", [True, False])
    def test_gets_what_the_engine_says_of_files(
        self, binary: bool, triton: Any, modality: str, engines: Engines
    ) -> None:
        http = pytest.importorskip("tritonclient.http")
        items = [toy_item(modality, seed) for seed in range(3)]  # type: ignore[arg-type]
        expected = engines(modality).predict(items)
        shown = items if binary or modality == "text" else [base64.b64encode(it) for it in items]
        tensor = http.InferInput("data", [3, 1], "BYTES")
        tensor.set_data_from_numpy(np.array(shown, dtype=object)[:, None], binary_data=binary)
        wanted = [http.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]

        answer = triton.infer("toys", [tensor], outputs=wanted, request_id="mine")

        np.testing.assert_allclose(answer.as_numpy("probabilities"), expected.probabilities, atol=1e-6)
        labels = [it.decode() if binary else it for it in answer.as_numpy("label")]
        assert [[it] for it in labels] == engines(modality).labels_of(expected.probabilities)
        assert answer.as_numpy("embedding") is None
        assert answer.get_response()["id"] == "mine"

    @pytest.mark.parametrize("binary", [True, False])
    def test_gets_what_the_engine_says_of_tensors(
        self, binary: bool, triton: Any, modality: str, engines: Engines
    ) -> None:
        http = pytest.importorskip("tritonclient.http")
        samples = decoded(engines(modality), 4)
        expected = engines(modality).predict_parts(list(samples[:, None]))
        tensor = http.InferInput("input", list(samples.shape), DATATYPES[modality])
        tensor.set_data_from_numpy(samples, binary_data=binary)

        answer = triton.infer("toys", [tensor], model_version="3")

        np.testing.assert_allclose(answer.as_numpy("probabilities"), expected.probabilities, atol=1e-6)
        np.testing.assert_allclose(answer.as_numpy("embedding"), expected.embeddings, rtol=1e-5, atol=1e-6)

    def test_is_told_what_is_wrong(self, triton: Any, modality: str) -> None:
        http = pytest.importorskip("tritonclient.http")
        tensor = http.InferInput("input", [1, 2], "BOOL")
        tensor.set_data_from_numpy(np.zeros((1, 2), bool))

        with pytest.raises(Exception, match="datatype 'BOOL', not"):
            triton.infer("toys", [tensor])


def test_one_file_as_the_body_needs_no_json(clients: Clients, engines: Engines) -> None:
    item = toy_item("image", 5)

    answer = clients("image").post("/v2/models/toys/infer", content=item, headers={LENGTH: "0"})

    np.testing.assert_allclose(
        output(answer, "probabilities"), engines("image").predict([item]).probabilities, atol=1e-6
    )


def test_a_long_recording_that_is_decoded_already_is_cut_into_windows(
    clients: Clients, engines: Engines
) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 9000).astype(np.float32)
    engine = engines("audio")
    windows = engine.preparation.windows(sound)  # type: ignore[attr-defined]
    assert len(windows) > 1

    answer = infer(
        clients("audio"), {"name": "input", "datatype": "FP32", "shape": [1, 9000], "data": sound.tolist()}
    )

    expected = engine.predict_parts([windows]).probabilities
    np.testing.assert_allclose(output(answer, "probabilities"), expected, atol=1e-6)


def test_padding_at_the_end_of_a_text_does_not_change_its_answer(clients: Clients, engines: Engines) -> None:
    ids = [5, 6, 7]
    pad = engines("text").preparation.pad  # type: ignore[attr-defined]
    padded = ids + [pad] * 60  # longer than a text may be

    answers = [
        infer(clients("text"), {"name": "input", "datatype": "INT64", "shape": [1, len(row)], "data": row})
        for row in (ids, padded)
    ]

    np.testing.assert_array_equal(*[output(it, "probabilities") for it in answers])


def test_many_labels_of_an_item_stand_in_a_row(clients: Clients, engines: Engines) -> None:
    items = [toy_item("image", seed) for seed in range(12)]
    engine = engines("image", "multi")
    expected = engine.labels_of(engine.predict(items).probabilities)
    assert len({len(labels) for labels in expected}) > 1

    answer = infer(
        clients("image", "multi"),
        {
            "name": "data",
            "datatype": "BYTES",
            "shape": [12],
            "data": [base64.b64encode(it).decode() for it in items],
        },
        outputs=[{"name": "label"}],
    )

    assert [[it for it in row if it] for row in output(answer, "label").tolist()] == expected


TEXT = {"name": "data", "datatype": "BYTES", "shape": [1], "data": ["the sea"]}
IDS = {"name": "input", "datatype": "INT64", "shape": [1, 2], "data": [[5, 6]]}


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "0 inputs, but one is needed"),
        ([TEXT, IDS], "2 inputs, but one is needed"),
        ([{**TEXT, "name": "dat"}], "unknown input 'dat'; did you mean 'data'?"),
        ([{**TEXT, "datatype": "FP32"}], "is of datatype 'FP32', not 'BYTES'"),
        ([{**TEXT, "shape": [1, 2]}], r"has shape \[1, 2\], not \[1\] or \[1, 1\]"),
        ([{**TEXT, "shape": []}], "holds no items"),
        ([{**TEXT, "shape": [0], "data": []}], "holds no items"),
        ([{**TEXT, "shape": [-1]}], "needs a shape"),
        ([{**TEXT, "shape": [True]}], "needs a shape"),
        ([{**TEXT, "shape": [10**30]}], "needs a shape"),
        ([{**TEXT, "shape": [2]}], "holds 1 values, but its shape .* needs 2"),
        ([{**TEXT, "data": [7]}], "holds a int where strings"),
        ([{**TEXT, "data": ["\ud800"]}], "not Unicode"),
        ([{**TEXT, "data": None}], "has no list of data"),
        ([{**TEXT, "parameters": {"binary_data_size": 4}}], "either data, or"),
        ([{**TEXT, "parameters": {"shared_memory_region": "x"}}], "extension that is not here"),
        ([{"name": "data", "datatype": "BYTES", "shape": [1]}], "has no list of data"),
        ([{**IDS, "datatype": "INT32"}], "'INT32', not 'INT64'"),
        ([{**IDS, "shape": [2]}], r"has shape \[2\], not \[-1, -1\]: at most 32 token ids"),
        ([{**IDS, "data": [[5], [6]]}], "not nested as its shape"),
        ([{**IDS, "data": [[[5], [6]]]}], "not nested as its shape"),
        ([{**IDS, "data": [[5, "6"]]}], "holds a str where whole numbers"),
        ([{**IDS, "data": [[5, 6.0]]}], "holds a float where whole numbers"),
        ([{**IDS, "data": [[5, 2**63]]}], "none of datatype INT64"),
        ("x", "inputs must be a list"),
        (["x"], "inputs must be a list"),
    ],
)
def test_what_is_no_input_of_this_model_is_refused(inputs: Any, said: str, clients: Clients) -> None:
    answer = clients("text").post(
        "/v2/models/toys/infer",
        content=json.dumps({"inputs": inputs}),
        headers={"Content-Type": "application/json"},
    )

    assert re.search(said, refusal(answer))


@pytest.mark.parametrize(
    ("modality", "tensor", "said"),
    [
        ("text", {**IDS, "data": [[5, 10**6]]}, "item 0: token 1000000, outside 0 to"),
        ("text", {**IDS, "data": [[5, -1]]}, "item 0: token -1, outside"),
        ("text", {**IDS, "data": [[0, 0]]}, "item 0: text without a single token"),
        ("text", {**IDS, "shape": [1, 40], "data": [7] * 40}, "text of 40 tokens, more than 32"),
        (
            "audio",
            {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [0, 1e39]},
            "NaN or infinite",
        ),
        ("audio", {"name": "input", "datatype": "FP32", "shape": [1, 2], "data": [0, 1e30]}, "up to 1e+30"),
    ],
)
def test_numbers_that_the_graph_was_not_made_for_do_not_reach_it(
    modality: str, tensor: dict[str, Any], said: str, clients: Clients
) -> None:
    assert said in refusal(infer(clients(modality), tensor), 422)


def test_a_recording_longer_than_allowed_is_refused(clients: Clients) -> None:
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 8000 * 1801]}
    tensor["parameters"] = {"binary_data_size": 4 * 8000 * 1801}
    head = json.dumps({"inputs": [tensor]}).encode()

    answer = clients("audio").post(
        "/v2/models/toys/infer", content=head + bytes(100), headers={LENGTH: str(len(head))}
    )

    assert "bytes follow the JSON" in refusal(answer)


@pytest.mark.parametrize(
    ("length", "body", "said"),
    [
        ("x", b"{}", "not a number"),
        ("-1", b"{}", "not a number"),
        ("3", b"{}", "not a number up to the 2 bytes"),
        ("²", b"{}", "not a number"),
        (None, b"", "not JSON"),
        (None, b"[" * 100_000, "not JSON"),
        (None, b"[]", "must be an object"),
        (None, b'{"inputs":[' + b"[]," * 250_000 + b"[]]}", "more than 250,000 lists"),
        (None, b'{"inputs": ' + b"9" * 5000 + b"}", "not JSON"),
        (None, b'\xff{"inputs": []}', "not JSON"),
    ],
)
def test_broken_heads_are_refused(length: str | None, body: bytes, said: str, clients: Clients) -> None:
    headers = {} if length is None else {LENGTH: length.encode()}

    answer = clients("text").post("/v2/models/toys/infer", content=body, headers=headers)

    assert said in refusal(answer, 413 if "more than" in said else 400)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x02\0\0\0a", "ends within its string 0"),
        (b"\x02\0", "ends within its string 0"),
        (b"\xff\xff\xff\xffab", "ends within its string 0"),
        (b"", "holds 0 strings, but its shape says 1"),
        (b"\1\0\0\0a\1\0\0\0b", "more than 1 strings"),
    ],
)
def test_broken_strings_are_refused(data: bytes, said: str, clients: Clients) -> None:
    tensor = {**TEXT, "parameters": {"binary_data_size": len(data)}}
    del tensor["data"]
    head = json.dumps({"inputs": [tensor]}).encode()

    answer = clients("text").post(
        "/v2/models/toys/infer", content=head + data, headers={LENGTH: str(len(head))}
    )

    assert said in refusal(answer)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"outputs": [{"name": "labels"}]}, "output 'labels': did you mean 'label'?"),
        ({"outputs": [{"name": "label"}, {"name": "label"}]}, "twice"),
        ({"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, "binary_data must be true"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 3}}]}, "not here"),
        ({"outputs": {"name": "label"}}, "outputs must be a list"),
        ({"parameters": []}, "parameters must be an object"),
        ({"id": 7}, "id must be a string"),
        ({"id": "7" * 2000}, "id is longer"),
    ],
)
def test_outputs_that_there_are_not_are_refused(more: dict[str, Any], said: str, clients: Clients) -> None:
    assert said in refusal(infer(clients("text"), TEXT, **more))


def test_a_bad_file_is_named_and_the_request_refused(clients: Clients) -> None:
    good = base64.b64encode(toy_item("image")).decode()
    tensor = {"name": "data", "datatype": "BYTES", "shape": [2], "data": [good, good[:40]]}

    answer = infer(clients("image"), tensor)

    assert "item 1: " in refusal(answer, 422)
    assert "base64" in refusal(infer(clients("image"), {**tensor, "data": [good, "é"]}))


def test_limits_hold_here_too(serve: Serve, engines: Engines) -> None:
    with serve(engines("text"), max_files=2, max_mb=0.001) as client:
        tensor = {**TEXT, "shape": [3], "data": ["a", "b", "c"]}

        assert "more than 2" in refusal(infer(client, tensor), 413)
        assert "larger than" in refusal(infer(client, {**TEXT, "data": ["a" * 2000]}), 413)
        answer = client.post("/v2/models/toys/infer", content=b"x", headers={"Content-Encoding": "gzip"})
        assert "encoded as 'gzip'" in refusal(answer, 415)


@pytest.mark.parametrize("path", ["toy", "toys/versions/4", "toys@4", "toys/versions/latest"])
@pytest.mark.parametrize("end", ["", "/ready", "/infer"])
def test_other_models_are_not_here(path: str, end: str, clients: Clients) -> None:
    method = "POST" if end == "/infer" else "GET"

    assert "no " in refusal(clients("text").request(method, f"/v2/models/{path}{end}"), 404)


def test_a_model_has_its_whole_reference_as_a_name_too(clients: Clients) -> None:
    assert clients("text").get("/v2/models/toys@3").json()["name"] == "toys"


def test_the_metadata_tells_what_a_request_needs(clients: Clients, engines: Engines) -> None:
    for modality in MODALITIES:
        said = clients(modality).get("/v2/models/toys/versions/3").json()

        form = form_of(engines(modality).preparation)
        assert said["inputs"][1]["shape"] == [-1 if size is None else size for size in form.shape]
        assert [it["name"] for it in said["outputs"]] == ["probabilities", "embedding", "label"]
        assert said["outputs"][0]["shape"] == [-1, 3]


def test_openapi_is_valid_with_all_of_it(clients: Clients) -> None:
    for modality in MODALITIES:
        validate(clients(modality).get("/openapi.json").json())
