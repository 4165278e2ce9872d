"""Served graphs as material: folded, told apart into parts, and made fit to be served again."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from holdfast.core.errors import BundleError
from holdfast.core.files import write_bytes

EMBEDDING = "embedding"
TEMPERATURE = "temperature"
_OURS = "model.body."
_APART = 1.618034
"""A temperature that no other number is equal to: equal ones would be joined, and ones left out."""
_KEPT = ["ConstantSharing"]


def folded(path: Path) -> onnx.ModelProto:
    """The graph of a bundle with constants computed and batch norms folded into their convolutions.

    Its temperature is any number; `finished` puts the right one back.

    Raises:
        BundleError: if it is not such a graph as `export_onnx` writes.
    """
    import onnxruntime

    proto = onnx.load(path)
    temperature(proto)
    put_temperature(proto, _APART)
    with TemporaryDirectory() as folder:
        written = Path(folder) / "folded.onnx"
        options = _quiet_options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(written)
        onnxruntime.InferenceSession(
            proto.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_KEPT,
        )
        found = onnx.load(written)
    for number, node in enumerate(found.graph.node):
        node.name = node.name or f"node_{number}"
    return found


def body(proto: onnx.ModelProto) -> list[Any]:
    """The nodes in which the network itself is: from its first weights to the embedding.

    What prepares the input comes before, such as the spectrum of a sound; the last layer, the temperature
    and the activation come after.
    """
    known = {entry.name for entry in proto.graph.initializer}
    # Folding names what it makes after what it was made from
    begun = {name for name in known if _OURS in name} or {name for name, _ in _matrices(proto)}
    below, reached = [], set(begun)
    for node in proto.graph.node:
        if reached.intersection(node.input):
            below.append(node)
            reached.update(node.output)
    inside, wanted = [], {EMBEDDING}
    for node in reversed(below):
        if wanted.intersection(node.output):
            inside.append(node)
            wanted.update(node.input)
    return inside[::-1]


def sizes(proto: onnx.ModelProto) -> dict[str, int]:
    """How many numbers each initializer holds that is a matrix or larger."""
    return {name: int(np.prod(shape)) for name, shape in _matrices(proto)}


def finished(made: Path, source: Path, path: Path) -> None:
    """Make what an optimiser wrote fit to be served: names, free sizes and temperature as in the source.

    Raises:
        BundleError: if it does not run, or an answer depends on the batch in shape.
    """
    proto, original = onnx.load(made), onnx.load(source)
    for field in ("producer_name", "producer_version", "domain", "doc_string", "metadata_props"):
        proto.ClearField(field)
    proto.graph.name = original.graph.name
    proto.graph.ClearField("value_info")
    for entries, theirs in (
        (proto.graph.input, original.graph.input),
        (proto.graph.output, original.graph.output),
    ):
        kinds = {entry.name: entry.type for entry in theirs}
        for entry in entries:
            entry.type.CopyFrom(kinds[entry.name])
    _drop_unused_operators(proto)
    # onnxruntime writes them in any order
    ordered = sorted(proto.graph.initializer, key=lambda entry: entry.name)
    proto.graph.ClearField("initializer")
    proto.graph.initializer.extend(ordered)
    put_temperature(proto, temperature(original))
    data = proto.SerializeToString(deterministic=True)
    _check(data, proto, path)
    write_bytes(path, data)


def temperature(proto: onnx.ModelProto) -> float:
    """What a graph divides its logits by.

    Raises:
        BundleError: if it says so nowhere.
    """
    for entry in proto.graph.initializer:
        if entry.name == TEMPERATURE:
            return float(numpy_helper.to_array(entry))
    raise BundleError(
        'the graph has no initializer "temperature"', hint="it is not one of Holdfast's: train again"
    )


def put_temperature(proto: onnx.ModelProto, value: float) -> None:
    """Change the temperature of a graph that has one."""
    for entry in proto.graph.initializer:
        if entry.name == TEMPERATURE:
            entry.CopyFrom(numpy_helper.from_array(np.array(value, np.float32), TEMPERATURE))
            return
    raise ValueError('the graph has no initializer "temperature"')


def read_temperature(path: Path) -> float:
    """The temperature of a graph in a file."""
    return temperature(onnx.load(path))


def write_temperature(path: Path, value: float) -> None:
    """Change the temperature of a graph in a file, atomically, and nothing else of it."""
    proto = onnx.load(path)
    put_temperature(proto, value)
    write_bytes(path, proto.SerializeToString(deterministic=True))


def open_session(graph: Path | bytes) -> Any:
    """A session of onnxruntime on one core, as many requests at once have it."""
    import onnxruntime

    return onnxruntime.InferenceSession(
        os.fspath(graph) if isinstance(graph, Path) else graph,
        _quiet_options(),
        providers=["CPUExecutionProvider"],
    )


def _quiet_options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _matrices(proto: onnx.ModelProto) -> Iterable[tuple[str, tuple[int, ...]]]:
    for entry in proto.graph.initializer:
        if entry.data_type == onnx.TensorProto.FLOAT and len(entry.dims) > 1:
            yield entry.name, tuple(entry.dims)


def _drop_unused_operators(proto: onnx.ModelProto) -> None:
    """onnxruntime declares all families of operators that it knows, and other runtimes do not know them."""
    used = {node.domain for node in proto.graph.node} | {""}
    kept = [entry for entry in proto.opset_import if entry.domain in used]
    proto.ClearField("opset_import")
    proto.opset_import.extend(kept)


def _check(data: bytes, proto: onnx.ModelProto, path: Path) -> None:
    """Run it on batches of several sizes, and see that no two things have one name."""
    names = [entry.name for entry in [*proto.graph.output, *proto.graph.initializer]]
    if len(set(names)) != len(names):
        raise BundleError(f"{path}: an output and an initializer share a name", hint="report this")
    session = open_session(data)
    entry = session.get_inputs()[0]
    kind = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int64)": np.int64}[entry.type]
    for batch in (1, 3):
        shape = [batch, *(size if isinstance(size, int) else 5 for size in entry.shape[1:])]
        found = session.run(None, {"input": np.ones(shape, kind)})
        if any(len(rows) != batch for rows in found):
            raise BundleError(f"{path}: the size of its batch is not free", hint="report this")
