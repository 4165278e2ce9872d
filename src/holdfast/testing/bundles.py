"""Small real bundles, made without training, for tests of what reads bundles."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bundle import Manifest, seal, write_abstention
from holdfast.config.schema import AudioPrepare, ImagePrepare, TextPrepare
from holdfast.core.files import write_bytes, write_json
from holdfast.core.media import Modality, Task
from holdfast.evaluate import Conformal

_WIDTH = 8
_IR, _OPSET = 9, 17
_TEXTS = (
    "a salt wave over the old harbour and a gull near the boat",
    "the stone path under the ridge and a sheep near the summit",
    "fish and tide, sail and wave: the sea with a new boat",
    "heather on the slope, a cliff over the hill, a path of stone",
)


def toy_bundle(
    folder: Path,
    *,
    modality: Modality = "image",
    task: Task = "single",
    labels: Sequence[str] = ("disc", "square"),
    evaluation: dict[str, Any] | None = None,
    parity: dict[str, float] | None = None,
    abstention: Conformal | None = None,
    seed: int = 0,
) -> Path:
    """A sealed bundle in a new folder, whose graph has random weights but every part of a real one.

    Args:
        folder: becomes the bundle; must not be there yet.
        evaluation: by default that of a model which beats its baselines; `{}` leaves it out.
        parity: by default as good as it gets; `{}` leaves it out.
        abstention: when it is not sure; it does not know by default.
        seed: another one gives other weights, and so other digests.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    evaluation = toy_evaluation(task=task, labels=labels) if evaluation is None else evaluation
    prepare: ImagePrepare | AudioPrepare | TextPrepare
    if modality == "image":
        prepare = ImagePrepare(size=16)
        _write_graph(folder, _image_body(), 3, ["n", 16, 16, 3], np.uint8, task, labels, rng)
    elif modality == "audio":
        prepare = AudioPrepare(rate=8000, window_s=0.5, hop_s=0.25, n_fft=256, hop=128, mels=8, f_max=4000)
        _write_graph(folder, _audio_body(), _WIDTH, ["n", 4000], np.float32, task, labels, rng)
    else:
        prepare = TextPrepare(max_tokens=32, vocab=300)
        tokens = _write_tokenizer(folder, prepare.vocab)
        body = _text_body(rng.standard_normal((tokens, _WIDTH)).astype(np.float32))
        _write_graph(folder, body, _WIDTH, ["n", "tokens"], np.int64, task, labels, rng)
    if evaluation:
        write_json(folder / "evaluation.json", evaluation)
    if abstention:
        write_abstention(folder / "abstention.json", abstention)
    manifest = Manifest(
        task=task,
        modality=modality,
        labels=list(labels),
        prepare=prepare,
        thresholds=[0.5] * len(labels) if task == "multi" else None,
        provenance=toy_provenance(seed),
        metrics=evaluation.get("metrics", {}),
        parity={"max_difference": 1e-7, "equal_labels": 1.0, "samples": 100}
        if parity is None
        else parity or None,
    )
    seal(folder, manifest)
    return folder


def toy_evaluation(
    *,
    value: float = 0.9,
    majority: float = 0.5,
    simple: float | None = 0.7,
    spread: float = 0.03,
    task: Task = "single",
    labels: Sequence[str] = ("disc", "square"),
) -> dict[str, Any]:
    """An evaluation report in which every metric is `value` ± `spread`, beside its baselines.

    Args:
        simple: None leaves the baseline of simple features out.
    """

    def metrics(level: float) -> dict[str, dict[str, float]]:
        one = {"value": level, "low": max(0.0, level - spread), "high": min(1.0, level + spread)}
        return {name: dict(one) for name in ("accuracy", "macro_f1", "auroc", "average_precision")}

    names = ("precision", "recall", "f1", "average_precision", "auroc")
    return {
        "headline": "macro_f1" if task == "single" else "average_precision",
        "metrics": metrics(value),
        "metrics_with_twins": None,
        "baselines": {
            "majority": metrics(majority),
            **({} if simple is None else {"simple": metrics(simple)}),
        },
        "per_class": [{"label": name, "support": 50, **dict.fromkeys(names, value)} for name in labels],
        "confusion": np.diag([50] * len(labels)).tolist() if task == "single" else None,
        "calibration": {"before": 0.08, "after": 0.03, "temperature": 1.5},
        "samples": 50 * len(labels),
        "left_out_twins": 0,
    }


