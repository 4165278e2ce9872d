"""TF-IDF in the graph: it says what scikit-learn says, for as long as the texts are such as it expects."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from holdfast.bundle import Manifest, open_bundle, seal
from holdfast.config.schema import ModelConfig, TextPrepare
from holdfast.export import export_onnx, torch_probabilities
from holdfast.modality import learn_tokenizer, prepare
from holdfast.modality.text import BYTES
from holdfast.models import build
from holdfast.models.spans import NOTHING
from holdfast.models.textgrams import GramClassifier
from holdfast.models.tfidf import TfIdf
from holdfast.serve.engine import Engine

LONGEST = 200
SEA, HILL, WOOD = "wave tide a coast foam", "slope ridge a Cliff peak", "moss fern owl bark a"
KINDS = ({"analyzer": "word", "ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 5)})


def texts_of(seed: int, count: int, *themes: str) -> list[str]:
    """Texts on the themes in turn, with marks, capitals, wide blanks, digits and other letters."""
    draw = random.Random(seed)
    shared = ["The", "and", "of", "I", "it's", "(old)", "new,", "end.", "x_1", "42", "naïve", "“so”", "über"]
    return [
        draw.choice(["", " "])
        + draw.choice([" ", "  ", "\n"]).join(draw.choices(themes[i % len(themes)].split() + shared, k=12))
        for i in range(count)
    ]


def as_bytes(*texts: str) -> torch.Tensor:
    parts = [text.encode() for text in texts]
    rows = torch.full((len(parts), max(map(len, parts))), NOTHING)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = torch.tensor(list(part))
    return rows


def fitted(texts: list[str], shares: np.ndarray, batch: int = 16) -> TfIdf:
    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, len(texts), batch):
            rows = slice(start, start + batch)
            yield as_bytes(*texts[rows]), torch.from_numpy(shares[rows]).float()

    model = TfIdf(LONGEST, shares.shape[1])
    model.fit(batches())
    return model


def rows_of(known: list[str], asked: list[str]) -> list[object]:
    """TF-IDF by scikit-learn of texts that it learns from, and of others."""
    counters = [TfidfVectorizer(min_df=2, sublinear_tf=True, **kind) for kind in KINDS]
    learnt = [counter.fit_transform(known) for counter in counters]
    return [hstack(learnt), hstack([counter.transform(asked) for counter in counters])]


def said(model: TfIdf, texts: list[str]) -> torch.Tensor:
    scores: torch.Tensor = model(as_bytes(*texts))
    return scores


@pytest.mark.parametrize("themes", [(SEA, HILL), (SEA, HILL, WOOD)])
def test_probabilities_are_those_of_scikit_learn(
    themes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.models.tfidf._STRENGTHS", (10.0,))
    known, asked = texts_of(0, 90, *themes), texts_of(1, 20, *themes)
    truth = np.arange(90) % len(themes)

    model = fitted(known, np.eye(len(themes))[truth])

    learnt, rows = rows_of(known, asked)
    expected = LogisticRegression(C=10, max_iter=1000).fit(learnt, truth).predict_proba(rows)
    np.testing.assert_allclose(said(model, asked).softmax(dim=1), expected, atol=2e-3)
    assert np.ptp(expected[:, 0]) > 0.8


def test_with_many_labels_each_has_a_probability_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.models.tfidf._STRENGTHS", (10.0,))
    known, asked = texts_of(0, 90, SEA, HILL, WOOD), texts_of(1, 20, SEA, HILL, WOOD)
    shares = np.eye(3)[np.arange(90) % 3]
    shares[:, 0] = 1 - shares[:, 2]
    shares = np.c_[shares, np.zeros(90), np.ones(90)]

    answers = said(fitted(known, shares), asked).sigmoid()

    learnt, rows = rows_of(known, asked)
    for label in range(3):
        regression = LogisticRegression(C=10, max_iter=1000).fit(learnt, shares[:, label])
        np.testing.assert_allclose(answers[:, label], regression.predict_proba(rows)[:, 1], atol=2e-3)
    assert answers[:, 3].max() < 0.01, "no text has this label"
    assert answers[:, 4].min() > 0.99, "each text has this label"


@pytest.mark.parametrize("told", [True, False])
def test_what_texts_do_not_tell_is_regularised_most(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    known = texts_of(0, 90, SEA, HILL)
    labels = np.arange(90) % 2 if told else np.random.default_rng(0).integers(0, 2, 90)

    chosen = fitted(known, np.eye(2)[labels])

    monkeypatch.setattr("holdfast.models.tfidf._STRENGTHS", (100.0 if told else 1.0,))
    assert torch.equal(chosen.weights, fitted(known, np.eye(2)[labels]).weights)


def test_a_label_that_no_text_has_is_hardly_ever_said() -> None:
    known, asked = texts_of(0, 90, SEA, HILL), texts_of(1, 20, SEA, HILL)

    answers = said(fitted(known, np.eye(3)[np.arange(90) % 2 * 2]), asked).softmax(dim=1)

    assert answers.argmax(dim=1).tolist() == [0, 2] * 10
    assert answers[:, 1].max() < 0.02


def test_with_one_label_alone_it_is_said_of_every_text() -> None:
    answers = said(fitted(texts_of(0, 60, SEA), np.eye(2)[[1] * 60]), texts_of(1, 3, HILL)).softmax(dim=1)

    assert answers[:, 1].min() > 0.99


def test_texts_that_share_nothing_leave_what_is_common() -> None:
    known = [f"{chr(0x4E00 + 9 * i)}" for i in range(60)]  # each a letter of its own, without neighbours

    answers = said(fitted(known, np.eye(2)[[0, 1, 1] * 20]), ["nothing of these"]).softmax(dim=1)

    assert answers[0].tolist() == pytest.approx([1 / 3, 2 / 3], abs=0.01)


def test_a_text_without_a_known_term_gets_the_bias_alone() -> None:
    model = fitted(texts_of(0, 90, SEA, HILL), np.eye(2)[np.arange(90) % 2])

    assert torch.equal(said(model, ["zzzz qqqq"])[0], model.bias)


def test_few_texts_teach_from_what_is_in_one_of_them() -> None:
    model = fitted(["wave foam", "ridge peak"], np.eye(2))

    assert said(model, ["a wave", "the ridge"]).argmax(dim=1).tolist() == [0, 1]


def test_neither_batches_nor_padding_change_anything() -> None:
    known, shares = texts_of(0, 90, SEA, HILL), np.eye(2)[np.arange(90) % 2]
    one, other = fitted(known, shares, batch=16), fitted(known, shares, batch=7)

    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    torch.testing.assert_close(said(one, known[:9])[:1], said(one, known[:1]))


def test_too_many_terms_leave_every_second_text_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known, shares = texts_of(0, 120, SEA, SEA, HILL, HILL), np.eye(2)[np.arange(120) // 2 % 2]
    fewer = fitted(known[::2], shares[::2])
    one_bag = sum(len(np.unique(terms[there])) for terms, there in fewer.terms(as_bytes(known[0])))

    monkeypatch.setattr("holdfast.models.tfidf._MOST_TERMS", 80 * one_bag)
    model = fitted(known, shares)

    assert all(torch.equal(value, fewer.state_dict()[name]) for name, value in model.state_dict().items())


def test_the_commonest_terms_are_kept_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.models.tfidf._TERMS", 8)
    common = fitted([f"wave wave wave tide {i} {i + 1}" for i in range(10, 70)], np.eye(2)[[0, 1] * 30])

    words, _ = common.terms(as_bytes("wave"))[0]

    assert int(words[0, 0]) in common.numbers[0].tolist()
    assert (common.numbers.diff(dim=1) > 0).all(), "sorted"


class TestBeside:
    """What the whole network says, with the linear model beside it."""

    PREPARE = TextPrepare(max_tokens=LONGEST, vocab=BYTES)
    TOKENIZER = learn_tokenizer([], BYTES)

    def model(self, labels: int = 2) -> GramClassifier:
        torch.manual_seed(0)
        model = build(ModelConfig(name="text_ngrams", width=16, depth=1), self.PREPARE, labels, BYTES)
        assert isinstance(model, GramClassifier)
        return model

    def ids(self, *texts: str) -> torch.Tensor:
        preparation = prepare(self.PREPARE, self.TOKENIZER)
        return torch.from_numpy(preparation.collate([preparation.decode(t.encode())[0] for t in texts]))

    def primed(self) -> GramClassifier:
        model = self.model()
        ids = self.ids(*texts_of(0, 60, SEA, HILL))
        model.prime(lambda: [(ids, torch.eye(2)[torch.arange(60) % 2])])
        return model

    def test_the_answer_is_the_mean_of_both_but_while_training_the_network_answers_alone(self) -> None:
        model, ids = self.primed(), self.ids("the wave and foam", "a ridge of old")
        assert model.tfidf is not None
        model.body.dropout.p = 0
        alone = model(ids)[0]

        both = model.eval()(ids)[0]

        torch.testing.assert_close(both, (alone + model.tfidf(model.front(ids))) / 2)
        assert (both - alone).abs().min() > 0.1

    def test_no_gradient_changes_the_linear_model(self) -> None:
        assert not [name for name, _ in self.model().named_parameters() if name.startswith("tfidf")]
        assert {"tfidf.numbers", "tfidf.rarity", "tfidf.weights", "tfidf.bias"} <= set(
            self.model().state_dict()
        )

    def test_with_more_labels_than_32_there_is_none(self) -> None:
        assert self.model(33).tfidf is None
        assert self.model(33).eval()(self.ids("some text"))[0].shape == (1, 33)

    def test_the_exported_graph_says_the_same(self, tmp_path: Path) -> None:
        model = self.primed().eval()
        (tmp_path / "tokenizer.json").write_bytes(self.TOKENIZER)
        example = self.ids("the wave").numpy()
        export_onnx(model, tmp_path / "model.onnx", example=example, task="single")
        seal(tmp_path, Manifest(task="single", modality="text", labels=["sea", "hill"], prepare=self.PREPARE))
        engine = Engine(open_bundle(tmp_path))
        asked = [*texts_of(1, 8, SEA, HILL), "?", "北京 wave"]

        parts = [engine.decode(text.encode()) for text in asked]
        served = engine.predict_parts(parts).probabilities

        expected = [torch_probabilities(model, part, 1.0, "single")[0] for part in parts]
        np.testing.assert_allclose(served, expected, atol=1e-5)
        assert np.ptp(served[:, 0]) > 0.5
