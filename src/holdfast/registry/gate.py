"""The gate: what a model must show before an alias moves to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.bundle import Bundle, Manifest

if TYPE_CHECKING:  # all dials together take 0.1 s to load
    from holdfast.config.schema import GateConfig

_BASELINES = {"majority": "the majority baseline", "simple": "the baseline of simple features"}
_MOST_NAMED = 10


@dataclass(frozen=True)
class Shown:
    """What a model has shown: the facts of its manifest, and its evaluation on held-out samples."""

    ref: str
    manifest: Manifest
    evaluation: Mapping[str, Any]

    @classmethod
    def by(cls, bundle: Bundle, ref: str) -> "Shown":
        """What a bundle has shown, and what to call it in messages."""
        return cls(ref, bundle.manifest, bundle.evaluation or {})

    @property
    def headline(self) -> str:
        """The metric that models are compared by."""
        return str(self.evaluation.get("headline", "headline metric"))

    def level(self, of: str, end: str = "value") -> float | None:
        """A metric's value, or an end of its interval; None where that was not measured."""
        return _number(self.evaluation.get("metrics"), of, end)

    def baseline(self, name: str, of: str) -> float | None:
        """The value of a metric that a baseline reaches; None where that was not measured."""
        return _number((self.evaluation.get("baselines") or {}).get(name), of, "value")


def failures(candidate: Shown, champion: Shown | None, gate: "GateConfig") -> list[str]:
    """Every requirement that a model does not meet; none if the alias may move to it.

    Its headline metric must be better than those of the majority and of simple features, must not lie
    below the interval of the champion, and must speak of all its labels; its graph must agree with the
    training code or, if it was optimised, be inside its budget. What was not measured counts as not met.

    Args:
        candidate: the model that is to have the alias.
        champion: the one that has it now, if one does.
        gate: how closely graph and training code must agree.
    """
    found = _beside_baselines(candidate) + _unmeasured(candidate)
    if champion is not None:
        found += _beside_champion(candidate, champion)
    if optimized := candidate.evaluation.get("optimized"):
        return found + _optimized(optimized)
    return found + _parity(candidate.manifest.parity, gate)


def _beside_baselines(candidate: Shown) -> list[str]:
    name, value = candidate.headline, candidate.level(candidate.headline)
    if value is None:
        return [f"it has no {name} on held-out samples, so nothing shows what it can do"]
    found = []
    for baseline, title in _BASELINES.items():
        beside = candidate.baseline(baseline, name)
        if beside is None:
            remedy = "; train with evaluate.baselines=true" if baseline == "simple" else ""
            found.append(f"{title} was not measured{remedy}")
        elif value <= beside:
            ours, theirs = _apart(value, beside)
            how = "only as good as" if value == beside else "worse than"
            found.append(f"its {name} of {ours} is {how} {title}, {theirs}")
    return found


def _unmeasured(candidate: Shown) -> list[str]:
    labels = candidate.evaluation.get("undefined") or []
    if not labels or candidate.level(candidate.headline) is None:  # then nothing is measured, which is said
        return []
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return [
        "nothing shows how well it tells these labels, which all or none of the held-out samples have: "
        + ", ".join(labels[:_MOST_NAMED])
        + more
    ]


def _beside_champion(candidate: Shown, champion: Shown) -> list[str]:
    ours, theirs = set(candidate.manifest.labels), set(champion.manifest.labels)
    if ours != theirs:
        changes = [("lacks", sorted(theirs - ours)), ("adds", sorted(ours - theirs))]
        said = " and ".join(f"{what} {', '.join(labels)}" for what, labels in changes if labels)
        return [f"its labels are not those of {champion.ref}: it {said}"]
    name = candidate.headline
    value, held = candidate.level(name), champion.level(name)
    low = champion.level(name, "low")
    bar = held if low is None else low  # without resamples there is no interval
    if value is None or held is None or bar is None:
        return [f"it cannot be compared with {champion.ref}: {name} was not measured for both"]
    if value >= bar:
        return []
    mine, least = _apart(value, bar)
    interval = "" if low is None else f" (its interval begins at {least})"
    return [
        f"its {name} of {mine} is worse than that of {champion.ref}, {_apart(held, value)[0]}{interval}"
        + _other_data(candidate.manifest, champion.manifest)
    ]


def _other_data(ours: Manifest, theirs: Manifest) -> str:
    same = ours.provenance.get("fingerprint") == theirs.provenance.get("fingerprint")
    return "" if same else "; but the two were tested on different data"


def _parity(parity: Mapping[str, float] | None, gate: "GateConfig") -> list[str]:
    if not parity or not parity.get("samples"):
        return ["nothing shows that its graph says what the training code says: it has no parity report"]
    apart, equal = _number({"": parity}, "", "max_difference"), _number({"": parity}, "", "equal_labels")
    found = []
    if apart is None or not apart <= gate.max_difference:
        found.append(
            f"its graph and the training code differ by {apart} in probability, "
            f"more than gate.max_difference={gate.max_difference}"
        )
    if equal is None or not equal >= gate.equal_labels:
        found.append(
            f"its graph and the training code give the same label to a share of {equal}, "
            f"less than gate.equal_labels={gate.equal_labels}"
        )
    return found


def _optimized(told: Mapping[str, Any]) -> list[str]:
    """Of a graph that differs from the training code on purpose, what it loses must be inside its budget."""
    points, budget = _number({"": told.get("difference")}, "", "points"), told.get("budget")
    if points is None or not isinstance(budget, int | float) or not points >= -budget:
        return [f"it loses {points} points of {told.get('original')}, and its budget was {budget}"]
    return []


def _number(metrics: Any, name: str, part: str) -> float | None:
    value = ((metrics or {}).get(name) or {}).get(part)
    return None if value is None or value != value else float(value)  # NaN is not equal to itself


def _apart(first: float, second: float) -> tuple[str, str]:
    """Both with four decimals, or with all that they have if four would make two values look alike."""
    short = f"{first:.4f}", f"{second:.4f}"
    return (str(first), str(second)) if first != second and short[0] == short[1] else short
