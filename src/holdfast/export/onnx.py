"""One ONNX graph from decoded input to calibrated probabilities and the embedding before them."""

import copy
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from holdfast.core.errors import HoldfastError
from holdfast.core.files import write_bytes
from holdfast.core.media import Task
from holdfast.export.graphs import put_temperature, write_temperature
from holdfast.models import Classifier

_OPSET = 18  # the one that torch's own translations are written in; read by onnxruntime since 1.14
_TOLERANCE = 1e-4
# The sizes to trace with: never 1, nor equal, as torch takes such sizes for constants.
_TRACED_BATCH, _SHORTEST, _TRACED_LENGTH = 3, 4, 11
_OUTPUTS = ("probabilities", "embedding")
_TEMPORARY = "holdfast.output."


def export_onnx(model: Classifier, path: Path, *, example: np.ndarray, task: Task) -> None:
    """Write a network as a graph and check it against the network, at several sizes of the batch.

    The graph takes "input" and gives "probabilities" of shape (n, labels) and "embedding" of shape
    (n, width). The size of the batch is free, and for text the length too. The activation is inside,
    and so is a "temperature" of 1, which `set_temperature` changes. The same weights give the same bytes.

    Args:
        example: a batch as `Preparation.collate` gives it: at least one real sample.

    Raises:
        HoldfastError: if graph and network differ by more than 1e-4 anywhere.
    """
    wrapped = _Served(copy.deepcopy(model).cpu().eval(), task)
    length = min(max(example.shape[1], _SHORTEST), _TRACED_LENGTH)
    proto = _trace(wrapped, _resized(example, _TRACED_BATCH, length))
    _rename(proto)
    _strip(proto)
    put_temperature(proto, 1.0)
    data = proto.SerializeToString(deterministic=True)
    _check(data, wrapped, example)
    write_bytes(path, data)


def set_temperature(path: Path, value: float) -> None:
    """Change the temperature of a graph, atomically, and nothing else of it.

    Args:
        value: logits are divided by it; above 1 makes the probabilities more modest.

    Raises:
        ValueError: if the value is not a positive number, or the graph has no temperature.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a temperature is a positive number, got {value}")
    write_temperature(path, value)


def torch_probabilities(model: Classifier, batch: np.ndarray, temperature: float, task: Task) -> np.ndarray:
    """The training code's own probabilities, for comparison with the graph's; shape (n, labels)."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(batch).to(device))
        answer: np.ndarray = _activation(logits.float() / temperature, task).cpu().numpy()
    model.train(was_training)
    return answer


