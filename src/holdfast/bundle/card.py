"""The model card: a page in Markdown made from facts of the manifest and the evaluation, and no others."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.bundle.facts import MOST_NAMED, TITLES, interval, limits, named, number
from holdfast.bundle.manifest import Manifest


def write_card(manifest: Manifest, evaluation: Mapping[str, Any], splits: Mapping[str, int]) -> str:
    """The card of a model; what is not known is left out.

    Args:
        evaluation: the report of `holdfast.evaluate.evaluate` on the held-out split.
        splits: the number of samples in each split of the dataset.
    """
    sections = [
        _title(manifest),
        _section("Data", _data(manifest, evaluation, splits)),
        _section("Results on held-out data", [_results(evaluation), *_notes(evaluation)]),
        _section("Per label", [_per_label(evaluation.get("per_class") or [])]),
        _section("Limits", ["\n".join(f"- {_escape(line)}" for line in limits(manifest, evaluation))]),
        _section("Provenance", [_provenance(manifest)]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _title(manifest: Manifest) -> str:
    kind = {"image": "pictures", "audio": "sounds", "text": "texts"}[manifest.modality]
    gives = "one label" if manifest.task == "single" else "any number of labels"
    name = _escape(str(manifest.provenance.get("dataset", "model")))
    labels = named([_escape(label) for label in manifest.labels])
    return f"# {name}\n\nGives {kind} {gives} out of {len(manifest.labels)}: {labels}."


def _section(title: str, blocks: Sequence[str]) -> str:
    filled = [block for block in blocks if block]
    return "\n\n".join([f"## {title}", *filled]) if filled else ""


def _data(manifest: Manifest, evaluation: Mapping[str, Any], splits: Mapping[str, int]) -> list[str]:
    origin = manifest.provenance
    lines = (
        [f"- samples: {', '.join(f'{count} {split}' for split, count in splits.items())}"] if splits else []
    )
    if "dataset" in origin and "version" in origin:
        lines.insert(0, f"- dataset: {_escape(str(origin['dataset']))}@{origin['version']}")
    if origin.get("fingerprint"):
        lines.append(f"- fingerprint: `{origin['fingerprint']}`")
    if evaluation.get("samples"):
        lines.append(f"- measured on: {evaluation['samples']} held-out samples")
    twins = evaluation.get("left_out_twins")
    if twins:
        lines.append(f"- left out of the results: {twins} held-out samples whose exact copy is in training")
    return ["\n".join(lines)]


def _results(evaluation: Mapping[str, Any]) -> str:
    metrics, baselines = evaluation.get("metrics") or {}, evaluation.get("baselines") or {}
    with_twins = evaluation.get("metrics_with_twins")
    columns = {"model": metrics}
    columns |= {_escape(TITLES.get(name, name)): found for name, found in baselines.items()}
    columns |= {"model, with copies": with_twins} if with_twins else {}
    rows = [
        [f"**{name}**" if name == evaluation.get("headline") else name]
        + [interval(column.get(name)) for column in columns.values()]
        for name in metrics
    ]
    return _table(["metric", *columns], rows) if rows else ""


def _notes(evaluation: Mapping[str, Any]) -> list[str]:
    notes = []
    if evaluation.get("metrics"):
        notes.append("In brackets: the confidence interval. In bold: the metric that the gate looks at.")
    calibration = evaluation.get("calibration") or {}
    before, after = calibration.get("before"), calibration.get("after")
    if before is not None and after is not None:
        at = f", at temperature {calibration['temperature']:.3g}" if calibration.get("temperature") else ""
        errors = f"{number(before)} before and {number(after)} after calibration{at}"
        notes.append(f"Expected calibration error: {errors}.")
    if abstention := evaluation.get("abstention"):
        notes.append(
            f"Possible labels held {abstention['coverage']:.1%} of the right ones "
            f"({abstention['confidence']:.0%} was the aim); sure of {abstention['sure']:.1%} of the samples."
        )
    return notes


def _per_label(rows: Sequence[Mapping[str, Any]]) -> str:
    names = ("precision", "recall", "f1", "average_precision", "auroc")
    known = [name for name in names if any(row.get(name) is not None for row in rows)]
    shown, note = _best_and_worst(rows)
    cells = [
        [_escape(str(row["label"])), *(number(row.get(name)) for name in known), str(row.get("support", ""))]
        for row in shown
    ]
    return _table(["label", *known, "samples"], cells) + note if cells else ""


def _best_and_worst(rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """All rows or, of more than a page bears, the ends of their order by F1, and a word about the others."""
    if len(rows) <= MOST_NAMED:
        return rows, ""
    ranked = sorted((row for row in rows if row.get("f1") is not None), key=lambda row: -float(row["f1"]))
    half = MOST_NAMED // 2
    shown = ranked if len(ranked) <= MOST_NAMED else [*ranked[:half], *ranked[-half:]]
    return shown, (
        f"\n\nThe best and the worst by F1 of {len(rows):,} labels; {len(rows) - len(shown):,} others, of "
        f"which {len(rows) - len(ranked):,} have no F1, are in evaluation.json."
    )


def _provenance(manifest: Manifest) -> str:
    told = {"dataset", "version", "fingerprint"}
    origin = {
        key: value for key, value in manifest.provenance.items() if key not in told and value is not None
    }
    lines = [f"- {key}: `{value}`" for key, value in origin.items()]
    if manifest.parity:
        facts = ", ".join(f"{key} {number(value)}" for key, value in manifest.parity.items())
        beside = "the model it was made from" if "optimized_from" in origin else "training code"
        lines.append(f"- exported graph against {beside}: {facts}")
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _escape(text: str) -> str:
    """Text of others, such as a label, that cannot turn into markup or leave its cell."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
