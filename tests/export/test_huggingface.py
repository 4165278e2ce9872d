"""Networks of transformers become graphs that say the same, at any batch size and text length."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.export import export_onnx, torch_probabilities
from holdfast.models import build
from holdfast.models.lora import merged
from holdfast.testing.networks import write_network

_RNG = np.random.default_rng(0)
_SOUND = AudioPrepare(window_s=0.5, hop_s=0.5)
CASES: dict[str, tuple[Prepare, np.ndarray]] = {
    "resnet": (ImagePrepare(size=32), _RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)),
    "vit": (ImagePrepare(size=32), _RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)),
    "distilbert": (TextPrepare(max_tokens=32), _RNG.integers(1, 256, (2, 20))),
    "bert": (TextPrepare(max_tokens=32), _RNG.integers(1, 256, (2, 20))),
    "audio-spectrogram-transformer": (_SOUND, _RNG.standard_normal((2, 8000)).astype(np.float32)),
    "wav2vec2": (_SOUND, _RNG.standard_normal((2, 8000)).astype(np.float32)),
}
_EACH = [
    pytest.param(kind, marks=() if kind in ("distilbert", "wav2vec2") else pytest.mark.slow) for kind in CASES
]


@pytest.mark.parametrize("kind", _EACH)
def test_the_graph_says_what_the_network_says(kind: str, tmp_path: Path) -> None:
    prepare, example = CASES[kind]
    write_network(tmp_path / kind, kind)
    config = ModelConfig(name="hf", source=str(tmp_path / kind), tune="lora")
    torch.manual_seed(0)
    model = merged(build(config, prepare, 3, 260))

    export_onnx(model, tmp_path / "model.onnx", example=example, task="single")

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for batch in (example[:1], np.concatenate([example] * 3)):
        found = session.run(["probabilities"], {"input": batch})[0]
        np.testing.assert_allclose(found, torch_probabilities(model, batch, 1.0, "single"), atol=1e-5)
    if prepare.modality == "text":
        padded = np.concatenate([example[:, :7], np.zeros((2, 5), np.int64)], axis=1)
        short = session.run(["probabilities"], {"input": example[:, :7]})[0]
        np.testing.assert_allclose(session.run(["probabilities"], {"input": padded})[0], short, atol=1e-6)
