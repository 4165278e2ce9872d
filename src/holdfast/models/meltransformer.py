"""Convolutions over log-mel spectra, a transformer over time, and attention that picks what to listen to."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.config.schema import AudioPrepare, ModelConfig
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import MelFront

_HEADS = 4
_FAR = 30.0
"""Taken off the scores of silence, which leaves it e^-30 of its weight."""


def build(config: ModelConfig, prepare: AudioPrepare, labels: int) -> Classifier:
    """Three stages of convolutions from `width` channels on, then `depth` transformer layers."""
    body = MelTransformer(config.width, config.depth, bands=prepare.mels, dropout=config.dropout)
    return Classifier(MelFront(prepare), body, width=body.out_width, labels=labels, dropout=config.dropout)


class MelTransformer(nn.Module):
    """From spectra of shape (n, 2, mels, frames), as `MelFront` gives them, to embeddings of (n, out_width).

    The convolutions leave an eighth of the bands and a quarter of the frames. All bands of a frame
    become one token: at which pitch something is heard matters. Tokens have no positions: when it is
    heard does not. Where there is no sound, nothing is attended to.
    """

    def __init__(self, width: int, depth: int, *, bands: int, dropout: float) -> None:
        super().__init__()
        self.out_width = 6 * width
        self.stages = nn.Sequential(
            _stage(1, width, (2, 2)), _stage(width, 2 * width, (2, 2)), _stage(2 * width, 4 * width, (2, 1))
        )
        left = math.ceil(bands / 8)
        self.tokens = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(4 * width * left, self.out_width), nn.LayerNorm(self.out_width)
        )
        self.layers = nn.ModuleList(_Layer(self.out_width, dropout) for _ in range(depth))
        # without a constant, which a softmax takes out again
        self.interest = nn.Linear(self.out_width, 1, bias=False)

    def forward(self, spectra: Tensor) -> Tensor:
        """The mean of the tokens, each weighed by how interesting it is (attention pooling)."""
        maps = self.stages(spectra[:, :1])
        tokens = self.tokens(maps.permute(0, 3, 1, 2).flatten(2))
        silence = _FAR * (_thinned(_thinned(spectra[:, 1].amax(dim=1))) - 1)
        for layer in self.layers:
            tokens = layer(tokens, silence)
        weights = (self.interest(tokens).squeeze(2) + silence).softmax(dim=1)
        embedding: Tensor = (weights.unsqueeze(2) * tokens).sum(dim=1)
        return embedding


class _Layer(nn.Module):
    """Self-attention and two linear layers, each after a norm and beside a short cut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.asked = nn.Linear(width, 3 * width, bias=False)
        self.answer = nn.Linear(width, width)
        self.inner = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, silence: Tensor) -> Tensor:
        """Tokens of shape (n, tokens, width); `silence`, of shape (n, tokens), is added to all scores."""
        tokens = tokens + self.dropout(self.answer(self._attended(self.norms[0](tokens), silence)))
        told: Tensor = tokens + self.dropout(self.inner(self.norms[1](tokens)))
        return told

    def _attended(self, tokens: Tensor, silence: Tensor) -> Tensor:
        n, count, width = tokens.shape
        parts = self.asked(tokens).view(n, count, 3, _HEADS, width // _HEADS).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind(0)
        scores = queries @ keys.transpose(2, 3) / math.sqrt(width // _HEADS)
        attention = (scores + silence[:, None, None]).softmax(dim=3)
        attended: Tensor = (attention @ values).transpose(1, 2).reshape(n, count, width)
        return attended


def _thinned(heard: Tensor) -> Tensor:
    """As a convolution of stride 2 thins out frames: 1 where it saw any sound."""
    return F.max_pool1d(heard.unsqueeze(1), 3, 2, 1).squeeze(1)


def _stage(before: int, after: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
