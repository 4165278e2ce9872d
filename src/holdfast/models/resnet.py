"""A compact residual network for small pictures (He et al. 2015), made to learn from scratch on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.config.schema import ImagePrepare, ModelConfig
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import ImageFront

_LARGE = 48
"""Pictures with more pixels than this on a side are halved by the stem already."""


def build(config: ModelConfig, prepare: ImagePrepare, labels: int) -> Classifier:
    """`depth` stages of two blocks, the first with `width` channels, each other one with twice as many."""
    body = ResNet(config.width, config.depth, channels=3, stem_stride=2 if prepare.size > _LARGE else 1)
    return Classifier(ImageFront(prepare), body, width=body.out_width, labels=labels, dropout=config.dropout)


class ResNet(nn.Module):
    """From pictures of shape (n, channels, height, width) to embeddings of shape (n, out_width)."""

    def __init__(self, width: int, depth: int, *, channels: int, stem_stride: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(depth)]
        stages: list[nn.Module] = []
        for before, after in zip([width, *widths], widths, strict=False):
            stages += [Block(before, after, stride=1 if not stages else 2), Block(after, after)]
        self.stages = nn.Sequential(
            nn.Conv2d(channels, width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            *stages,
        )
        self.out_width = widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean over all places of what the last stage finds."""
        embedding: Tensor = self.stages(pictures).mean(dim=(2, 3))
        return embedding


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        nn.init.zeros_(self.norm2.weight)  # a block begins as its short cut (Goyal et al. 2017)
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, or half of each side where the stride is 2."""
        y = F.relu(self.norm1(self.first(x)))
        return F.relu(self.norm2(self.second(y)) + self.shortcut(x))
