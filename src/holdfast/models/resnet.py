"""A compact residual network for small pictures (He et al. 2015), made to learn from scratch on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.config.schema import ImagePrepare, ModelConfig
from holdfast.core.errors import ConfigError
from holdfast.models.classifier import Classifier
from holdfast.models.fronts import ImageFront

_LARGE = 48
"""Pictures with more pixels than this on a side are halved by the stem already."""
_SQUEEZE = 8


def build(config: ModelConfig, prepare: ImagePrepare, labels: int) -> Classifier:
    """`depth` stages of two blocks, the first with `width` channels, each other one with twice as many."""
    side = config.side or prepare.size
    if side > prepare.size:
        raise ConfigError(
            f"model.side: {side} is more than prepare.size, {prepare.size}: no picture has as many",
            hint="make prepare.size at least as large, or leave model.side at 0",
        )
    body = ResNet(
        config.width,
        config.depth,
        channels=3,
        stem_stride=2 if side > _LARGE else 1,
        drop_path=config.drop_path,
        cells=config.cells,
    )
    return Classifier(
        ImageFront(prepare, side), body, width=body.out_width, labels=labels, dropout=config.dropout
    )


class ResNet(nn.Module):
    """From pictures of shape (n, channels, height, width) to embeddings of shape (n, out_width)."""

    def __init__(
        self,
        width: int,
        depth: int,
        *,
        channels: int,
        stem_stride: int,
        drop_path: float = 0.0,
        cells: int = 1,
    ) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(depth)]
        pairs = list(zip([width, *widths], widths, strict=False))
        rates = [drop_path * block / (2 * depth - 1) for block in range(2 * depth)]
        stages: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairs):
            stages += [
                Block(before, after, stride=2 if stage else 1, drop_path=rates[2 * stage]),
                Block(after, after, drop_path=rates[2 * stage + 1]),
            ]
        self.stages = nn.Sequential(
            nn.Conv2d(channels, width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            *stages,
        )
        self.cells = cells
        self.out_width = widths[-1] * cells**2

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean over all places of what the last stage finds, or over those of each cell.

        Channels are laid out last in memory, which makes a step on a CPU a fifth shorter.
        """
        maps: Tensor = self.stages(pictures.contiguous(memory_format=torch.channels_last))
        if self.cells == 1:
            return maps.mean(dim=(2, 3))
        down, right = (cell_shares(maps.shape[axis], self.cells).to(maps) for axis in (2, 3))
        return (down @ maps @ right.T).flatten(1)


def cell_shares(places: int, cells: int) -> Tensor:
    """How much each place counts in each cell when a side is cut into even cells; shape (cells, places).

    >>> cell_shares(3, 2)
    tensor([[0.6667, 0.3333, 0.0000],
            [0.0000, 0.3333, 0.6667]])
    """
    edges = torch.arange(cells + 1, dtype=torch.float32) * places / cells
    spots = torch.arange(places, dtype=torch.float32)
    overlap = torch.minimum(edges[1:, None], spots + 1) - torch.maximum(edges[:-1, None], spots)
    return overlap.clamp(min=0) * cells / places


class Block(nn.Module):
    """Two convolutions beside a short cut; each channel is scaled by what the whole picture says of it.

    That is squeeze and excitation (Hu et al. 2018). In training the two convolutions are left out of a share
    of the pictures, `drop_path` (stochastic depth, Huang et al. 2016).
    """

    def __init__(self, before: int, after: int, stride: int = 1, drop_path: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.squeeze = nn.Linear(after, after // _SQUEEZE)
        self.excite = nn.Linear(after // _SQUEEZE, after)
        self.drop_path = nn.Dropout(drop_path)
        nn.init.zeros_(self.norm2.weight)  # a block begins as its short cut (Goyal et al. 2017)
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride != 1:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity()
            self.shortcut = nn.Sequential(
                pool, nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, or half of each side where the stride is 2."""
        y = F.relu(self.norm1(self.first(x)), inplace=True)
        y = self.norm2(self.second(y))
        scale = self.excite(F.relu(self.squeeze(F.avg_pool2d(y, y.shape[2:]).flatten(1)))).sigmoid()
        if self.training and self.drop_path.p:
            scale = scale * self.drop_path(torch.ones_like(scale[:, :1]))
        return F.relu((y * scale[:, :, None, None].to(y.dtype)).add_(self.shortcut(x)), inplace=True)
