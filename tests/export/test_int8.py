from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.core.errors import BundleError
from holdfast.export import (
    dynamic_int8,
    export_onnx,
    fits_dynamic,
    fits_static,
    half_precision,
    hangs_on_batch,
    has_convolutions,
    has_tables,
    open_session,
    read_temperature,
    set_temperature,
    static_int8,
)
from holdfast.export.graphs import body, folded
from holdfast.models import build

NETWORKS: dict[str, tuple[str, Prepare]] = {
    "image": ("resnet_small", ImagePrepare(size=16)),
    "audio": (
        "mel_transformer_small",
        AudioPrepare(rate=8000, window_s=0.5, hop_s=0.25, n_fft=256, hop=128, mels=16, f_max=4000),
    ),
    "text": ("text_small", TextPrepare(max_tokens=64, vocab=300)),
}


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("graphs"), {}
    for kind, (name, prepare) in NETWORKS.items():
        torch.manual_seed(0)
        config = ModelConfig(name=name, width=16, depth=1)
        model = build(config, prepare, 3, 300 if kind == "text" else None).eval()
        with torch.no_grad():
            for weights in model.parameters():
                weights.add_(0.05 * torch.randn_like(weights))  # what begins as zeros says nothing
        found[kind] = folder / f"{kind}.onnx"
        export_onnx(model, found[kind], example=samples(kind, 2), task="single")
        set_temperature(found[kind], 1.25)
    return found


