"""A plan: all that two processes must agree on to work on the same sweep."""

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from holdfast.sweep.dial import Dial

Method = Literal["grid", "random", "tpe"]


@dataclass(frozen=True)
class Pruning:
    """When a trial that does badly is cut short.

    Attributes:
        kind: `median` cuts a trial whose best epoch so far is worse than the median of the others at that
            epoch; `halving` keeps one in `factor` at each rung (ASHA, Li et al. 2020), the
            rungs being at `first` epochs, `first * factor`, and so on; `none` cuts none.
        first: no trial is cut before this epoch.
        factor: only for halving.
    """

    kind: Literal["median", "halving", "none"] = "median"
    first: int = 1
    factor: int = 3


@dataclass(frozen=True)
class Plan:
    """What a sweep varies and how.

    Attributes:
        dials: at least one.
        method: `grid` tries every combination, `random` draws each by itself, `tpe` learns from what was
            tried (tree-structured Parzen estimator, Bergstra et al. 2011).
        metric: of the validation split.
        maximize: whether more of it is better.
        seed: same seed, same draws.
        target: no new trial begins once the metric has reached this; None for none.
    """

    dials: tuple[Dial, ...]
    method: Method
    metric: str
    maximize: bool
    pruning: Pruning = Pruning()
    seed: int = 0
    target: float | None = None

    def grid_size(self) -> int | None:
        """How many combinations there are, if they can be counted."""
        sizes = [len(values) if (values := dial.grid()) is not None else None for dial in self.dials]
        return None if None in sizes else math.prod(size or 0 for size in sizes)

    def combination(self, number: int) -> dict[str, Any]:
        """The combination of a grid with this number, counted from 0; the last dial turns fastest.

        Raises:
            ValueError: if the combinations cannot be counted, or there are fewer.
        """
        values = [dial.grid() for dial in self.dials]
        if any(found is None for found in values):
            raise ValueError("a dial without steps has no grid")
        found = next(itertools.islice(itertools.product(*(v or [] for v in values)), number, None), None)
        if found is None:
            raise ValueError(f"there is no combination {number}")
        return {dial.key: value for dial, value in zip(self.dials, found, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return {**asdict(self), "dials": [dial.to_json() for dial in self.dials]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        dials = tuple(Dial.from_json(dial) for dial in value["dials"])
        return cls(**{**value, "dials": dials, "pruning": Pruning(**value["pruning"])})
