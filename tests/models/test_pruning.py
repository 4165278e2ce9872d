import numpy as np
import pytest
import torch
from torch import nn

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.models import Classifier, build
from holdfast.models.pruning import Group, can_be_pruned, groups_of, prune

AUDIO = AudioPrepare(rate=8000, window_s=0.5, hop_s=0.25, n_fft=256, hop=128, mels=16, f_max=4000)
CASES: dict[str, tuple[ModelConfig, Prepare]] = {
    "resnet_small": (ModelConfig(name="resnet_small", width=32, depth=2), ImagePrepare(size=16)),
    "resnet_small in cells": (
        ModelConfig(name="resnet_small", width=32, depth=2, cells=2),
        ImagePrepare(size=16),
    ),
    "mel_cnn_small": (ModelConfig(name="mel_cnn_small", width=32, depth=2), AUDIO),
    "mel_transformer_small": (ModelConfig(name="mel_transformer_small", width=32, depth=1), AUDIO),
}


def network(name: str) -> Classifier:
    torch.manual_seed(0)
    config, prepare = CASES[name]
    model = build(config, prepare, 3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
    return model.eval()


def inputs(name: str) -> torch.Tensor:
    rng = np.random.default_rng(0)
    if CASES[name][1].modality == "image":
        return torch.from_numpy(rng.integers(0, 255, (4, 16, 16, 3), dtype=np.uint8))
    return torch.from_numpy((0.1 * rng.standard_normal((4, 4000))).astype(np.float32))


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_is_a_network_that_learns(name: str) -> None:
    model = network(name)

    told = prune(model, 0.5)

    assert told["after"] < 0.55 * told["before"]
    logits, embedding = model.train()(inputs(name))
    logits.sum().backward()
    assert logits.shape == (4, 3)
    assert embedding.shape[1] == model.head.in_features
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_channels_that_say_nothing_can_go_without_a_trace(name: str) -> None:
    """Those whose filters, norms and what follows are all zero change no answer: so nothing else was cut."""
    model = network(name)
    groups = groups_of(model)
    for group in groups:
        silence(group)
    with torch.no_grad():
        before, _ = model(inputs(name))

        prune(model, 0.5)

        after, _ = model(inputs(name))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def silence(group: Group) -> None:
    """Make every second channel of a group zero."""
    for made in group.outs:
        if isinstance(made, nn.Linear) and len(group.outs) > 1:
            continue  # what scales a channel of zeros may be anything
        for value in (made.weight, made.bias, getattr(made, "running_mean", None)):
            if value is not None:
                value.data[::2] = 0


@pytest.mark.parametrize("kind", ["distilbert", "vit", "resnet"])
def test_networks_of_transformers_lose_hidden_numbers(kind: str) -> None:
    groups = {"distilbert": 6, "vit": 12, "resnet": 2 * 16}
    body = small(kind)
    model = Classifier(nn.Identity(), body, width=8, labels=2, dropout=0.0)

    found = groups_of(model)

    assert len(found) == groups[kind]


def small(kind: str) -> nn.Module:
    """The layers of an architecture, by their names, without what they compute."""
    body = nn.Module()
    if kind == "resnet":
        body.stages = nn.ModuleList(nn.Sequential(*(conv() for _ in range(3))) for _ in range(16))
        return body
    names = {"distilbert": ("ffn", "lin1", "lin2"), "vit": ("intermediate", "dense", "dense")}[kind]
    body.layers = nn.ModuleList()
    for _ in range(6 if kind == "distilbert" else 12):
        layer, first, second = nn.Module(), nn.Linear(8, 32), nn.Linear(32, 8)
        inner = nn.Module()
        setattr(inner, names[1], first)
        setattr(layer, names[0], inner)
        if kind == "distilbert":
            setattr(inner, names[2], second)
        else:
            layer.output = nn.Module()
            layer.output.dense = second
        body.layers.append(layer)
    return body


def conv() -> nn.Module:
    layer = nn.Module()
    layer.convolution, layer.normalization = nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32)
    return layer


def test_the_least_filters_go() -> None:
    model = network("mel_cnn_small")
    first = groups_of(model)[0]
    convolution = first.outs[0]
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        convolution.weight[::2] *= 0.01
    kept = convolution.weight[1::2].clone()

    prune(model, 0.5)

    torch.testing.assert_close(convolution.weight, nn.Parameter(kept))


def test_a_narrow_network_and_an_unknown_one_cannot_be_pruned() -> None:
    narrow = build(ModelConfig(name="resnet_small", width=16, depth=1), ImagePrepare(size=16), 2)
    words = build(ModelConfig(name="text_small", width=16), TextPrepare(), 2, 300)

    assert not can_be_pruned(narrow, 0.5)
    assert not can_be_pruned(words, 0.5)
    with pytest.raises(ValueError, match="no channels are known"):
        prune(words, 0.5)
