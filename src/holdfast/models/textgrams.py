"""Hashed words and runs of characters beside novelty and a small network; with it answers a linear model."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from holdfast.config.schema import ModelConfig, TextPrepare
from holdfast.core.errors import ConfigError
from holdfast.modality.text import BYTES, bytes_of_ids
from holdfast.models.classifier import Classifier
from holdfast.models.spans import NOTHING, PRIME, Spans, neighbours
from holdfast.models.tfidf import TfIdf

_BUCKETS = 1 << 18
"""Grams that share a bucket share a weight; more buckets share less, but make the bundle larger."""
_VECTORS = 1 << 15
_MOST_SCORES = 32
"""Numbers that a gram has: one for each label, but no more than this."""
_WORDS, _RUNS = (1, 2, 3), (3, 4, 5, 8)
_COUNTED_ONLY = {("words", 3), ("runs", 8)}
"""Grams that say how much a text repeats itself, and are too rare to have a weight."""
_STRENGTH = 5.0
"""Length of a text's vector of grams: what makes the weights that are learnt about 1 in size."""
_RUNS_SHARE = 0.5
"""Length of the part for runs of characters, as a share of that for words."""
_LEAST = 1e-3
_CUTS = (1, 2, 4, 8)
"""Texts are also cut to such parts of their length, to see how length alone changes what is new in them."""


def build(config: ModelConfig, prepare: TextPrepare, labels: int, vocab: int, pad: int) -> Classifier:
    """Grams with a weight for each label, and vectors of `width` for words, with `depth` - 1 hidden layers.

    Raises:
        ConfigError: if the vocabulary is another than the bytes.
    """
    if vocab != BYTES:
        raise ConfigError(
            f"model.name: 'text_ngrams' reads bytes, but the vocabulary has {vocab} tokens",
            hint=f"set prepare.vocab={BYTES}, and leave prepare.tokenizer out",
        )
    body = TextGrams(config, prepare.max_tokens, labels)
    tfidf = TfIdf(prepare.max_tokens, labels) if body.narrow else None
    return GramClassifier(Bytes(pad), body, tfidf, labels=labels)


class GramClassifier(Classifier):
    """Its head begins with the scores of the grams as they are; beside it answers a linear model on TF-IDF.

    The two learn apart from each other, and only the network learns by gradients. When it does not train,
    the logits are the mean of both: so what is validated, calibrated and served is both together. With
    more than 32 labels the network answers alone, as the linear model would be large and slow to fit.
    """

    body: "TextGrams"

    def __init__(self, front: nn.Module, body: "TextGrams", tfidf: TfIdf | None, *, labels: int) -> None:
        super().__init__(front, body, width=body.out_width, labels=labels, dropout=0.0)
        self.tfidf = tfidf
        if body.narrow:
            with torch.no_grad():
                self.head.weight[:, :labels] = torch.eye(labels)

    @torch.no_grad()
    def prime(self, batches: Callable[[], Iterable[tuple[Tensor, Tensor]]]) -> None:
        """Count the grams, learn what novelty goes with each length, and fit the linear model."""
        self.body.count((self.front(inputs), shares) for inputs, shares in batches())
        self.body.expect(self.front(inputs) for inputs, _ in batches())
        if self.tfidf is not None:
            self.tfidf.fit((self.front(inputs), shares) for inputs, shares in batches())

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (n, labels), while it trains the network's own, and embeddings (n, width)."""
        logits, embedding = super().classify(features)
        if self.training or self.tfidf is None:
            return logits, embedding
        return (logits + self.tfidf(features)) / 2, embedding


