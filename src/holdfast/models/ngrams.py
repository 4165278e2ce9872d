"""A network over token ids that looks at single tokens and at pairs, hashed into buckets inside the graph."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.config.schema import ModelConfig, TextPrepare
from holdfast.models.classifier import Classifier

_BUCKETS = 1 << 15
"""Pairs that share a bucket share a vector; more buckets share less, but make the bundle larger."""
_PRIMES = (1_000_003, 7_919)


def build(config: ModelConfig, prepare: TextPrepare, labels: int, vocab: int, pad: int) -> Classifier:  # noqa: ARG001
    """Vectors of `width` for each token and pair, and `depth` - 1 convolutions over them."""
    front = NgramFront(vocab, config.width, pad)
    body = TextBody(config.width, config.depth - 1)
    return Classifier(front, body, width=body.out_width, labels=labels, dropout=config.dropout)


class NgramFront(nn.Module):
    """Token ids of shape (n, tokens), int64, to vectors of shape (n, tokens, width + 1).

    The vector of a place is that of its token plus that of the pair which begins there. The last number
    says whether there is a token (1) or padding (0, and so is the vector).
    """

    def __init__(self, vocab: int, width: int, pad: int) -> None:
        super().__init__()
        self.pad = pad
        self.tokens = nn.Embedding(vocab, width)
        self.pairs = nn.Embedding(_BUCKETS, width)
        for table in (self.tokens, self.pairs):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        """The pair of the last token is the one with padding, whether or not padding follows."""
        following = F.pad(ids[:, 1:], (0, 1), value=self.pad)
        buckets = (ids * _PRIMES[0] + following * _PRIMES[1]) % _BUCKETS
        there = (ids != self.pad).float().unsqueeze(2)
        vectors = self.tokens(ids) + self.pairs(buckets)
        return torch.cat([vectors * there, there], dim=2)


class TextBody(nn.Module):
    """From vectors of shape (n, tokens, width + 1) to embeddings of shape (n, out_width).

    The mean of the vectors is a bag of tokens and pairs; convolutions over five tokens, if there are
    any, add the maximum of what they find.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(layers))
        self.out_width = 2 * width if layers else width

    def forward(self, features: Tensor) -> Tensor:
        """Padding counts neither in the mean nor in the maximum."""
        vectors, there = features[:, :, :-1], features[:, :, -1:]
        bag = vectors.sum(dim=1) / there.sum(dim=1).clamp(min=1)
        if not self.convolutions:
            return bag
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            found = convolution((norm(vectors) * there).transpose(1, 2)).transpose(1, 2)
            vectors = (vectors + F.relu(found)) * there
        return torch.cat([bag, vectors.masked_fill(there == 0, _NOWHERE).amax(dim=1)], dim=1)


_NOWHERE = -1e4
"""Smaller than anything a network says; not infinite, so that an empty text gives numbers too."""
