"""Logistic regression on TF-IDF of words and runs of characters, inside the graph."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from holdfast.models.spans import PRIME, Spans, neighbours

_TERMS = 1 << 17
"""Most words and pairs of words that are known, and as many runs; a power of two. The commonest are."""
_RUNS = (3, 4, 5)
_MANY_TEXTS = 50
"""From so many texts on, what is in one text alone is left out."""
_MOST_TERMS = 1 << 25
"""Of all texts together, each counted once for each text that has it; some 4 GB while fitting."""
_STRENGTHS = (1.0, 10.0, 100.0)
"""Inverses of the regularisation; the two halves of a text's row have length 1 each."""
_FOLDS, _TRIED = 3, 1 << 14
"""For choosing one of them; so many texts, divided by the number of labels, are enough."""


class TfIdf(nn.Module):
    """Bytes of shape (n, length), int64, to log-odds of shape (n, labels); all 0 before it is fitted.

    The terms are what scikit-learn's `TfidfVectorizer` counts as words and pairs of words (`word`), and as
    runs of 3 to 5 characters (`char_wb`): in lower case, with 1 + log of the count, times the smoothed log
    of the rarity, each kind normed to length 1. They differ in scripts without blanks, where each character
    is a word, and in capitals beyond ASCII, which are kept.
    A term is known by its number (see `Spans`), which a binary search finds in a sorted table.

    Args:
        longest: most bytes in a text.
        labels: how many there are.
    """

    def __init__(self, longest: int, labels: int) -> None:
        super().__init__()
        self.spans = Spans(longest + 2)
        self.numbers: Tensor
        self.rarity: Tensor
        self.weights: Tensor
        self.bias: Tensor
        self.register_buffer("numbers", torch.full((2, _TERMS), PRIME))
        self.register_buffer("rarity", torch.zeros(2, _TERMS))
        self.register_buffer("weights", torch.zeros(2, _TERMS, labels))
        self.register_buffer("bias", torch.zeros(labels))

    def forward(self, text: Tensor) -> Tensor:
        """For a softmax where each sample that was fitted has one label, else for a sigmoid."""
        scores = self.bias.expand(len(text), -1)
        for kind, (terms, there) in enumerate(self.terms(text)):
            place = self._search(self.numbers[kind], terms)
            known = there & (self.numbers[kind][place] == terms)
            nothing = torch.zeros(len(text), _TERMS, device=text.device)
            counts = nothing.scatter_add(1, place, known.float())
            row = torch.where(counts > 0, (1 + counts.clamp(min=1).log()) * self.rarity[kind], 0.0)
            length = row.square().sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()
            scores = scores + (row @ self.weights[kind]) / length
        return scores

    def terms(self, text: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Numbers of terms, and whether there is one; first of words and pairs, then of runs."""
        words, starts, _ = self.spans.words(text, plain=True)
        there = starts < text.shape[1]
        kinds = [
            [neighbours(words, there, size) for size in (1, 2)],
            self.spans.runs_in_words(text, _RUNS),
        ]
        return [
            (torch.cat([n for n, _ in kind], dim=1), torch.cat([t for _, t in kind], dim=1)) for kind in kinds
        ]

    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn terms and weights from texts and their targets of shape (n, labels).

        How strongly weights are regularised is chosen by cross-validation. Texts of a group are not kept
        together there: it is not known which they are.

        With so many texts that memory would run out, from every second, fourth … of them. A label that
        all have, or none, gets its odds by counting.
        """
        from scipy.sparse import hstack

        bags, truth = self._read(batches)
        rows = hstack([self._learn_terms(kind, [bag[kind] for bag in bags]) for kind in (0, 1)], format="csr")
        single = bool((truth.sum(axis=1) == 1).all())  # each text has one label
        some = slice(None, None, -(-truth.size // _TRIED))
        weights, bias = _regression(rows, truth, single, _strength(rows[some], truth[some], single))
        self.bias.copy_(torch.from_numpy(bias))
        self.weights.zero_()
        edge = int((self.numbers[0] < PRIME).sum())
        for kind, part in enumerate((weights[:edge], weights[edge:])):
            self.weights[kind, : len(part)] = torch.from_numpy(part).to(self.weights)

    def _read(self, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[list[Any], np.ndarray]:
        """Of each text the numbers of its terms, with how often it has them, of both kinds; the targets."""
        most = _MOST_TERMS // max(1, self.bias.numel() // 4)
        kept: list[tuple[Any, np.ndarray]] = []
        number, step, size = 0, 1, 0
        for text, shares in batches:
            kinds = [(terms.cpu().numpy(), there.cpu().numpy()) for terms, there in self.terms(text)]
            for row, target in enumerate(shares.cpu().numpy()):
                if number % step == 0:
                    bag = [_counted(terms[row][there[row]]) for terms, there in kinds]
                    kept.append((bag, target))
                    size += _size(bag)
                number += 1
            while size > most and len(kept) > 1:
                kept, step = kept[::2], 2 * step
                size = sum(_size(bag) for bag, _ in kept)
        return [bag for bag, _ in kept], np.stack([target for _, target in kept])

    def _learn_terms(self, kind: int, bags: list[tuple[np.ndarray, np.ndarray]]) -> Any:
        """Keep the terms of a kind with their rarity; returns the texts' rows, a sparse matrix."""
        from scipy.sparse import csr_matrix

        counts = np.concatenate([count for _, count in bags])
        terms, place, seen = np.unique(
            np.concatenate([numbers for numbers, _ in bags]), return_inverse=True, return_counts=True
        )
        enough = np.flatnonzero(seen >= (2 if len(bags) >= _MANY_TEXTS else 1))
        often = np.bincount(place, weights=counts, minlength=len(terms))[enough]
        known = np.sort(enough[np.argsort(-often, kind="stable")[:_TERMS]])
        rarity = np.log((1 + len(bags)) / (1 + seen[known])) + 1
        self.numbers[kind] = PRIME
        self.rarity[kind] = 0
        self.numbers[kind, : len(known)] = torch.from_numpy(terms[known].astype(np.int64))
        self.rarity[kind, : len(known)] = torch.from_numpy(rarity)
        column = np.full(len(terms), -1, dtype=np.int32)
        column[known] = np.arange(len(known))
        columns = column[place]
        rows = np.repeat(np.arange(len(bags), dtype=np.int32), [len(numbers) for numbers, _ in bags])
        rows, columns, counts = (array[columns >= 0] for array in (rows, columns, counts))
        values = (1 + np.log(counts)) * rarity[columns]
        lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(bags)))
        return csr_matrix((values / lengths[rows], (rows, columns)), shape=(len(bags), len(known)))

    @staticmethod
    def _search(table: Tensor, terms: Tensor) -> Tensor:
        """Place of the last number in a sorted table that is not larger; ONNX has no such search."""
        place, step = torch.zeros_like(terms), _TERMS // 2
        while step:
            further = place + step
            place = torch.where(table[further] <= terms, further, place)
            step //= 2
        return place


def _counted(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different numbers, and how often there is each."""
    found, counts = np.unique(numbers.astype(np.int32), return_counts=True)  # they are below 2**31
    return found, counts.astype(np.float32)


def _size(bag: list[tuple[np.ndarray, np.ndarray]]) -> int:
    return sum(len(numbers) for numbers, _ in bag)


def _strength(rows: Any, truth: np.ndarray, single: bool) -> float:
    """The one with which texts that were held out have the smallest loss."""
    fold_of = np.random.default_rng(0).permutation(len(truth)) % _FOLDS
    loss_of = functional.cross_entropy if single else functional.binary_cross_entropy_with_logits

    def held_out_loss(strength: float) -> float:
        total = 0.0
        for out in (fold_of == fold for fold in range(_FOLDS)):
            weights, bias = _regression(rows[~out], truth[~out], single, strength)
            scores = torch.from_numpy(rows[out] @ weights + bias)
            total += float(loss_of(scores, torch.from_numpy(truth[out]).double(), reduction="sum"))
        return total

    return min(_STRENGTHS, key=held_out_loss)


def _regression(rows: Any, truth: np.ndarray, single: bool, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of shape (terms, labels) and a bias for each label; what all or none have goes by its share."""
    texts, labels = truth.shape
    weights, has = np.zeros((rows.shape[1], labels)), truth.sum(axis=0)
    told = np.flatnonzero((has > 0) & (has < texts)) if rows.shape[1] else np.array([], dtype=int)
    if single:
        bias = np.log((has + 0.5) / (texts + 0.5 * labels))
        if len(told):
            weights[:, told], bias[told] = _fitted(rows, truth[:, told].argmax(axis=1), strength)
    else:
        bias = np.log((has + 0.5) / (texts - has + 0.5))
        for label in told:
            both, offsets = _fitted(rows, truth[:, label] > 0, strength)
            weights[:, label], bias[label] = 2 * both[:, 1], 2 * offsets[1]
    return weights, bias


def _fitted(rows: Any, truth: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of each of two or more classes, for a softmax; they sum to 0."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=1000).fit(rows, truth)
    weights, bias = model.coef_.T, model.intercept_
    if len(bias) == 1:
        weights, bias = weights * [-0.5, 0.5], bias * [-0.5, 0.5]
    return weights, bias
