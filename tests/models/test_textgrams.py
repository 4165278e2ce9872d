"""Hashed words and runs: what is counted once in training decides how much each gram tells."""

import random

import pytest
import torch

from holdfast.config.schema import ModelConfig, TextPrepare
from holdfast.core.errors import ConfigError
from holdfast.modality import learn_tokenizer, prepare
from holdfast.modality.text import BYTES, bytes_of_ids
from holdfast.models import build
from holdfast.models.textgrams import GramClassifier

PREPARE = TextPrepare(max_tokens=128, vocab=BYTES)
PREPARATION = prepare(PREPARE, learn_tokenizer([], BYTES))
SEA, HILL = "the wave and the tide", "the slope and the ridge"


def ids(*texts: str) -> torch.Tensor:
    return torch.from_numpy(PREPARATION.collate([PREPARATION.decode(text.encode())[0] for text in texts]))


def network(labels: int = 2, depth: int = 1) -> GramClassifier:
    torch.manual_seed(0)
    config = ModelConfig(name="text_ngrams", width=16, depth=depth, dropout=0)
    model = build(config, PREPARE, labels, BYTES).eval()
    assert isinstance(model, GramClassifier)
    return model


def primed(labels: int = 2, times: int = 4) -> GramClassifier:
    model = network(labels)
    shares = torch.eye(labels)[[0, 1]]
    model.prime(lambda: [(ids(SEA, HILL), shares)] * times)
    return model


def weight_of(model: GramClassifier, word: str) -> float:
    numbers = model.body.spans.words(model.front(ids(word + "    ")))[0]
    return float(model.body.telling[(numbers[0, 0] * 7919 + 104_729 * 11) % ((1 << 31) - 1) % (1 << 18)])


def test_bytes_are_those_of_the_tokenizer() -> None:
    texts = [bytes([byte]).decode("latin-1") for byte in range(1, 128) if not chr(byte).isspace()]

    for text in texts:
        assert bytes_of_ids()[int(ids(text)[0, 0]) - 2] == ord(text)
    assert [bytes_of_ids()[i - 2] for i in ids("北")[0].tolist()] == list("北".encode())


def test_what_stands_with_one_label_alone_tells_most() -> None:
    model = primed()

    assert weight_of(model, "wave") == pytest.approx(weight_of(model, "ridge"), rel=1e-2)
    assert weight_of(model, "wave") > 10 * weight_of(model, "the")
    assert weight_of(model, "cloud") == 0


def test_what_one_text_alone_has_tells_nothing() -> None:
    assert weight_of(primed(times=1), "wave") == 0


def test_with_many_labels_what_is_rare_tells_most() -> None:
    model = network(40)
    model.prime(lambda: [(ids(SEA, HILL, SEA, HILL, "the sky"), torch.eye(40)[:5])])

    assert weight_of(model, "wave") > weight_of(model, "the") > 0


def test_priming_again_gives_the_same_buffers() -> None:
    first, second = primed().state_dict(), primed().state_dict()

    assert all(torch.equal(first[key], second[key]) for key in first)
    assert {"body.telling", "body.expected", "body.spread"} <= set(first)


def test_a_text_that_repeats_itself_has_less_novelty_than_its_length_lets_expect() -> None:
    model = network()
    fresh = [" ".join(f"w{i}x{j}" for j in range(16)) for i in range(4)]
    stale = [" ".join([f"w{i}x{j}" for j in range(4)] * 4) for i in range(4)]
    model.prime(lambda: [(ids(*fresh, *stale), torch.eye(2)[[0] * 4 + [1] * 4])])

    novelty = model(ids(*fresh, *stale))[1][:, 2:9]

    assert (novelty[:4] > 0.2).all()
    assert (novelty[4:] < -0.2).all()


def test_length_alone_is_no_novelty() -> None:
    model = network()
    draw = random.Random(0)
    texts = [" ".join(draw.choice("abcdefghij") * 2 for _ in range(40)) for _ in range(40)]
    model.prime(lambda: [(ids(*texts), torch.eye(2)[[0, 1] * 20])])

    halves = [text[:60] for text in texts]
    whole, half = (model(ids(*some))[1][:, 2].mean() for some in (texts, halves))

    assert abs(whole) < 0.5  # in deviations
    assert abs(half) < 0.5
    raw = [
        torch.tensor([len(set(t.split())) / len(t.split()) for t in some]).log() for some in (texts, halves)
    ]
    assert raw[1].mean() - raw[0].mean() > 2 * raw[0].std()


def test_padding_changes_nothing() -> None:
    model = primed()

    alone, beside = model(ids(SEA))[0], model(ids(SEA, "a much longer text about " + HILL))[0][:1]

    assert torch.allclose(alone, beside, atol=1e-5)


def test_it_learns_from_grams_with_plain_gradient_steps() -> None:
    model = primed().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(model(ids(SEA, HILL))[0], torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert model(ids("a wave on the tide", "ridge and slope"))[0].argmax(dim=1).tolist() == [0, 1]


def test_another_vocabulary_is_refused_with_what_to_set() -> None:
    with pytest.raises(ConfigError, match="reads bytes, but the vocabulary has 300 tokens") as error:
        build(ModelConfig(name="text_ngrams"), PREPARE, 2, 300)

    assert error.value.hint == "set prepare.vocab=258, and leave prepare.tokenizer out"