class _Served(nn.Module):
    """What is served: the network, then temperature and activation."""

    temperature: Tensor

    def __init__(self, model: Classifier, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task
        # Not 1 while exporting: the exporter would see a division by one, and leave it out.
        self.register_buffer("temperature", torch.tensor(1.5))

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = self.model(batch)
        return _activation(logits / self.temperature, self.task), embedding


def _activation(logits: Tensor, task: Task) -> Tensor:
    return logits.softmax(dim=-1) if task == "single" else logits.sigmoid()


def _trace(wrapped: _Served, example: np.ndarray) -> onnx.ModelProto:
    dynamic = torch.export.Dim.DYNAMIC
    free = {0: dynamic, 1: dynamic} if _is_text(example) else {0: dynamic}
    with _quiet():
        program = torch.onnx.export(
            wrapped,
            (torch.from_numpy(example),),
            dynamo=True,  # the older exporter freezes the length of a text inside attention layers
            opset_version=_OPSET,
            input_names=["input"],
            output_names=[_TEMPORARY + name for name in _OUTPUTS],
            dynamic_shapes=(free,),
            optimize=False,
            verbose=False,
        )
        assert program is not None
        # Of onnxscript's optimiser only what is exact: the rest takes `x + 1e-8` for `x`, and what keeps
        # a silent sound from a division by zero would be gone. onnxruntime fuses layers on loading.
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    return program.model_proto


def _rename(proto: onnx.ModelProto) -> None:
    """Give outputs and free sizes their names; what the exporter called so inside gets out of the way.

    It names values after layers and functions: any text model has an inner "embedding".
    """
    names = {name: f"inner.{name}" for name in _OUTPUTS}
    names |= {_TEMPORARY + name: name for name in _OUTPUTS}
    for node in _nodes(proto):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for entry in [*proto.graph.output, *proto.graph.initializer]:
        entry.name = names.get(entry.name, entry.name)
    for entry in [*proto.graph.input, *proto.graph.output]:
        for size, name in zip(entry.type.tensor_type.shape.dim, ("n", "tokens"), strict=False):
            if size.HasField("dim_param"):
                size.dim_param = name


def _strip(proto: onnx.ModelProto) -> None:
    """Leave out what changes no answer: stack traces with this machine's paths, versions, notes."""
    for field in ("producer_name", "producer_version", "domain", "doc_string", "metadata_props"):
        proto.ClearField(field)
    proto.graph.name = "holdfast"
    for field in ("doc_string", "metadata_props", "value_info"):
        proto.graph.ClearField(field)
    graph = proto.graph
    for entry in [*graph.input, *graph.output, *graph.initializer, *_nodes(proto), *proto.functions]:
        entry.ClearField("doc_string")
        entry.ClearField("metadata_props")


def _nodes(proto: onnx.ModelProto) -> Iterator[Any]:
    """Every node, also those inside branches, loops and functions."""
    graphs: list[Any] = [proto.graph, *proto.functions]
    while graphs:
        for node in graphs.pop().node:
            yield node
            for attribute in node.attribute:
                graphs += [attribute.g] if attribute.HasField("g") else []
                graphs += attribute.graphs


def _check(data: bytes, wrapped: _Served, example: np.ndarray) -> None:
    """Compare graph and network on batches of 1, 2 and 7: of texts of several lengths, or of nothing too."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wrapped.temperature.fill_(1.0)
    longest = max(example.shape[1], _SHORTEST)
    batches = [_resized(example, size, longest) for size in (1, 2, 7)]
    if _is_text(example):
        batches += [batch[:, :length] for batch in batches for length in (longest // 2, 1)]
    else:
        batches.append(np.zeros_like(batches[0]))  # silence, or a black picture
    for batch in batches:
        with torch.no_grad():
            expected = wrapped(torch.from_numpy(batch))
        found = session.run(list(_OUTPUTS), {"input": batch})
        for name, ours, theirs in zip(_OUTPUTS, found, expected, strict=True):
            _close(name, ours, theirs.numpy(), f"a batch of shape {batch.shape}")


def _close(name: str, graph: np.ndarray, network: np.ndarray, where: str) -> None:
    difference = abs(graph - network).max() if graph.shape == network.shape else np.inf
    scale = max(1.0, float(abs(network).max()))
    if not difference <= _TOLERANCE * scale:  # so written, NaN is refused too
        raise HoldfastError(
            f"the exported graph and the network differ by {difference:.3g} in {name!r} on {where}",
            hint="look for layers that depend on the batch, on the training mode or on chance",
        )


def _resized(example: np.ndarray, batch: int, length: int) -> np.ndarray:
    """The example's samples over and over, cut or repeated to a size; only texts have a free length.

    Sounds get some noise, 60 dB below their peak: a pure tone has bands with nothing but rounding
    errors in them, and the logarithm in a spectrum would make those of graph and network look different.
    """
    rows = np.resize(example, (batch, *example.shape[1:]))
    if example.dtype == np.float32:
        noise = np.random.default_rng(0).standard_normal(rows.shape, np.float32)
        rows = rows + 1e-3 * (float(abs(rows).max()) or 1.0) * noise
    if _is_text(example):
        rows = np.concatenate([rows] * -(-length // rows.shape[1]), axis=1)[:, :length]
    return np.ascontiguousarray(rows, example.dtype)


def _is_text(example: np.ndarray) -> bool:
    return example.dtype == np.int64


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on missing packages and its own deprecations off the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
