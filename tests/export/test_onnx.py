import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from holdfast.bundle import Manifest, open_bundle, seal
from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.core.errors import HoldfastError
from holdfast.core.media import Modality
from holdfast.export import export_onnx, set_temperature, torch_probabilities
from holdfast.modality import learn_tokenizer, prepare
from holdfast.models import Classifier, build
from holdfast.serve.engine import Engine
from holdfast.testing.bundles import toy_item

LABELS = ["a", "b", "c"]
PREPARES: dict[Modality, tuple[str, Prepare]] = {
    "image": ("resnet_small", ImagePrepare(size=24)),
    "audio": (
        "mel_transformer_small",
        AudioPrepare(rate=8000, window_s=0.5, hop_s=0.25, n_fft=256, hop=128, f_max=4000),
    ),
    "text": ("text_small", TextPrepare(max_tokens=64, vocab=300)),
}


@pytest.fixture(scope="module", params=PREPARES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Classifier, Engine]:
    folder = tmp_path_factory.mktemp("exported")
    modality: Modality = request.param
    name, settings = PREPARES[modality]
    vocab = None
    if modality == "text":
        texts = [toy_item("text", seed).decode() for seed in range(20)]
        (folder / "tokenizer.json").write_bytes(learn_tokenizer(texts, 300))
        vocab = 300
    preparation = prepare(settings, (folder / "tokenizer.json").read_bytes() if vocab else None)
    example = preparation.collate([preparation.decode(toy_item(modality))[0]])
    model = _alive(lambda: build(ModelConfig(name=name, width=16, depth=2), settings, len(LABELS), vocab))
    export_onnx(model, folder / "model.onnx", example=example, task="single")
    seal(folder, Manifest(task="single", modality=modality, labels=LABELS, prepare=settings))
    return model, Engine(open_bundle(folder))


def test_the_graph_answers_as_the_training_code_does(exported: tuple[Classifier, Engine]) -> None:
    model, engine = exported
    decoded = [engine.decode(toy_item(engine.manifest.modality, seed)) for seed in range(9)]

    served = engine.predict_parts(decoded)

    expected = [torch_probabilities(model, parts, 1.0, "single").mean(axis=0) for parts in decoded]
    np.testing.assert_allclose(served.probabilities, expected, atol=1e-5)
    assert np.ptp(served.probabilities, axis=0).max() > 1e-3, "the samples look alike, so this shows nothing"


def test_the_size_of_the_batch_is_free_and_the_names_are_plain(exported: tuple[Classifier, Engine]) -> None:
    graph = onnx.load(exported[1].bundle.model).graph

    sizes = [size.dim_param or size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]

    assert sizes[0] == "n"
    assert exported[1].manifest.modality != "text" or sizes == ["n", "tokens"]
    assert [entry.name for entry in graph.output] == ["probabilities", "embedding"]
    assert not {entry.name for entry in graph.initializer} & {entry.name for entry in graph.output}


def test_the_graph_holds_nothing_of_the_machine_it_was_made_on(exported: tuple[Classifier, Engine]) -> None:
    content = exported[1].bundle.model.read_bytes()

    for trace in (Path(__file__).parents[2], Path(torch.__file__).parents[1], Path.home(), torch.__version__):
        assert str(trace).encode() not in content


def test_temperature_divides_the_logits_and_changes_nothing_else(
    exported: tuple[Classifier, Engine], tmp_path: Path
) -> None:
    model, engine = exported
    path = tmp_path / "model.onnx"
    before = engine.bundle.model.read_bytes()
    path.write_bytes(before)
    batch = engine.decode(toy_item(engine.manifest.modality))

    set_temperature(path, 2.5)
    found = _run(path, batch)
    set_temperature(path, 1.0)

    np.testing.assert_allclose(found, torch_probabilities(model, batch, 2.5, "single"), atol=1e-5)
    assert abs(found - _run(path, batch)).max() > 1e-3
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_is_a_positive_number(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="a temperature is a positive number"):
        set_temperature(tmp_path / "model.onnx", value)