class Bytes(nn.Module):
    """Token ids of a vocabulary of bytes to the bytes; NOTHING for what fills up a batch."""

    def __init__(self, pad: int) -> None:
        super().__init__()
        self.table: Tensor
        table = torch.tensor([NOTHING, ord("?"), *bytes_of_ids()])
        table[pad] = NOTHING
        self.register_buffer("table", table, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Same shape, int64."""
        return self.table[ids]


class TextGrams(nn.Module):
    """Bytes of shape (n, length) to embeddings: scores of grams, novelty for its length, a mean of vectors.

    A gram is a word, a pair of words, or a run of 3 to 5 characters. A text is the set of its grams, each
    weighed by how much it tells (`telling`), normed to a fixed length for words and for runs: so no text
    says more by being longer.
    """

    def __init__(self, config: ModelConfig, longest: int, labels: int) -> None:
        super().__init__()
        self.spans = Spans(longest)
        self.scores = min(labels, _MOST_SCORES)
        self.narrow = labels == self.scores  # each label has a score of its own
        self.weights = nn.Embedding(_BUCKETS, self.scores)
        nn.init.normal_(self.weights.weight, std=1e-3)
        self.vectors = nn.Embedding(_VECTORS, config.width)
        nn.init.normal_(self.vectors.weight, std=0.1)
        self.layers = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.depth - 1))
        self.dropout = nn.Dropout(config.dropout)
        self.telling: Tensor
        self.expected: Tensor
        self.spread: Tensor
        self.register_buffer("telling", torch.ones(_BUCKETS))
        self.register_buffer("expected", torch.zeros(_POWERS, len(_SALTS)))
        self.register_buffer("spread", torch.ones(len(_SALTS)))
        self.out_width = self.scores + len(_SALTS) + config.width

    def forward(self, text: Tensor) -> Tensor:
        """Shape (n, out_width)."""
        grams = _Grams(self.spans, text)
        words, runs = (self._bag(grams, kind) for kind in ("words", "runs"))
        vectors = self._mean_vector(grams)
        for layer in self.layers:
            vectors = vectors + torch.relu(layer(vectors))
        scores = _STRENGTH * (words + _RUNS_SHARE * runs)
        return torch.cat([scores, self.novelty(grams), self.dropout(vectors)], dim=1)

    def novelty(self, grams: "_Grams") -> Tensor:
        """How little a text repeats itself, for a text of its length, in deviations; shape (n, 7).

        A longer text has a smaller share of new words, whoever wrote it: that is taken off. So what is
        learnt from texts of one length also holds for others.
        """
        beyond = grams.novelty() - grams.powers() @ self.expected
        return (beyond / self.spread).clamp(-4, 4)

    def count(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn from texts and targets how much each gram tells of a label.

        A gram tells as much as the logs of its frequency with and without a label differ (Wang and
        Manning 2012). With many labels it tells as much as it is rare. One that is in a single text
        tells nothing.
        """
        seen, texts = torch.zeros(_BUCKETS, self.scores + 1), 0
        for text, shares in batches:
            has = (_Grams(self.spans, text).counts > 0).float().cpu()
            columns = [torch.ones(len(shares), 1), shares[:, : self.scores].cpu()]
            seen += has.T @ torch.cat(columns, dim=1)
            texts += len(text)
        every, with_label = seen[:, :1], seen[:, 1:]
        rarity = torch.log((1 + texts) / (1 + every[:, 0])) + 1
        differ = _log_share(with_label) - _log_share(every - with_label)
        telling = differ.square().mean(dim=1).sqrt() if self.narrow else rarity
        self.telling.copy_(torch.where(every[:, 0] > 1, telling, 0.0))

    def expect(self, batches: Iterable[Tensor]) -> None:
        """Learn from texts, whole and cut short, the novelty of a text of each length, and its deviation."""
        found = []
        for text in batches:
            for cut in _CUTS:
                grams = _Grams(self.spans, _first_part(text, cut))
                found.append(torch.cat([grams.powers(), grams.novelty()], dim=1).double().cpu())
        powers, novelty = torch.cat(found).tensor_split([_POWERS], dim=1)
        # texts may all have one length, so the equations may be fewer than the unknowns: gelsd can do that
        expected = torch.linalg.lstsq(powers, novelty, driver="gelsd").solution
        self.expected.copy_(expected)
        self.spread.copy_((novelty - powers @ expected).square().mean(dim=0).sqrt().clamp(min=_LEAST))

    def _bag(self, grams: "_Grams", kind: str) -> Tensor:
        """Sum of the scores of a text's grams, shape (n, scores)."""
        places, counts, there = grams.of(kind)
        telling = self.telling[places] * there
        length = (telling.square() / counts).sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()
        each = telling / counts / length
        bag: Tensor = (each.unsqueeze(2) * self.weights(places)).sum(dim=1)
        return bag

    def _mean_vector(self, grams: "_Grams") -> Tensor:
        places, _, there = grams.of("words")
        vectors = self.vectors(places % _VECTORS) * there.unsqueeze(2)
        mean: Tensor = vectors.sum(dim=1) / there.sum(dim=1, keepdim=True).clamp(min=1)
        return mean


_POWERS = 3
"""Of the log of the length: 0, 1 and 2."""
_SALTS = dict(zip((("words", n) for n in _WORDS), (11, 23, 37), strict=True)) | dict(
    zip((("runs", n) for n in _RUNS), (41, 59, 61, 83), strict=True)
)


class _Grams:
    """The grams of a batch of texts: their buckets, and how often each is in its text."""

    def __init__(self, spans: Spans, text: Tensor) -> None:
        numbers, self.starts, self.ends = spans.words(text)
        self.has_word = self.starts < text.shape[1]
        found = [neighbours(numbers, self.has_word, size) for size in _WORDS] + spans.runs(text, _RUNS)
        keys = list(_SALTS)
        places = [
            (n * 7919 + 104_729 * _SALTS[key]) % PRIME % _BUCKETS
            for key, (n, _) in zip(keys, found, strict=True)
        ]
        there = [flags.float() for _, flags in found]
        nothing = torch.zeros(len(text), _BUCKETS, device=text.device)
        self.counts = nothing.scatter_add(1, torch.cat(places, dim=1), torch.cat(there, dim=1))
        own = [self.counts.gather(1, place).clamp(min=1) for place in places]
        self._by = dict(zip(keys, zip(places, own, there, strict=True), strict=True))

    def of(self, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        """Buckets, counts in the text, and 1 where there is one, of a kind's grams that have a weight."""
        chosen = [self._by[key] for key in self._by if key[0] == kind and key not in _COUNTED_ONLY]
        places, counts, there = zip(*chosen, strict=True)
        return torch.cat(places, dim=1), torch.cat(counts, dim=1), torch.cat(there, dim=1)

    def novelty(self) -> Tensor:
        """Logs of the shares of grams that are different ones, shape (n, 7)."""
        shares = [_mean(1 / counts, there) for _, counts, there in self._by.values()]
        return (torch.cat(shares, dim=1) + _LEAST).log()

    def powers(self) -> Tensor:
        """Of the log of the number of words, shape (n, 3)."""
        size = (self.has_word.float().sum(dim=1, keepdim=True) + 1).log()
        return torch.cat([torch.ones_like(size), size, size.square()], dim=1)


def _first_part(text: Tensor, cut: int) -> Tensor:
    """The first half of each text for a cut of 2, the first quarter for 4."""
    there = (text != NOTHING).long()
    return torch.where(there.cumsum(dim=1) * cut <= there.sum(dim=1, keepdim=True), text, NOTHING)


def _mean(values: Tensor, there: Tensor) -> Tensor:
    """Over what is there, shape (n, 1)."""
    return (values * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)


def _log_share(counts: Tensor) -> Tensor:
    return ((counts + 1) / (counts + 1).sum(dim=0)).log()
