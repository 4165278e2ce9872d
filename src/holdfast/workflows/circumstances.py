"""What two trainings were made in: each fact that differs, and which of them can change the weights."""

from collections.abc import Mapping, Sequence
from typing import Any

_FACTS = ("device", "precision", "threads", "processes", "pretrained", "tokenizer")
_REASONS = {
    "pretrained": "the files of model.source are others than they were",
    "tokenizer": "another tokenizer makes other tokens",
    "threads": "another number of threads adds up in another order",
    "processes": "another number of processes adds up in another order",
    "device": "another kind of device computes in another order",
    "precision": "shorter numbers are rounded elsewhere",
    "packages.torch": "another release of torch may compute in another order",
    "packages.holdfast": "the code is another one",
    "git": "the code is not known to be the same",
    "config": "a setting that the run did not know of",
    "packages": "another release of a package may decode or compute otherwise",
    "processor": "another processor may have other instructions, which add up in another order",
    "platform": "another platform has other libraries",
    "python": "another release of Python may compute otherwise",
}
"""The likeliest first. `processors`, how many there are, is not among them: the threads say what was used."""
_AFTERWARDS = ("packages.onnx", "packages.onnxruntime", "packages.scikit-learn", "packages.scipy")
"""They come in once the weights are made, and can change the metrics only."""


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], facts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Each fact that is another one, as rows of `what`, `then`, `now`.

    Args:
        then: what `environment` said when the first run began.
        now: what it said of the second.
        facts: what is known of each of the two: device, precision, threads, processes, and the digests of the
            pretrained network and of the tokenizer.

    >>> differences({"python": "3.11.7"}, {"python": "3.12.1"}, [{"threads": 1}, {"threads": 1}])
    [{'what': 'python', 'then': '3.11.7', 'now': '3.12.1'}]
    """
    first, second = (_flat(around, told) for around, told in zip((then, now), facts, strict=True))
    unsaid = {name for name in (*_FACTS, "processor") if name not in first or name not in second}
    return [
        {"what": name, "then": first.get(name), "now": second.get(name)}
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name) and name not in unsaid
    ]


def reasons(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why weights may have become others, the likeliest first.

    >>> reasons([{"what": "threads", "then": 1, "now": 2}])
    ['threads: another number of threads adds up in another order (1 → 2)']
    """
    return [
        f"{row['what']}: {_REASONS[kind]} ({row['then']} → {row['now']})"
        for kind in _REASONS
        for row in found
        if _kind(str(row["what"])) == kind
    ]


def _kind(what: str) -> str | None:
    """The entry of `_REASONS` for a fact: its own, or that of its group."""
    if what in _AFTERWARDS:
        return None
    return next((name for name in (what, what.split(".")[0]) if name in _REASONS), None)


def _flat(around: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    git = around.get("git") or {}
    changes = git.get("diff_digest") or ("none" if git.get("dirty") is False else "unknown")
    return {
        **{name: facts[name] for name in _FACTS if name in facts},
        "python": around.get("python"),
        **{f"platform.{name}": value for name, value in around.get("platform", {}).items()},
        **{f"packages.{name}": value for name, value in around.get("packages", {}).items()},
        "processors": around.get("processors"),
        **({"processor": around["processor"]} if around.get("processor") else {}),
        "git.commit": git.get("commit"),
        "git.changes": changes,
    }
