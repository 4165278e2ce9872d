"""Networks by name: they are built, they keep their promises, and a wrong name is explained."""

import pytest
import torch

from holdfast.config.schema import AudioPrepare, ImagePrepare, ModelConfig, Prepare, TextPrepare
from holdfast.core.errors import ConfigError
from holdfast.models import CATALOG, Classifier, build

IMAGE, TEXT = ImagePrepare(size=16), TextPrepare(max_tokens=32)
AUDIO = AudioPrepare(rate=8000, window_s=0.5, hop_s=0.5, n_fft=256, hop=128, mels=16, f_max=4000)
PREPARES: dict[str, Prepare] = {"image": IMAGE, "audio": AUDIO, "text": TEXT}
SMALL = [name for name, part in CATALOG.items() if part.modality]


def inputs_of(modality: str, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    if modality == "image":
        return torch.randint(0, 256, (count, 16, 16, 3), dtype=torch.uint8, generator=generator)
    if modality == "audio":
        return torch.randn(count, 4000, generator=generator)
    return torch.randint(1, 258, (count, 9), generator=generator)


def network(name: str, depth: int = 2, **named: int) -> tuple[Classifier, str]:
    modality = CATALOG[name].modality
    assert modality is not None
    torch.manual_seed(0)
    config = ModelConfig(name=name, width=16, depth=depth)
    vocab = 258 if name == "text_ngrams" else 300
    return build(config, PREPARES[modality], 3, vocab, **named).eval(), modality


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", SMALL)
def test_gives_logits_and_an_embedding_for_any_batch(name: str, depth: int) -> None:
    model, modality = network(name, depth)

    for count in (1, 2, 7):
        logits, embedding = model(inputs_of(modality, count))

        assert logits.shape == (count, 3)
        assert embedding.shape == (count, model.head.in_features)


@pytest.mark.parametrize("name", SMALL)
def test_an_answer_does_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    model, modality = network(name)
    batch = inputs_of(modality, 5)

    together, alone = model(batch)[0], torch.cat([model(sample[None])[0] for sample in batch])

    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_can_learn(name: str) -> None:
    model, modality = network(name)
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.ones_(norm.weight)  # those that begin at zero let nothing through to what is below

    model(inputs_of(modality, 4))[0].square().sum().backward()

    assert [n for n, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    first, second = network(name)[0].state_dict(), network(name)[0].state_dict()

    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("tokens", [1, 9])
@pytest.mark.parametrize("pad", [0, 299])
def test_padding_does_not_change_what_is_said_of_a_text(depth: int, pad: int, tokens: int) -> None:
    model, _ = network("text_small", depth, pad=pad)
    ids = inputs_of("text", 3)[:, :tokens] % 299
    ids[ids == pad] = 1
    padded = torch.cat([ids, torch.full((3, 6), pad)], dim=1)

    assert torch.allclose(model(padded)[0], model(ids)[0], atol=1e-6)


def test_the_order_of_tokens_matters() -> None:
    model, _ = network("text_small", 1)

    there, back = model(torch.tensor([[5, 6, 7]]))[0], model(torch.tensor([[7, 6, 5]]))[0]

    assert not torch.allclose(there, back, atol=1e-4)


def test_a_text_of_padding_alone_gives_numbers() -> None:
    model, _ = network("text_small")

    assert torch.isfinite(model(torch.zeros(1, 1, dtype=torch.int64))[0]).all()


def test_an_unknown_name_is_met_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as error:
        build(ModelConfig(name="mel_cnn"), AUDIO, 2)

    assert str(error.value) == (
        "model.name: no network 'mel_cnn'; did you mean 'mel_cnn_small'?\n"
        "hint: for audio there are: mel_cnn_small, mel_transformer_small, hf"
    )


def test_a_network_for_another_modality_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        build(ModelConfig(name="resnet_small"), TEXT, 2, 300)

    assert str(error.value) == (
        "model.name: 'resnet_small' is for image, but prepare.modality is text\n"
        "hint: for text there are: text_small, text_ngrams, hf"
    )


def test_misuse_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="at least one label, got 0"):
        build(ModelConfig(name="resnet_small"), IMAGE, 0)
    with pytest.raises(ValueError, match="size of the vocabulary"):
        build(ModelConfig(name="text_small"), TEXT, 2)
