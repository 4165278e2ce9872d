"""Networks of transformers as bodies: their own answers are the known ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.core.errors import ConfigError
from holdfast.models import Classifier, build
from holdfast.testing.networks import write_network

KINDS = ("resnet", "vit", "distilbert", "bert", "audio-spectrogram-transformer", "wav2vec2")
IMAGE, TEXT = ImagePrepare(size=32), TextPrepare(max_tokens=32)
AUDIO = AudioPrepare(window_s=0.5, hop_s=0.5)
PREPARES: dict[str, Prepare] = {"resnet": IMAGE, "vit": IMAGE, "distilbert": TEXT, "bert": TEXT}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one network of each kind."""
    folder = tmp_path_factory.mktemp("hub")
    for kind in KINDS:
        write_network(folder / kind, kind)
    return folder


def body_of(folder: Path, **named: Any) -> Classifier:
    torch.manual_seed(0)
    config = ModelConfig(name="hf", source=str(folder), **named)
    model = build(config, PREPARES.get(folder.name, AUDIO), 3, 260, pad=0)
    assert model.training
    assert model.body.network.training == (named.get("tune") != "head")
    return model.eval()


def inputs_of(kind: str, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    if kind in ("resnet", "vit"):
        return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=generator)
    if kind in ("distilbert", "bert"):
        ids = torch.randint(1, 256, (count, 12), generator=generator)
        ids[0, 7:] = 0
        return ids
    return 0.1 * torch.randn(count, 8000, generator=generator)


@torch.no_grad()
def own_logits(folder: Path, inputs: torch.Tensor) -> tuple[torch.Tensor, nn.Module]:
    """What transformers itself says of samples, and the head that it says it with."""
    import transformers as hf

    kind = folder.name
    if kind in ("resnet", "vit"):
        network = hf.AutoModelForImageClassification.from_pretrained(folder).eval()
        said = json.loads((folder / "preprocessor_config.json").read_text())
        pixels = (inputs / 255 - torch.tensor(said["image_mean"])) / torch.tensor(said["image_std"])
        return network(pixels.permute(0, 3, 1, 2)).logits, network.classifier
    if kind in ("distilbert", "bert"):
        network = hf.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        states = network.base_model(input_ids=inputs, attention_mask=(inputs != 0).long()).last_hidden_state
        return network.classifier(states[:, 0]), network.classifier
    family = hf.ASTFeatureExtractor if kind != "wav2vec2" else hf.Wav2Vec2FeatureExtractor
    extractor = family(num_mel_bins=32, max_length=64) if kind != "wav2vec2" else family()
    waves = [wave.numpy() for wave in inputs]
    values = extractor(waves, sampling_rate=16000, return_tensors="pt").input_values
    network = hf.AutoModelForAudioClassification.from_pretrained(folder).eval()
    if kind == "wav2vec2":
        return network(values).logits, nn.Sequential(network.projector, network.classifier)
    return network(values).logits, network.classifier


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_with_the_same_head_it_says_what_transformers_says(hub: Path, kind: str) -> None:
    inputs = inputs_of(kind)
    expected, head = own_logits(hub / kind, inputs)

    _, embedding = body_of(hub / kind)(inputs)

    assert torch.allclose(head(embedding) if kind != "resnet" else head[1](embedding), expected, atol=2e-5)
    assert expected.std(dim=0).min() > 1e-3, "the samples look alike, so this shows nothing"


@pytest.mark.parametrize("kind", ["distilbert", "bert"])
@pytest.mark.parametrize("pool", ["first", "mean"])
@torch.no_grad()
def test_padding_changes_nothing(hub: Path, kind: str, pool: str) -> None:
    model, ids = body_of(hub / kind, pool=pool), inputs_of(kind)[1:]

    padded = torch.cat([ids, torch.zeros(2, 5, dtype=torch.int64)], dim=1)

    assert torch.allclose(model(padded)[0], model(ids)[0], atol=1e-6)
    assert torch.isfinite(model(torch.zeros(1, 3, dtype=torch.int64))[0]).all()


def test_fresh_weights_need_only_a_config_and_hang_on_the_seed_alone(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((hub / "distilbert" / "config.json").read_bytes())

    def fresh(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        config = ModelConfig(name="hf", source=str(tmp_path), fresh=True)
        return build(config, TEXT, 2, 40, pad=3).state_dict()

    first, second, other = fresh(1), fresh(1), fresh(2)

    table = "body.network.embeddings.word_embeddings.weight"
    assert first[table].shape == (40, 32)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first[table], other[table])


def test_what_is_frozen_neither_drops_out_nor_moves_its_norms(hub: Path) -> None:
    model = body_of(hub / "resnet", tune="head").train()
    before = {name: value.clone() for name, value in model.body.state_dict().items()}

    logits, _ = model(inputs_of("resnet"))

    assert logits.requires_grad
    assert not any(weight.requires_grad for weight in model.body.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.body.state_dict().items())
    assert body_of(hub / "resnet").train().body.network.training


@pytest.mark.parametrize("kind", KINDS)
def test_layers_from_the_top_hold_each_weight_once(hub: Path, kind: str) -> None:
    model = body_of(hub / kind)
    names = {id(weight): name for name, weight in model.body.network.named_parameters()}

    layers = model.body.layers()  # type: ignore[operator]

    assert sorted(names[id(w)] for layer in layers for w in layer) == sorted(names.values())
    assert len(layers) == 3
    assert all("0" in names[id(weight)] for weight in layers[1])
    assert any("embed" in names[id(weight)] or "feature" in names[id(weight)] for weight in layers[2])


def test_pixels_are_shifted_as_the_network_was_trained_unless_settings_say_otherwise(hub: Path) -> None:
    white = torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)
    config = ModelConfig(name="hf", source=str(hub / "resnet"))

    own = build(config, IMAGE, 3).features(white)
    given = build(config, ImagePrepare(size=32, mean=0.5, std=(0.5, 0.25, 1.0)), 3).features(white)

    assert own[0, :, 0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-4)
    assert given[0, :, 0, 0].tolist() == pytest.approx([1, 2, 0.5])


