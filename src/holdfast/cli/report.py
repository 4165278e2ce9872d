"""Results in words: what a person at a terminal reads instead of JSON."""

from collections.abc import Mapping
from typing import Any

from holdfast.cli.show import cell, interval, table
from holdfast.cli.timeline import timeline

_MARKS = {"error": "✗", "warning": "!", "info": "·"}


def up(result: Mapping[str, Any]) -> str:
    """The outcome of the whole road."""
    unused = [f"! {line}" for line in result["unused"]]
    return "\n".join([*_findings(result["findings"]), *unused, training(result), *_gate(result)])


def training(result: Mapping[str, Any]) -> str:
    """The outcome of a training: the data, the numbers beside their baselines, parity."""
    data, parity = result["dataset"], result["parity"]
    lines = [
        f"dataset   {data['name']}@{data['version']}  {data['samples']} samples, "
        f"{data['quarantined']} quarantined, fingerprint {data['fingerprint'][:12]}",
        f"run       {result['run']}",
        f"model     {result['model']}",
        *_metrics(result),
        f"parity    largest difference {parity['max_difference']:.1e}, "
        f"equal labels {parity['equal_labels']:.1%} of {parity['samples']}",
        *_profile(result.get("profile")),
        *(f"{tool:9} {said}" for tool, said in result.get("exporters", {}).items()),
        f"took      {result['seconds']:.0f} s",
    ]
    return "\n".join(lines)


def evaluation(result: Mapping[str, Any]) -> str:
    """Metrics beside baselines, then each label."""
    head = f"{result['model']} on {result['split']} of {result['dataset']}"
    columns = ["label", "precision", "recall", "f1", "average_precision", "auroc", "support"]
    return "\n".join([head, *_metrics(result), "", table(result["per_class"], columns)])


def _profile(profile: Mapping[str, Any] | None) -> list[str]:
    if profile is None:
        return []
    seconds = profile["seconds"]
    whole = sum(seconds.values()) or 1.0
    parts = ", ".join(f"{name} {spent / whole:.0%}" for name, spent in seconds.items())
    return [f"time      {parts} of {whole:.0f} s of training", f"          {profile['advice']}"]


def predictions(result: Mapping[str, Any]) -> str:
    """A line per sample: its labels and how sure they are, or what is wrong with it.

    Below a recording of several windows stands what is heard when.
    """
    lines = []
    for item in result["predictions"]:
        if "error" in item:
            lines.append(f"{item['name']}: error: {item['error']}")
            continue
        chosen = [f"{label} {item['probabilities'][label]:.1%}" for label in item["labels"]]
        lines.append(f"{item['name']}: {', '.join(chosen) or 'no label'}")
        if len(item.get("windows", ())) > 1:
            lines += timeline(item["windows"])
    return "\n".join(lines)


def version(result: Mapping[str, Any]) -> str:
    """A dataset version: its facts, its labels, what was said aloud, what was quarantined."""
    splits = ", ".join(f"{name} {count}" for name, count in result["splits"].items())
    lines = [
        f"{result['name']}@{result['version']}  {result['modality']}, {result['task']} label"
        + ("s" if result["task"] == "multi" else ""),
        f"fingerprint  {result['fingerprint']}",
        f"samples      {result['samples']} in {result['groups']} groups ({splits})",
        f"quarantined  {result['quarantined']}",
        f"twins        {result['twins']} held-out samples whose exact bytes are in training",
        f"labels       {len(result['labels'])}",
        *([f"tags         {', '.join(result['tags'])}"] if result.get("tags") else []),
    ]
    if "counts" in result:
        rows = [{"label": label, **counts} for label, counts in result["counts"].items()]
        lines += ["", table(rows, ["label", "train", "valid", "test"])]
    lines += [f"! {note}" for note in result["notes"]]
    lines += [f"✗ {item['name']}: {item['reason']}" for item in result.get("quarantine", [])]
    return "\n".join(lines)


def findings(result: Mapping[str, Any]) -> str:
    """What `data check` found."""
    found = result["findings"]
    head = f"{result['dataset']}@{result['version']}  {result['samples']:,} samples"
    if not found:
        return f"{head}\nnothing found"
    rows = [{"": _MARKS[item["level"]], "finding": item["title"], "count": item["count"]} for item in found]
    page = [f"shown on {result['html']}"] if result.get("html") else []
    return "\n".join([head, "", table(rows, ["", "finding", "count"]), "", *_findings(found), *page])


