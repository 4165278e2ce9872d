"""Graphs in eight-bit numbers: static for what has convolutions, dynamic for what multiplies matrices.

*Static*: each value that flows between layers has a fixed range, measured on real samples beforehand; the
graph holds pairs that go to eight bits and back (QDQ), which onnxruntime joins with the layers between them.
*Dynamic*: weights are stored in eight bits, and the range of what comes in is taken at each run, over the
whole batch; an answer would depend a little on what else is in it, so the engine runs such a graph on one
sample at a time.
"""

import io
import logging
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx

from holdfast.core.errors import BundleError
from holdfast.export.graphs import body, finished, folded, sizes

Method = Literal["minmax", "percentile", "entropy"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy")

_CONVOLUTIONS, _PRODUCTS = ("Conv",), ("MatMul", "Gemm")
_BETWEEN = ("Add", "Mul", "Relu", "Clip", "AveragePool", "GlobalAveragePool", "MaxPool", "Concat")
_LARGE_TABLE = 50_000
"""Numbers of a table of embeddings from which it pays to store it in eight bits."""
_WORTH = 0.2
"""Share of a graph's weights that must be in layers of a kind."""
_PERCENTILE = 99.99
_AT_ONCE = 4
"""Batches whose inner values are in memory together while ranges are measured."""


def fits_static(graph: Path) -> bool:
    """Whether enough of a graph's weights are in convolutions and matrix products."""
    return _share(graph, (*_CONVOLUTIONS, *_PRODUCTS)) >= _WORTH


def fits_dynamic(graph: Path) -> bool:
    """Whether enough of a graph's weights are in matrix products."""
    return _share(graph, _PRODUCTS) >= _WORTH


def has_tables(graph: Path) -> bool:
    """Whether enough of a graph's weights are in large tables of embeddings."""
    proto = onnx.load(graph)
    known = sizes(proto)
    held = sum(known[node.input[0]] for node in _tables(proto))
    return held >= _WORTH * max(1, sum(known.values()))


def has_convolutions(graph: Path) -> bool:
    """Whether enough of a graph's weights are in convolutions for what lies between them to matter."""
    return _share(graph, _CONVOLUTIONS) >= _WORTH


def static_int8(
    graph: Path,
    path: Path,
    batches: Sequence[np.ndarray],
    *,
    method: Method = "minmax",
    between: bool = False,
    first: bool = True,
    narrow: bool = False,
) -> None:
    """Write a graph in eight bits whose ranges fit real samples; weights have a range for each channel.

    What prepares the input, the last layer, the temperature and the activation stay in float.

    Args:
        graph: as `export_onnx` wrote it; stays as it is.
        path: of the new graph.
        batches: of training samples, as the graph takes them.
        method: how ranges are taken: all that was seen, all but the outermost 0.01 %, or those that lose
            the least information.
        between: whether sums, activations and pools between the layers are in eight bits too.
        first: whether the first layer is in eight bits too: it is small, and all that follows hangs on it.
        narrow: weights of seven bits, for processors whose eight-bit products saturate.

    Raises:
        BundleError: if it cannot be done, such as where a range has no width.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    source = folded(graph)
    kinds = (*_CONVOLUTIONS, *_PRODUCTS, *(_BETWEEN if between else ()))
    inside = body(source)
    large = [node.name for node in inside if node.op_type in (*_CONVOLUTIONS, *_PRODUCTS)]
    nodes = large if first else large[1:]
    nodes += _between(inside) if between else []
    with TemporaryDirectory() as folder, _quantizing():
        before, made = Path(folder) / "before.onnx", Path(folder) / "made.onnx"
        onnx.save(source, before)
        reader = _reader(batches)
        quantize_static(
            before,
            made,
            reader,
            quant_format=QuantFormat.QDQ,
            calibrate_method={
                "minmax": CalibrationMethod.MinMax,
                "percentile": CalibrationMethod.Percentile,
                "entropy": CalibrationMethod.Entropy,
            }[method],
            op_types_to_quantize=list(kinds),
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=narrow,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "MatMulConstBOnly": True,
                # Otherwise all inner values of all samples would be in memory: 45 MB each for ResNet-50
                "CalibStridedMinMax": reader.stride,
                "CalibPercentile": _PERCENTILE,
            },
        )
        finished(made, graph, path)


def dynamic_int8(graph: Path, path: Path, *, products: bool = True, narrow: bool = False) -> None:
    """Write a graph whose matrices and large tables are stored in eight bits; convolutions stay in float.

    Convolutions that take their range at each run are six times slower than those in float.

    Args:
        graph: as `export_onnx` wrote it; stays as it is.
        path: of the new graph.
        products: whether matrices are, too; tables alone take no ranges from what comes in.
        narrow: weights of seven bits, for processors whose eight-bit products saturate.

    Raises:
        BundleError: if it cannot be done.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = folded(graph)
    nodes = [node.name for node in _tables(source)]
    nodes += [node.name for node in body(source) if products and node.op_type in _PRODUCTS]
    with TemporaryDirectory() as folder, _quantizing():
        before, made = Path(folder) / "before.onnx", Path(folder) / "made.onnx"
        onnx.save(source, before)
        quantize_dynamic(
            before,
            made,
            op_types_to_quantize=[*_PRODUCTS, "Gather"],
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=narrow,
            weight_type=QuantType.QInt8,  # unsigned ones are no faster than float here
            extra_options={"MatMulConstBOnly": True},
        )
        finished(made, graph, path)


def hangs_on_batch(graph: Path) -> bool:
    """Whether an answer depends on what else is in its batch: ranges are taken from all of it at once."""
    return any(node.op_type == "DynamicQuantizeLinear" for node in onnx.load(graph).graph.node)


def saturates() -> bool:
    """Whether this processor adds eight-bit products up in sixteen bits, which overflow: x86 without VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # not known, and seven bits are safe


def _between(nodes: Sequence[Any]) -> list[str]:
    """The sums, activations and pools that convolutions lead to, with nothing else on the way.

    Others are not for eight bits: masks and scores of attention, whose numbers lie far apart.
    """
    reached: set[str] = set()
    found = []
    for node in nodes:
        follows = node.op_type in _BETWEEN and reached.intersection(node.input)
        if follows or node.op_type in _CONVOLUTIONS:
            reached.update(node.output)
        if follows:
            found.append(node.name)
    return found


def _tables(proto: onnx.ModelProto) -> list[Any]:
    """The nodes that look something up in a large table."""
    known = sizes(proto)
    return [
        node
        for node in proto.graph.node
        if node.op_type == "Gather" and known.get(node.input[0], 0) > _LARGE_TABLE
    ]


def _share(graph: Path, kinds: Sequence[str]) -> float:
    """Share of the network's weights that layers of these kinds hold."""
    proto = onnx.load(graph)
    known = sizes(proto)
    nodes: list[Any] = [*body(proto), *(node for node in proto.graph.node if node.op_type == "Gather")]
    every = {name for node in nodes for name in node.input if name in known}
    held = {name for node in nodes if node.op_type in kinds for name in node.input if name in known}
    return sum(known[name] for name in held) / max(1, sum(known[name] for name in every))


def _reader(batches: Sequence[np.ndarray]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the batches, some at a time: as many as divide them evenly."""

        def __init__(self) -> None:
            self.stride = max(size for size in range(1, _AT_ONCE + 1) if len(batches) % size == 0)
            self._rest: Iterator[np.ndarray] = iter(batches)

        def __len__(self) -> int:
            return len(batches)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._rest = iter(batches[start_index:end_index])

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._rest, None)
            return None if batch is None else {"input": batch}

    return Reader()


@contextmanager
def _quantizing() -> Iterator[None]:
    """Keep what the quantizer logs (to the root) and prints to itself, but not its errors."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    except BundleError:
        raise
    except Exception as error:  # of numpy, onnx and onnxruntime: a range without width, an unknown layer
        raise BundleError(
            f"it cannot be written in eight bits: {str(error).splitlines()[0]}",
            hint="it can be served as it is",
        ) from error
    finally:
        logging.disable(before)