@pytest.mark.parametrize(
    ("kind", "prepare", "message"),
    [
        ("vit", ImagePrepare(size=64), "needs prepare.size=32, not 64"),
        ("wav2vec2", AudioPrepare(rate=22050), "needs prepare.rate=16000, not 22050"),
        ("bert", TextPrepare(max_tokens=65), "needs prepare.max_tokens of 64 or less, not 65"),
        ("bert", IMAGE, r"\(bert\) is for text, but prepare.modality is image"),
    ],
)
def test_what_does_not_fit_the_weights_is_said(hub: Path, kind: str, prepare: Prepare, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(ModelConfig(name="hf", source=str(hub / kind)), prepare, 3, 260)


def test_a_tokenizer_of_another_network_is_refused(hub: Path) -> None:
    config = ModelConfig(name="hf", source=str(hub / "bert"))

    with pytest.raises(
        ConfigError, match="tokens or less, not 30000; a tokenizer that pads with id 0, not 7"
    ):
        build(config, TEXT, 3, 30000, pad=7)


def copied(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / folder.name
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("vit.layers.1.mlp.fc1.weight"), "no weights for .*fc1.weight"),
        (lambda w: w.update({"vit.layers.1.mlp.fc1.bias": torch.zeros(5)}), "weights of another shape for"),
        (lambda w: w.update({"vit.layers.7.mlp.fc1.bias": torch.zeros(5)}), "no place for: layers.7.mlp"),
    ],
)
def test_weights_that_do_not_belong_to_the_config_are_refused(
    hub: Path, tmp_path: Path, change: Any, message: str
) -> None:
    folder = copied(hub / "vit", tmp_path)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ConfigError, match=message):
        body_of(folder)


def test_lora_begins_with_the_same_answer_and_merges_into_the_layers(hub: Path) -> None:
    from holdfast.models.lora import merged

    for kind in ("vit", "resnet"):
        inputs, plain = inputs_of(kind), body_of(hub / kind)
        model = body_of(hub / kind, tune="lora", lora_rank=2)
        with torch.no_grad():
            assert torch.allclose(model(inputs)[1], plain(inputs)[1], atol=1e-6)
            for name, weight in model.body.named_parameters():
                assert weight.requires_grad == ("lora_" in name)
                if "lora_B" in name:
                    weight.normal_(0, 0.1)
            expected = model(inputs)[1]
            found = merged(model)

            assert torch.allclose(found(inputs)[1], expected, atol=1e-5)
            assert (expected - plain(inputs)[1]).abs().max() > 1e-3
            assert found.state_dict().keys() == plain.state_dict().keys()


def test_lora_targets_are_ends_of_names(hub: Path) -> None:
    model = body_of(hub / "distilbert", tune="lora", lora_targets=["q_lin", "v_lin"])

    adapted = {name.split(".lora_")[0] for name, _ in model.named_parameters() if "lora_" in name}

    assert {name.rsplit(".", 1)[-1] for name in adapted} == {"q_lin", "v_lin"}
    assert len(adapted) == 4
    with pytest.raises(ConfigError, match=r"no layer is named 'query'\nhint: layers end in: .*q_lin"):
        body_of(hub / "distilbert", tune="lora", lora_targets=["query"])


def test_the_sound_that_the_network_hears_is_that_of_the_feature_extractors() -> None:
    import transformers as hf

    from holdfast.models.fronts import KaldiFront, WaveFront

    rng = np.random.default_rng(0)
    sound = (
        np.sin(np.arange(48000) / 9) * np.linspace(0, 1, 48000) + 0.01 * rng.standard_normal(48000)
    ) + 0.1
    waves = torch.from_numpy(sound.astype(np.float32))[None]
    for frames in (128, 512):
        front = KaldiFront(rate=16000, mels=128, frames=frames, mean=-4.2677393, std=4.5689974)
        extractor = hf.ASTFeatureExtractor(max_length=frames)

        expected = extractor(sound, sampling_rate=16000, return_tensors="np")["input_values"][0]

        assert np.abs(front(waves)[0, 0].numpy().T - expected).max() < 1e-3
    heard = hf.Wav2Vec2FeatureExtractor()(sound, sampling_rate=16000, return_tensors="np")["input_values"]
    assert np.abs(WaveFront()(waves).numpy() - heard).max() < 1e-4