def test_another_process_gives_the_same_bytes_and_no_word_is_said(tmp_path: Path) -> None:
    weights = _alive(lambda: build(ModelConfig(width=16, depth=1), ImagePrepare(size=8), 2))
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    export_onnx(weights, tmp_path / "here.onnx", example=pictures, task="multi")
    torch.save(weights.state_dict(), tmp_path / "weights.pt")

    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "here.onnx").read_bytes() == (tmp_path / "there.onnx").read_bytes()


_ELSEWHERE = """
from pathlib import Path

import numpy as np
import torch

from holdfast.config.schema import ImagePrepare, ModelConfig
from holdfast.export import export_onnx
from holdfast.models import build

model = build(ModelConfig(width=16, depth=1), ImagePrepare(size=8), 2)
model.load_state_dict(torch.load("weights.pt", weights_only=True))
export_onnx(model, Path("there.onnx"), example=np.zeros((1, 8, 8, 3), np.uint8), task="multi")
"""


def test_many_labels_get_a_sigmoid_each(tmp_path: Path) -> None:
    model = _alive(lambda: _Net(nn.Linear(4, 6))).eval()
    export_onnx(model, tmp_path / "model.onnx", example=_FLOATS, task="multi")

    with torch.no_grad():
        expected = torch.sigmoid(model(torch.from_numpy(_FLOATS))[0]).numpy()

    np.testing.assert_allclose(_run(tmp_path / "model.onnx", _FLOATS), expected, atol=1e-6)


def test_small_constants_that_guard_against_silence_stay(tmp_path: Path) -> None:
    export_onnx(_alive(lambda: _Net(_Loudness())), tmp_path / "model.onnx", example=_FLOATS, task="single")

    assert np.isfinite(_run(tmp_path / "model.onnx", np.zeros((2, 4), np.float32))).all()


def test_attention_over_texts_of_any_length(tmp_path: Path) -> None:
    model = _alive(lambda: _Net(_Attention()))
    example = np.arange(1, 25).reshape(2, 12)
    export_onnx(model, tmp_path / "model.onnx", example=example, task="single")

    for length in (1, 5, 30):
        ids = np.random.default_rng(length).integers(1, 30, (3, length))
        expected = torch_probabilities(model, ids, 1.0, "single")
        np.testing.assert_allclose(_run(tmp_path / "model.onnx", ids), expected, atol=1e-5)


def test_a_network_that_answers_by_chance_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(
        HoldfastError, match=r"graph and the network differ by .* in 'probabilities' on a batch"
    ):
        export_onnx(_alive(lambda: _Net(_Chance())), tmp_path / "model.onnx", example=_FLOATS, task="single")

    assert not (tmp_path / "model.onnx").exists()


def test_exporting_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = _alive(lambda: _Net(nn.Linear(4, 6))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    export_onnx(model, tmp_path / "model.onnx", example=_FLOATS, task="single")
    torch_probabilities(model, _FLOATS, 1.0, "single")

    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


_FLOATS = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)


class _Net(Classifier):
    """Any body of width 6."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(nn.Identity(), body, width=6, labels=3, dropout=0.5)


class _Loudness(nn.Module):
    """As spectra do it: relative to the loudest, in a logarithm with a floor."""

    def forward(self, sound: Tensor) -> Tensor:
        power = sound.square()
        level = torch.log10(power / (power.amax(dim=1, keepdim=True) + 1e-12) + 1e-8)
        return torch.cat([level, level[:, :2]], dim=1)


class _Attention(nn.Module):
    """A transformer layer over token ids."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 6)
        self.layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        mask = ids != 0
        found: Tensor = self.layer(self.embedding(ids), src_key_padding_mask=~mask)
        return (found * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


class _Chance(nn.Module):
    """Dropout that was left on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 6)

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.linear(inputs)
        return found * torch.rand_like(found)


def _alive(make: Callable[[], Classifier]) -> Classifier:
    """A network with known weights that are large enough to tell samples apart, and used batch norms."""
    torch.manual_seed(0)
    model = make()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.head.weight.mul_(5)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


def _run(path: Path, batch: np.ndarray) -> np.ndarray:
    found: np.ndarray = onnxruntime.InferenceSession(path).run(["probabilities"], {"input": batch})[0]
    return found