def toy_provenance(seed: int = 0) -> dict[str, Any]:
    """Where a toy bundle would come from."""
    return {
        "run": f"toy-20260101-000000-{seed:04x}",
        "dataset": "toy",
        "version": 1,
        "fingerprint": "f" * 64,
        "git_commit": None,
        "diff_digest": None,
        "environment_digest": "e" * 64,
        "created": "2026-01-01T00:00:00+00:00",
    }


def toy_item(modality: Modality, seed: int = 0) -> bytes:
    """The bytes of a small picture (PNG), a sound (WAV, half a second to two) or a text."""
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    if modality == "image":
        from PIL import Image

        Image.fromarray(rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)).save(file, "PNG")
    elif modality == "audio":
        import soundfile

        length = int(rng.integers(4000, 16000))
        tone = np.sin(np.arange(length) * rng.uniform(0.05, 0.5)) * rng.uniform(0.1, 0.9)
        tone += 0.02 * rng.standard_normal(length)
        soundfile.write(file, tone.astype(np.float32), 8000, format="WAV")
    else:
        words = " ".join(_TEXTS).split()
        return " ".join(rng.choice(words, rng.integers(1, 24))).encode()
    return file.getvalue()


def _write_tokenizer(folder: Path, vocab: int) -> int:
    from tokenizers import Tokenizer

    from holdfast.modality import learn_tokenizer

    content = learn_tokenizer(_TEXTS, vocab)
    write_bytes(folder / "tokenizer.json", content)
    return int(Tokenizer.from_str(content.decode()).get_vocab_size())


_Body = tuple[list[Any], dict[str, np.ndarray]]
"""Nodes from "input" to "embedding", and their initializers."""


def _image_body() -> _Body:
    from onnx import helper

    nodes = [
        helper.make_node("Cast", ["input"], ["float"], to=1),
        helper.make_node("Div", ["float", "white"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled"], ["embedding"], axes=[1, 2], keepdims=0),
    ]
    return nodes, {"white": np.array(255, np.float32)}


def _audio_body() -> _Body:
    from onnx import helper

    nodes = [
        helper.make_node("Abs", ["input"], ["loud"]),
        helper.make_node("Reshape", ["loud", "chunks"], ["chunked"]),
        helper.make_node("ReduceMean", ["chunked"], ["embedding"], axes=[2], keepdims=0),
    ]
    return nodes, {"chunks": np.array([0, _WIDTH, -1], np.int64)}


def _text_body(table: np.ndarray) -> _Body:
    from onnx import helper

    nodes = [
        helper.make_node("Gather", ["table", "input"], ["vectors"]),
        helper.make_node("Cast", ["input"], ["ids"], to=1),
        helper.make_node("Sign", ["ids"], ["mask"]),  # 0 only for padding, whose id is 0
        helper.make_node("Unsqueeze", ["mask", "last"], ["columns"]),
        helper.make_node("Mul", ["vectors", "columns"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "tokens"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "tokens"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "one"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["embedding"]),
    ]
    constants = {"last": np.array([2]), "tokens": np.array([1]), "one": np.array(1, np.float32)}
    return nodes, {"table": table, **constants}


def _write_graph(
    folder: Path,
    body: _Body,
    width: int,
    shape: list[Any],
    dtype: type,
    task: Task,
    labels: Sequence[str],
    rng: np.random.Generator,
) -> None:
    from onnx import checker, helper, numpy_helper

    nodes, constants = body
    head = [
        helper.make_node("MatMul", ["embedding", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax" if task == "single" else "Sigmoid", ["calibrated"], ["probabilities"]),
    ]
    initializers = {
        **constants,
        "weight": rng.standard_normal((width, len(labels))).astype(np.float32),
        "bias": rng.standard_normal(len(labels)).astype(np.float32) / 4,
        "temperature": np.array(1, np.float32),
    }
    graph = helper.make_graph(
        [*nodes, *head],
        "toy",
        [helper.make_tensor_value_info("input", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)],
        [
            helper.make_tensor_value_info("probabilities", 1, ["n", len(labels)]),
            helper.make_tensor_value_info("embedding", 1, ["n", width]),
        ],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    model = helper.make_model(graph, ir_version=_IR, opset_imports=[helper.make_opsetid("", _OPSET)])
    checker.check_model(model)
    write_bytes(folder / "model.onnx", model.SerializeToString())
