"""Every dial of making a model smaller and faster."""

from typing import Annotated

from annotated_types import Gt, Le

from holdfast.config.prepare import Count, NotNegative, Positive, Settings


class OptimizeConfig(Settings):
    """How a model is made smaller and faster, and what that may cost."""

    budget: NotNegative = 0.5
    """Points of the headline metric that may be lost: 0.5 of 91.3 leaves 90.8."""
    samples: Count = 128
    """Training samples on which the ranges of eight-bit numbers are measured."""
    valid: Count = 1000
    """Most validation samples on which the ways to do it are compared."""
    narrow: bool | None = None
    """Weights of seven bits, for processors that saturate with eight; null: where this one has no VNNI."""
    keep: tuple[Annotated[float, Gt(0), Le(1)], ...] = (0.5, 0.75)
    """Shares of the channels that pruning keeps; the first one that stays in the budget on validation."""
    epochs: Annotated[float, Gt(0), Le(10)] = 0.25
    """How long a pruned network learns again, as a share of the epochs of its training."""
    lr: Positive = 0.3
    """How fast, as a share of the learning rate of its training."""
