"""Compare runs and models: settings, data, metrics, curves, and the samples on which they differ."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.config.schema import EvaluateConfig
from holdfast.core.errors import ConfigError
from holdfast.core.files import write_text
from holdfast.core.workspace import Workspace
from holdfast.data import SPLITS, Version
from holdfast.evaluate import labels_of, paired_differences
from holdfast.workflows.subjects import Subject, open_subject

LOWER_IS_BETTER = ("log_loss",)
_NOT_CURVES = ("step", "epoch")


def compare_runs(
    names: Sequence[str],
    workspace: Workspace,
    *,
    every_setting: bool = False,
    samples: int = 24,
    page: Path | None = None,
) -> dict[str, Any]:
    """Lay runs or models side by side; the first is what the others are compared with.

    Args:
        names: ids of runs, or references of models such as `birds@3`; two or more.
        every_setting: whether settings that are the same everywhere are listed too.
        samples: most samples listed for each pair of which one answers otherwise than the other.
        page: where to write all of it as one HTML file, which needs nothing else.

    Returns:
        JSON-ready: `subjects`, `config` (rows of key and values), `data` (counts for each split and label,
        and `held_out`: whether the test samples are the same), `headline`, `metrics` (with intervals, a
        value for each subject), `pairs` (the first with each other one: paired differences on the samples
        that both were tested on, who is right how often, and the samples on which they differ) and
        `curves` (metric → for each subject, points of epoch and value).

    Raises:
        ConfigError: if fewer than two are named.
        RefError: if one is neither a run nor a model.
    """
    if len(names) < 2:
        raise ConfigError("one alone cannot be compared", hint="name two or more runs or models")
    with ExitStack() as stack:
        subjects = [open_subject(name, workspace) for name in names]
        for subject in subjects:
            if subject.version is not None:
                stack.enter_context(subject.version)
        result = {
            "subjects": [_facts(subject) for subject in subjects],
            "config": _settings([subject.config for subject in subjects], every_setting),
            "data": _data(subjects),
            **_metrics(subjects),
            "pairs": [_pair(subjects[0], other, samples) for other in subjects[1:]],
            "curves": _curves(subjects),
        }
        if page is not None:
            from holdfast.workflows.comparison_page import comparison_page

            write_text(page, comparison_page(result, subjects[0].version))
    return result


def verdict(name: str, found: Mapping[str, Any]) -> str:
    """Whether a paired difference tells two models apart: better, worse, or not told apart.

    >>> verdict("log_loss", {"difference": -0.2, "low": -0.3, "high": -0.1})
    'better'
    """
    low, high = found["low"], found["high"]
    if low is None or low <= 0 <= high:
        return "not told apart"
    return "better" if (low > 0) != (name in LOWER_IS_BETTER) else "worse"


def _facts(subject: Subject) -> dict[str, Any]:
    info = subject.run.info if subject.run else None
    return {
        "name": subject.name,
        "run": info.id if info else None,
        "model": info.model if info else subject.name,
        "status": info.status if info else "finished",
        **subject.origin,
        "seconds": info.seconds if info else None,
        "created": info.created
        if info
        else subject.bundle and subject.bundle.manifest.provenance.get("created"),
    }


def _settings(configs: Sequence[Mapping[str, Any]], every: bool) -> list[dict[str, Any]]:
    flat = [_flat(config) for config in configs]
    rows = [
        {"key": key, "values": [one.get(key) for one in flat]}
        for key in dict.fromkeys(k for f in flat for k in f)
    ]
    return [row for row in rows if every or any(value != row["values"][0] for value in row["values"])]


def _data(subjects: Sequence[Subject]) -> dict[str, Any]:
    versions = [subject.version for subject in subjects]
    labels = dict.fromkeys(label for version in versions if version for label in version.info.labels)
    counted = [_counts(version) for version in versions]
    return {
        "same": len({subject.origin["fingerprint"] for subject in subjects}) == 1,
        "splits": [
            {
                "split": split,
                "values": [version and version.info.splits.get(split, 0) for version in versions],
            }
            for split in SPLITS
        ],
        "labels": [
            {
                "label": label,
                "split": split,
                "values": [count and count.get((split, label), 0) for count in counted],
            }
            for label in labels
            for split in SPLITS
        ],
        "held_out": [_held_out(subjects[0], other) for other in subjects[1:]],
    }


def _counts(version: Version | None) -> dict[tuple[str, str], int] | None:
    if version is None:
        return None
    places = range(len(version.info.labels))
    has = version.targets if version.targets.ndim == 2 else np.equal.outer(version.targets, np.array(places))
    return {
        (split, version.info.labels[place]): int(has[version.splits == split, place].sum())
        for split in SPLITS
        for place in places
    }


def _held_out(first: Subject, second: Subject) -> dict[str, Any]:
    """How many test samples two subjects share, and how many of each the other one has learnt from."""
    found: dict[str, Any] = {"first": first.name, "second": second.name, "same": None}
    if first.version is None or second.version is None:
        return found
    ours, theirs = (
        set(version.digests[version.indices("test")]) for version in (first.version, second.version)
    )
    seen = [set(it.digests[it.splits != "test"]) for it in (first.version, second.version)]
    return {
        **found,
        "same": ours == theirs,
        "shared": len(ours & theirs),
        "only_first": len(ours - theirs),
        "only_second": len(theirs - ours),
        "learnt_by_second": len(ours & seen[1] - seen[0]),
        "learnt_by_first": len(theirs & seen[0] - seen[1]),
    }


def _metrics(subjects: Sequence[Subject]) -> dict[str, Any]:
    told = [(subject.bundle and subject.bundle.evaluation) or {} for subject in subjects]
    names = dict.fromkeys(name for one in told for name in one.get("metrics", {}))
    return {
        "headline": next((one["headline"] for one in told if one), None),
        "metrics": [
            {"metric": name, "values": [one.get("metrics", {}).get(name) for one in told]} for name in names
        ],
    }


def _pair(first: Subject, second: Subject, most: int) -> dict[str, Any]:
    """Two subjects on the samples that both were tested on and that neither has learnt from."""
    found: dict[str, Any] = {"first": first.name, "second": second.name, "samples": 0, "why_not": None}
    why_not = _why_not(first, second)
    if why_not is None:
        rows = _shared(first, second)
        why_not = None if len(rows[0]) else "they were tested on different samples"
    if why_not is not None:
        return {**found, "why_not": why_not, "differences": {}, "right": None, "disagreements": []}
    version, said = _version_of(first), [first.probabilities(rows[0]), second.probabilities(rows[1])]
    cuts = tuple(None if it is None else np.array(it) for it in map(_thresholds, (first, second)))
    config = _evaluation(first)
    targets = version.targets[rows[0]]
    differences = paired_differences(
        said[0],
        said[1],
        targets,
        thresholds=(cuts[0], cuts[1]),
        groups=version.groups[rows[0]],
        resamples=config.bootstrap,
        confidence=config.confidence,
    )
    given = [labels_of(some, version.info.task, cut) for some, cut in zip(said, cuts, strict=True)]
    return {
        **found,
        "samples": len(rows[0]),
        "differences": {name: {**it, "verdict": verdict(name, it)} for name, it in differences.items()},
        "right": _right(given, targets),
        "disagreements": _disagreements(version, rows[0], said, given, most),
    }


def _why_not(first: Subject, second: Subject) -> str | None:
    for subject in (first, second):
        if subject.bundle is None:
            return f"{subject.name} has exported nothing"
        if subject.version is None:
            return f"the data of {subject.name} is gone, or is not what it was trained on"
    ours, theirs = _version_of(first).info, _version_of(second).info
    if (ours.modality, ours.task, ours.labels) != (theirs.modality, theirs.task, theirs.labels):
        return "their labels are not the same"
    return None


def _shared(first: Subject, second: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Rows, in each one's own version, of the same test samples with the same truth."""
    versions = _version_of(first), _version_of(second)
    if versions[0].info.fingerprint == versions[1].info.fingerprint:
        rows = versions[0].indices("test", headline=True)
        return rows, versions[1].indices("test", headline=True)
    learnt = {digest for it in versions for digest in it.digests[it.splits != "test"]}
    places = [
        {str(it.digests[row]): int(row) for row in reversed(it.indices("test"))} for it in versions
    ]  # of exact copies the first one stands for all
    pairs = [
        (row, places[1][digest])
        for digest, row in sorted(places[0].items(), key=lambda item: item[1])
        if digest in places[1]
        and digest not in learnt
        and np.array_equal(versions[0].targets[row], versions[1].targets[places[1][digest]])
    ]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _right(given: Sequence[np.ndarray], targets: np.ndarray) -> dict[str, int]:
    """How many samples both, one or neither has wholly right, and on how many they say the same."""
    right = [(it == targets).reshape(len(targets), -1).all(axis=1) for it in given]
    same = (given[0] == given[1]).reshape(len(targets), -1).all(axis=1)
    return {
        "both": int((right[0] & right[1]).sum()),
        "only_first": int((right[0] & ~right[1]).sum()),
        "only_second": int((right[1] & ~right[0]).sum()),
        "neither": int((~right[0] & ~right[1]).sum()),
        "same_answer": int(same.sum()),
    }