def samples(kind: str, count: int, *, length: int = 9, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "image":
        return rng.integers(0, 255, (count, 16, 16, 3), dtype=np.uint8)
    if kind == "audio":
        return (0.1 * rng.standard_normal((count, 4000))).astype(np.float32)
    return rng.integers(1, 300, (count, length))


def answers(graph: Path, batch: np.ndarray) -> np.ndarray:
    found: np.ndarray = open_session(graph).run(["probabilities"], {"input": batch})[0]
    return found


def kinds(graph: Path) -> dict[str, int]:
    """The type of each initializer."""
    return {entry.name: entry.data_type for entry in onnx.load(graph).graph.initializer}


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_static_graphs_answer_nearly_as_before(
    graphs: dict[str, Path], tmp_path: Path, kind: str, between: bool
) -> None:
    batches = [samples(kind, 8, seed=seed) for seed in range(4)]

    static_int8(graphs[kind], tmp_path / "small.onnx", batches, between=between)

    fresh = samples(kind, 16, seed=9)
    assert np.abs(answers(tmp_path / "small.onnx", fresh) - answers(graphs[kind], fresh)).max() < 0.05


def test_static_answers_do_not_depend_on_the_batch(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["image"], tmp_path / "small.onnx", [samples("image", 8)])

    batch = samples("image", 7, seed=1)
    together = answers(tmp_path / "small.onnx", batch)

    alone = np.concatenate([answers(tmp_path / "small.onnx", batch[at : at + 1]) for at in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not hangs_on_batch(tmp_path / "small.onnx")


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_ranges_can_be_taken_from_histograms(graphs: dict[str, Path], tmp_path: Path, method: str) -> None:
    batches = [samples("image", 8, seed=seed) for seed in range(6)]

    static_int8(graphs["image"], tmp_path / "small.onnx", batches, method=method, between=True)  # type: ignore[arg-type]

    fresh = samples("image", 16, seed=9)
    assert np.abs(answers(tmp_path / "small.onnx", fresh) - answers(graphs["image"], fresh)).max() < 0.1


def test_the_spectrum_and_the_last_layer_stay_in_float(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["audio"], tmp_path / "small.onnx", [samples("audio", 8)], between=True)

    found = kinds(tmp_path / "small.onnx")
    eight = {name for name, kind in found.items() if kind == TensorProto.INT8}
    assert found["model.front.kernels"] == TensorProto.FLOAT
    assert found["model.head.weight"] == TensorProto.FLOAT
    assert sum("model.body.stages" in name and name.endswith("_quantized") for name in eight) == 6


def test_the_first_layer_can_stay_in_float(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["image"], tmp_path / "small.onnx", [samples("image", 8)], first=False)

    floats = {name for name, kind in kinds(tmp_path / "small.onnx").items() if kind == TensorProto.FLOAT}
    assert any("stages.0.weight" in name and not name.endswith("_scale") for name in floats)
    assert not any("stages.3.first.weight" in n and not n.endswith("_scale") for n in floats)


def test_each_channel_has_a_range_of_its_own(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["image"], tmp_path / "small.onnx", [samples("image", 8)])

    proto = onnx.load(tmp_path / "small.onnx")
    scales = [
        numpy_helper.to_array(entry)
        for entry in proto.graph.initializer
        if "stages.3.first.weight" in entry.name and entry.name.endswith("_scale")
    ]
    assert [scale.shape for scale in scales] == [(16,)]


def test_seven_bits_leave_room(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["image"], tmp_path / "small.onnx", [samples("image", 8)], narrow=True)

    proto = onnx.load(tmp_path / "small.onnx")
    weights = [numpy_helper.to_array(e) for e in proto.graph.initializer if e.name.endswith("_quantized")]
    weights = [each for each in weights if each.dtype == np.int8]
    assert weights
    assert max(np.abs(each.astype(int)).max() for each in weights) <= 64


def test_batch_norms_are_folded_into_convolutions(graphs: dict[str, Path]) -> None:
    proto = folded(graphs["image"])

    assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}
    ops = [node.op_type for node in body(proto)]
    assert (ops[0], ops[-1]) == ("Conv", "ReduceMean")


def test_dynamic_graphs_hang_on_their_batch_and_say_so(graphs: dict[str, Path], tmp_path: Path) -> None:
    dynamic_int8(graphs["audio"], tmp_path / "small.onnx")

    fresh = samples("audio", 8, seed=9)
    assert np.abs(answers(tmp_path / "small.onnx", fresh) - answers(graphs["audio"], fresh)).max() < 0.05
    assert hangs_on_batch(tmp_path / "small.onnx")


def test_tables_of_embeddings_get_small_and_texts_keep_any_length(
    graphs: dict[str, Path], tmp_path: Path
) -> None:
    dynamic_int8(graphs["text"], tmp_path / "small.onnx")

    assert (tmp_path / "small.onnx").stat().st_size < 0.3 * graphs["text"].stat().st_size
    assert not hangs_on_batch(tmp_path / "small.onnx")
    for length in (1, 5, 40):
        texts = samples("text", 3, length=length)
        assert np.abs(answers(tmp_path / "small.onnx", texts) - answers(graphs["text"], texts)).max() < 0.02


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_half_precision_keeps_types_and_sums(graphs: dict[str, Path], tmp_path: Path, kind: str) -> None:
    half_precision(graphs[kind], tmp_path / "half.onnx")

    fresh = samples(kind, 8, seed=9)
    found = answers(tmp_path / "half.onnx", fresh)
    entries = [
        (entry.name, entry.type, entry.shape)
        for graph in (graphs[kind], tmp_path / "half.onnx")
        for session in [open_session(graph)]
        for entry in (*session.get_inputs(), *session.get_outputs())
    ]
    assert entries[:3] == entries[3:]
    assert np.abs(found - answers(graphs[kind], fresh)).max() < 2e-3
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)  # the activation is in float
    halves = [name for name, type_ in kinds(tmp_path / "half.onnx").items() if type_ == TensorProto.FLOAT16]
    assert halves
    assert not any("model.front" in name or "model.head" in name for name in halves)


def test_half_precision_of_a_table_is_refused(graphs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no layers that half precision would make smaller"):
        half_precision(graphs["text"], tmp_path / "half.onnx")


def test_the_temperature_stays_and_can_be_changed(graphs: dict[str, Path], tmp_path: Path) -> None:
    static_int8(graphs["image"], tmp_path / "small.onnx", [samples("image", 8)])
    before = answers(tmp_path / "small.onnx", samples("image", 2))

    assert read_temperature(tmp_path / "small.onnx") == pytest.approx(1.25)
    set_temperature(tmp_path / "small.onnx", 2.5)

    hotter = answers(tmp_path / "small.onnx", samples("image", 2))
    rooted = np.sqrt(before)  # twice the temperature is the root of each, normed
    np.testing.assert_allclose(hotter, rooted / rooted.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_same_samples_give_the_same_bytes(graphs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("one.onnx", "two.onnx"):
        static_int8(graphs["image"], tmp_path / name, [samples("image", 8)])

    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_what_fits_is_told_from_where_the_weights_are(graphs: dict[str, Path]) -> None:
    assert [fits_static(graphs[kind]) for kind in NETWORKS] == [True, True, False]
    assert [has_convolutions(graphs[kind]) for kind in NETWORKS] == [True, True, False]
    assert [fits_dynamic(graphs[kind]) for kind in NETWORKS] == [False, True, False]
    assert [has_tables(graphs[kind]) for kind in NETWORKS] == [False, False, True]


def test_a_graph_without_a_temperature_is_none_of_ours(graphs: dict[str, Path], tmp_path: Path) -> None:
    proto = onnx.load(graphs["image"])
    for entry in [entry for entry in proto.graph.initializer if entry.name == "temperature"]:
        entry.name = "other"
    for node in proto.graph.node:
        node.input[:] = ["other" if name == "temperature" else name for name in node.input]
    onnx.save(proto, tmp_path / "strange.onnx")

    with pytest.raises(BundleError, match='no initializer "temperature"'):
        dynamic_int8(tmp_path / "strange.onnx", tmp_path / "small.onnx")


def test_ranges_without_width_are_an_error_not_a_trace(graphs: dict[str, Path], tmp_path: Path) -> None:
    uneven = [samples("image", 8), samples("image", 3)]  # histograms need batches of one size

    with pytest.raises(BundleError, match="cannot be written in eight bits"):
        static_int8(graphs["image"], tmp_path / "small.onnx", uneven, method="entropy")
