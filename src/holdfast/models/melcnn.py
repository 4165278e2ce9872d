"""A convolution network over log-mel spectra that asks what is heard, not when."""

import torch
from torch import Tensor, nn

from holdfast.config.schema import AudioPrepare, ModelConfig
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import MelFront


def build(config: ModelConfig, prepare: AudioPrepare, labels: int) -> Classifier:
    """`depth` stages of two convolutions; each halves bands and frames and doubles the channels."""
    body = MelCnn(config.width, config.depth)
    return Classifier(MelFront(prepare), body, width=body.out_width, labels=labels, dropout=config.dropout)


class MelCnn(nn.Module):
    """From spectra of shape (n, 2, mels, frames), as `MelFront` gives them, to embeddings (n, out_width).

    Bands are averaged; over time the mean says what lasts and the maximum what is short but clear.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(depth)]
        self.stages = nn.Sequential(
            *(_stage(before, after) for before, after in zip([1, *widths], widths, strict=False))
        )
        self.out_width = 2 * widths[-1]

    def forward(self, spectra: Tensor) -> Tensor:
        """Mean and maximum over time, side by side."""
        maps = self.stages(spectra[:, :1]).mean(dim=2)
        return torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, 2, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