def _disagreements(
    version: Version, rows: np.ndarray, said: Sequence[np.ndarray], given: Sequence[np.ndarray], most: int
) -> list[dict[str, Any]]:
    """Samples to which two subjects give different labels; where they are farthest apart comes first."""
    differ = np.flatnonzero((given[0] != given[1]).reshape(len(rows), -1).any(axis=1))
    apart = np.abs(said[0][differ] - said[1][differ]).sum(axis=1)
    return [
        _sample(version, int(rows[place]), [some[place] for some in said], [it[place] for it in given])
        for place in differ[np.argsort(-apart, kind="stable")][:most]
    ]


def _sample(
    version: Version, row: int, said: Sequence[np.ndarray], given: Sequence[np.ndarray]
) -> dict[str, Any]:
    truth = version.labels_of(row)
    answers = []
    for probabilities, chosen in zip(said, given, strict=True):
        places = [int(chosen)] if np.ndim(chosen) == 0 else np.flatnonzero(chosen).tolist()
        words = [version.info.labels[place] for place in places]
        shown = {label: float(probabilities[version.info.labels.index(label)]) for label in {*words, *truth}}
        answers.append({"labels": words, "right": tuple(words) == truth, "probabilities": shown})
    return {
        "row": row,
        "name": str(version.names[row]),
        "digest": str(version.digests[row]),
        "labels": list(truth),
        "answers": answers,
    }


def _curves(subjects: Sequence[Subject]) -> dict[str, list[list[tuple[float, float]]]]:
    logs = [[row for row in it.run.metrics() if "epoch" in row] if it.run else [] for it in subjects]
    names = dict.fromkeys(
        name
        for log in logs
        for row in log
        for name, value in row.items()
        if name not in _NOT_CURVES and isinstance(value, int | float)
    )
    return {
        name: [[(row["epoch"], row[name]) for row in log if row.get(name) is not None] for log in logs]
        for name in names
    }


def _version_of(subject: Subject) -> Version:
    assert subject.version is not None
    return subject.version


def _thresholds(subject: Subject) -> list[float] | None:
    return subject.bundle.manifest.thresholds if subject.bundle else None


def _evaluation(subject: Subject) -> EvaluateConfig:
    """How the first one's own intervals were made."""
    known = EvaluateConfig.model_fields
    told = subject.config.get("evaluate", {})
    return EvaluateConfig.model_validate({key: value for key, value in told.items() if key in known})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
