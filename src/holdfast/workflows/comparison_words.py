"""Sentences about a comparison, the same on a terminal and on a page."""

from collections.abc import Mapping
from typing import Any


def shown_interval(metric: Mapping[str, Any] | None, *, sign: str = "") -> str:
    """A metric or a difference with its interval, in words; `sign="+"` shows the sign."""
    value = None if metric is None else metric.get("value", metric.get("difference"))
    if metric is None or value is None:
        return "–"
    if metric.get("low") is None:
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.3f} ({metric['low']:{sign}.3f} to {metric['high']:{sign}.3f})"


def held_out_words(held: Mapping[str, Any]) -> str:
    """Whether two subjects were tested on the same samples, and what one learnt of the other's."""
    first, second = held["first"], held["second"]
    if held["same"] is None:
        return f"{first} and {second}: the data of one of them is gone."
    if held["same"]:
        return f"{first} and {second} were tested on the same {held['shared']} samples."
    told = (
        f"{first} and {second} share {held['shared']} test samples; {held['only_first']} are tested by the "
        f"first only, {held['only_second']} by the second only."
    )
    seen = [(second, held["learnt_by_second"], first), (first, held["learnt_by_first"], second)]
    return told + "".join(
        f" {one} has learnt from {count} test samples of {other}." for one, count, other in seen if count
    )
