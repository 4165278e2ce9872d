"""Graphs in half precision (fp16): half the size, faster on a GPU, and slower on nearly every CPU."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from onnx import helper, shape_inference

from holdfast.core.errors import BundleError
from holdfast.export.graphs import EMBEDDING, body, finished, folded


def half_precision(graph: Path, path: Path) -> None:
    """Write a graph whose network computes in half precision; what comes before and after it does not.

    Input and outputs keep their types. Only the network itself is converted: the input of a sound would
    lose its soft parts, and probabilities would not add up to 1.

    Args:
        graph: as `export_onnx` wrote it; stays as it is.
        path: of the new graph.

    Raises:
        BundleError: if there is nothing in it to convert.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    source = shape_inference.infer_shapes(folded(graph))
    inside = body(source)
    if not any(node.op_type in ("Conv", "MatMul", "Gemm") for node in inside):
        raise BundleError(f"{graph} has no layers that half precision would make smaller", hint="try --int8")
    halved = convert_float_to_float16(_part(source, inside), keep_io_types=True)
    names = {node.name for node in inside}
    outside = [node for node in source.graph.node if node.name not in names]
    read = {name for node in outside for name in node.input}
    kept = [entry for entry in source.graph.initializer if entry.name in read]
    weights = {entry.name: entry for entry in (*halved.graph.initializer, *kept)}
    nodes = _in_order([*outside, *halved.graph.node], source.graph, set(weights))
    joined = helper.make_graph(
        nodes, "holdfast", source.graph.input, source.graph.output, list(weights.values())
    )
    made = helper.make_model(joined, ir_version=source.ir_version, opset_imports=source.opset_import)
    with TemporaryDirectory() as folder:
        onnx.save(made, Path(folder) / "made.onnx")
        finished(Path(folder) / "made.onnx", graph, path)


def _part(source: onnx.ModelProto, nodes: Sequence[Any]) -> onnx.ModelProto:
    """These nodes as a graph of their own, from what comes into them to the embedding."""
    known = {entry.name: entry for entry in source.graph.initializer}
    made = {name for node in nodes for name in node.output}
    read = dict.fromkeys(name for node in nodes for name in node.input if name)
    kinds = {entry.name: entry for entry in [*source.graph.input, *source.graph.value_info]}
    graph = helper.make_graph(
        nodes,
        "body",
        [kinds[name] for name in read if name not in made and name not in known],
        [entry for entry in source.graph.output if entry.name == EMBEDDING],
        [known[name] for name in read if name in known],
        value_info=[entry for entry in source.graph.value_info if entry.name in made],
    )
    return helper.make_model(graph, ir_version=source.ir_version, opset_imports=source.opset_import)


def _in_order(nodes: Sequence[Any], graph: onnx.GraphProto, known: set[str]) -> list[Any]:
    """Each node after those that it reads from."""
    ready = {entry.name for entry in graph.input} | known | {""}
    left, ordered = list(nodes), []
    while left:
        now = [node for node in left if ready.issuperset(node.input)]
        if not now:
            raise BundleError("the halved graph does not hold together", hint="report this")
        ordered += now
        ready |= {name for node in now for name in node.output}
        names = {node.name for node in now}
        left = [node for node in left if node.name not in names]
    return ordered