def run(result: Mapping[str, Any]) -> str:
    """A run's facts, what was doubtful with its data, and the metrics of each epoch."""
    told = {**result, **result["facts"]}
    found = _findings(told.pop("findings", []))
    facts = [f"{key:12} {cell(value)}" for key, value in told.items() if _is_short(value)]
    history = [row for row in result["history"] if "epoch" in row]
    columns = list(dict.fromkeys(key for row in history for key in row if key != "time"))
    return "\n".join([*facts, *found, "", table(history, columns, empty="no epoch yet")])


def models(rows: list[Mapping[str, Any]], *, empty: str) -> str:
    """A line per model version, with what is wrong where something is."""
    columns = ["ref", "aliases", "headline", "value", "dataset", "run", "created"]
    columns += ["problem"] if any(row["problem"] for row in rows) else []
    return table(rows, columns, empty=empty)


def model(result: Mapping[str, Any]) -> str:
    """A model's facts and its history."""
    facts = [f"{key:12} {cell(value)}" for key, value in result.items() if _is_short(value)]
    columns = ["time", "actor", "event", "alias", "version", "previous", "forced"]
    return "\n".join([*facts, "", table(result["audit"], columns)])


def promotion(result: Mapping[str, Any]) -> str:
    """Where an alias points now."""
    before = f" (before: {result['previous']})" if result.get("previous") else ""
    forced = [f"! forced although {reason}" for reason in result["reasons"]] if result.get("forced") else []
    return "\n".join([f"{result['alias']} is {result['ref']}{before}", *forced])


def verification(result: Mapping[str, Any]) -> str:
    """Whether a model is as it was written."""
    if result["ok"]:
        signed = f", and signed by the key {result['signed_by'][:12]}" if result["signed_by"] else ""
        return f"{result['model']} is whole{signed}"
    return "\n".join(
        [f"{result['model']} is not as it should be:", *(f"✗ {problem}" for problem in result["problems"])]
    )


def _metrics(result: Mapping[str, Any]) -> list[str]:
    columns = {"metric": result["metrics"], **result["baselines"]}
    rows = []
    for name, metric in result["metrics"].items():
        row = {"metric": f"{name} *" if name == result["headline"] else name, "model": interval(metric)}
        row |= {beside: interval(columns[beside].get(name, {})) for beside in result["baselines"]}
        rows.append(row)
    lines = ["", table(rows, ["metric", "model", *result["baselines"]]), "", "* the headline"]
    if result.get("left_out_twins"):
        full = result["metrics_with_twins"][result["headline"]]
        lines.append(
            f"! {result['left_out_twins']} samples with an exact twin in training are left out; "
            f"with them {result['headline']} is {interval(full)}"
        )
    if unmeasured := result.get("undefined"):
        shown = ", ".join(unmeasured[:5]) + (f", … ({len(unmeasured)} in all)" if len(unmeasured) > 5 else "")
        lines.append(f"! not fully measured, as all or none of the samples have the label: {shown}")
    beats = result.get("beats") or {}
    lines += [f"! the model does not beat the {name} baseline" for name, won in beats.items() if won is False]
    gap = result.get("calibration") or {}
    if gap.get("before") is not None:
        lines.append(
            f"calibration error {gap['before']:.3f} before, {gap['after']:.3f} after temperature scaling"
        )
    return lines


def _findings(found: list[Mapping[str, Any]]) -> list[str]:
    return [f"{_MARKS.get(item['level'], '·')} {item['title']}: {item['detail']}" for item in found]


def _gate(result: Mapping[str, Any]) -> list[str]:
    gate = result["gate"]
    if gate["promoted"]:
        how = " (forced)" if gate["forced"] else ""
        return [f"{gate['alias']}  is now {result['model']}{how}"]
    return [
        f"! {gate['alias']} did not move to {result['model']}:",
        *(f"  {reason}" for reason in gate["reasons"]),
    ]


def _is_short(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float | bool | list) and len(cell(value)) < 200)
