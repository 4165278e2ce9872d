"""Fewer channels: of each group of layers that share them, the least are cut out (structured pruning)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.models.classifier import Classifier
from holdfast.models.melcnn import MelCnn
from holdfast.models.meltransformer import MelTransformer
from holdfast.models.resnet import Block, ResNet

_STEP = 16
"""Channels come in multiples of this, and in no fewer: kernels of processors work on blocks of 16."""
_HIDDEN = (
    ("ffn.lin1", "ffn.lin2"),  # DistilBERT
    ("intermediate.dense", "output.dense"),  # BERT, ViT, AST
    ("feed_forward.intermediate_dense", "feed_forward.output_dense"),  # wav2vec 2.0
    ("inner.0", "inner.3"),  # ours
)
"""The two layers of a transformer between which its hidden numbers are."""

Spread = Callable[[Tensor, int], Tensor]
"""From the channels that are kept, and how many there were, to the inputs of a layer that are kept."""


@dataclass
class Group:
    """Channels that layers share, which are kept or cut out together.

    Attributes:
        outs: layers and norms that make them.
        ins: layers that take them, and how they lie in what those take.
    """

    outs: list[nn.Module] = field(default_factory=list)
    ins: list[tuple[nn.Module, Spread]] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """How many there are."""
        return len(_weight(self.outs[0]))

    def importance(self) -> Tensor:
        """The L1 norm of the filters that make each channel (Li et al. 2017), shape (channels,).

        A norm after a convolution scales its filters, so they are taken as that scales them. Layers add up
        relative to their own mean: otherwise those with many inputs would decide alone.
        """
        total = torch.zeros(self.channels)
        for made, after in zip(self.outs, [*self.outs[1:], None], strict=True):
            if isinstance(made, nn.BatchNorm2d):
                continue
            size = _weight(made).detach().abs().flatten(1).sum(dim=1)
            if isinstance(after, nn.BatchNorm2d):
                assert after.running_var is not None
                size = size * after.weight.detach().abs() / (after.running_var + after.eps).sqrt()
            total += size / size.mean().clamp(min=1e-12)
        return total


def can_be_pruned(model: Classifier, keep: float) -> bool:
    """Whether there are channels in it that we know how to cut out, and more than would be kept."""
    return any(_kept(group, keep) < group.channels for group in groups_of(model))


def prune(model: Classifier, keep: float) -> dict[str, int]:
    """Cut the least channels of each group out of a network, in place.

    Args:
        keep: share of the channels of each group; rounded to a multiple of 16, and no fewer than that.

    Returns:
        `before` and `after`: how many numbers it learns.

    Raises:
        ValueError: if there is nothing in it that can be cut out.
    """
    groups = groups_of(model)
    if not can_be_pruned(model, keep):
        raise ValueError("no channels are known in this network that could be cut out")
    before = _count(model)
    for group in groups:
        count = _kept(group, keep)
        if count < group.channels:
            _cut(group, group.importance().topk(count).indices.sort().values)
    model.head.in_features = _weight(model.head).shape[1]
    body: Any = model.body
    if hasattr(body, "out_width"):
        body.out_width = model.head.in_features
    return {"before": before, "after": _count(model)}


def groups_of(model: Classifier) -> list[Group]:
    """Every group of channels of a network that can be cut; none for an unknown one."""
    body = model.body
    if isinstance(body, ResNet):
        return _resnet(body, model.head)
    if isinstance(body, MelCnn):
        return _chain(_convolutions(body.stages), (model.head, _twice))
    if isinstance(body, MelTransformer):
        tokens = body.tokens[1]
        assert isinstance(tokens, nn.Linear)
        return [*_chain(_convolutions(body.stages), (tokens, _runs(tokens))), *_hidden(body)]
    return [*_bottlenecks(body), *_hidden(body)]


def _resnet(body: ResNet, head: nn.Linear) -> list[Group]:
    """The channels within each block, and those of each stage, which all of its blocks add to."""
    stem, norm = body.stages[0], body.stages[1]
    groups, stream = [], Group([stem, norm])
    for block in list(body.stages)[3:]:
        assert isinstance(block, Block)
        groups.append(Group([block.first, block.norm1], [(block.second, _same)]))
        stream.ins.append((block.first, _same))
        if isinstance(block.shortcut, nn.Sequential):
            groups.append(stream)
            stream.ins.append((block.shortcut[1], _same))
            stream = Group([block.shortcut[1], block.shortcut[2]])
        stream.outs += [block.second, block.norm2, block.excite]
        stream.ins.append((block.squeeze, _same))
    stream.ins.append((head, _runs(head)))
    return [*groups, stream]


def _chain(pairs: list[list[nn.Module]], last: tuple[nn.Module, Spread]) -> list[Group]:
    """Convolutions one after the other, each with its norm, and what takes the channels of the last."""
    after: list[tuple[nn.Module, Spread]] = [(pair[0], _same) for pair in pairs[1:]]
    return [Group(pair, [taker]) for pair, taker in zip(pairs, [*after, last], strict=True)]


def _convolutions(stages: nn.Module) -> list[list[nn.Module]]:
    found: list[nn.Module] = [
        module for module in stages.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    return [found[at : at + 2] for at in range(0, len(found), 2)]


def _bottlenecks(body: nn.Module) -> list[Group]:
    """The channels within the blocks of a residual network of transformers."""
    groups = []
    for module in body.modules():
        layers: list[Any] = list(module) if isinstance(module, nn.Sequential) else []
        if len(layers) < 2 or not all(hasattr(layer, "normalization") for layer in layers):
            continue
        for layer, after in pairwise(layers):
            groups.append(Group([layer.convolution, layer.normalization], [(after.convolution, _same)]))
    return groups


def _hidden(body: nn.Module) -> list[Group]:
    """The hidden numbers of each layer of a transformer."""
    known = dict(body.named_modules())
    return [
        Group([first], [(known[name.removesuffix(ends[0]) + ends[1]], _same)])
        for name, first in known.items()
        for ends in _HIDDEN
        if isinstance(first, nn.Linear)
        and f".{name}".endswith(f".{ends[0]}")
        and isinstance(known.get(name.removesuffix(ends[0]) + ends[1]), nn.Linear)
    ]


def _kept(group: Group, keep: float) -> int:
    return max(_STEP, round(keep * group.channels / _STEP) * _STEP)


def _same(kept: Tensor, channels: int) -> Tensor:
    """One input for each channel."""
    del channels
    return kept


def _twice(kept: Tensor, channels: int) -> Tensor:
    """All channels, and then all of them again."""
    return torch.cat([kept, kept + channels])


def _runs(taker: nn.Linear) -> Spread:
    """As many inputs for each channel, one after the other, as there are places."""

    def spread(kept: Tensor, channels: int) -> Tensor:
        places = taker.in_features // channels
        return (kept[:, None] * places + torch.arange(places)).flatten()

    return spread


def _cut(group: Group, kept: Tensor) -> None:
    channels = group.channels
    for made in group.outs:
        for name in ("weight", "bias", "running_mean", "running_var"):
            _take(made, name, kept, axis=0)
        _resize(made, ("out_channels", "out_features", "num_features"), len(kept))
    for taker, spread in group.ins:
        inputs = spread(kept, channels)
        _take(taker, "weight", inputs, axis=1)
        _resize(taker, ("in_channels", "in_features"), len(inputs))


def _take(module: nn.Module, name: str, kept: Tensor, *, axis: int) -> None:
    value = getattr(module, name, None)
    if value is None:
        return
    taken = value.detach().index_select(axis, kept).clone()
    setattr(module, name, nn.Parameter(taken) if isinstance(value, nn.Parameter) else taken)


def _resize(module: nn.Module, names: tuple[str, ...], size: int) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, size)


def _weight(module: nn.Module) -> Tensor:
    """The weight of a layer or norm."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
