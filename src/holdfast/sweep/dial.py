"""A dial: one setting that a sweep varies, and the values that it may take."""

import json
import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal, Self

Kind = Literal["float", "int", "choice", "normal"]

_TAIL = 0.001
"""A normal distribution is cut here on both sides: at 3.09 standard deviations."""


@dataclass(frozen=True)
class Dial:
    """One setting and its values.

    Attributes:
        key: of the setting, such as `optim.lr`.
        kind: `float` and `int` lie between `low` and `high`, both of them possible; a `choice` is one of
            `choices`; a `normal` one has the mean `low` and the standard deviation `high`, and is
            cut at 3.09 deviations.
        step: distance from one value to the next; 0 for all between.
        log: whether each factor of ten is equally likely; of a normal dial, whether its logarithm is normal.
        round_to: the value is rounded to a multiple of this after it was drawn; 0 for none.

    >>> Dial("train.batch", "int", 16, 64, step=16).grid()
    [16, 32, 48, 64]
    """

    key: str
    kind: Kind
    low: float = 0
    high: float = 0
    step: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()
    round_to: float = 0

    def distribution(self) -> Any:
        """What Optuna draws from. Choices are drawn as JSON, in which 1, 1.0 and true differ."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "choice":
            return CategoricalDistribution([json.dumps(choice) for choice in self.choices])
        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step) or 1)
        if self.kind == "normal":
            return FloatDistribution(_TAIL, 1 - _TAIL)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step or None)

    def value(self, drawn: Any) -> Any:
        """The setting's value for what Optuna drew."""
        if self.kind == "choice":
            return json.loads(drawn)
        if self.kind == "normal":
            drawn = NormalDist(self.low, self.high).inv_cdf(drawn)
            drawn = math.exp(drawn) if self.log else drawn
        if self.round_to:
            drawn = round(drawn / self.round_to) * self.round_to
        return int(drawn) if self.kind == "int" else drawn

    def ends(self) -> list[Any]:
        """The values that must be allowed if all are to be: both ends, or each choice."""
        if self.kind == "choice":
            return list(self.choices)
        low, high = (_TAIL, 1 - _TAIL) if self.kind == "normal" else (self.low, self.high)
        return [self.value(low), self.value(high)]

    def grid(self) -> list[Any] | None:
        """All values, if they can be counted."""
        if self.kind == "choice":
            return list(self.choices)
        step = self.step or (1 if self.kind == "int" and not self.log else 0)
        if not step or self.kind == "normal":
            return None
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        # 0.1 + 2 * 0.1 is 0.30000000000000004, which nobody wrote
        return [self.value(float(f"{self.low + number * step:.12g}")) for number in range(count)]

    def drawn(self, value: Any) -> Any:
        """What Optuna would have drawn for a value of `grid`."""
        return json.dumps(value) if self.kind == "choice" else value

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return {**asdict(self), "choices": list(self.choices)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**{**value, "choices": tuple(value["choices"])})

    def __str__(self) -> str:
        """In words, for people."""
        if self.kind == "choice":
            return f"{self.key}: {', '.join(str(choice) for choice in self.choices)}"
        if self.kind == "normal":
            name = "log-normal" if self.log else "normal"
            return f"{self.key}: {name} with mean {self.low:g} and deviation {self.high:g}"
        scale = ", log scale" if self.log else ""
        return (
            f"{self.key}: {self.low:g} to {self.high:g}" + (f" by {self.step:g}" if self.step else "") + scale
        )
