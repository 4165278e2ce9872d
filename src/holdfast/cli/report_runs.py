"""What is found out about runs, in words: reproductions and comparisons."""

from collections.abc import Mapping
from typing import Any

from holdfast.cli.show import cell, interval, table
from holdfast.workflows.comparison_words import held_out_words, shown_interval

_FEW = 10


def reproduction(result: Mapping[str, Any]) -> str:
    """Whether a training gave the same weights again; if not, where they differ and why."""
    data = result["dataset"]
    rows = [{"metric": name, **row} for name, row in result["metrics"].items()]
    lines = [
        f"run           {result['run']}",
        f"reproduction  {result['reproduction']}",
        f"dataset       {data['name']}@{data['version']}, fingerprint {data['fingerprint'][:12]}",
        f"weights       {_weights(result)}",
        *_tensors(result["weights"]["different"]),
        "",
        table(rows, ["metric", "then", "again", "difference"]),
    ]
    if parting := result["first_difference"]:
        lines += [
            "",
            f"the logs part at step {parting['step']}: {parting['what']} "
            f"{parting['then']!r}, again {parting['again']!r}",
        ]
    if result["differences"]:
        lines += ["", "what differed around them", table(result["differences"], ["what", "then", "now"])]
    if result["reasons"]:
        lines += [
            "",
            "the likeliest reasons, first to last",
            *(f"  {reason}" for reason in result["reasons"]),
        ]
    return "\n".join([*lines, *(f"! {note}" for note in result["notes"])])


def _weights(result: Mapping[str, Any]) -> str:
    weights = result["weights"]
    if weights["equal"]:
        return f"equal, bit for bit, in all {weights['tensors']} tensors"
    if not weights["different"]:
        return "equal in the best epoch, but not after the last step"
    worst = f"at most {cell(weights['max_difference'])}, in {weights['worst']}"
    within = (
        ""
        if result["tolerance"] is None
        else (f", {'within' if result['ok'] else 'beyond'} the tolerance of {result['tolerance']:g}")
    )
    return f"{len(weights['different'])} of {weights['tensors']} tensors differ: {worst}{within}"


def _tensors(rows: list[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    more = [f"… and {len(rows) - _FEW} more"] if len(rows) > _FEW else []
    return ["", table(rows[:_FEW], ["name", "max_difference"]), *more]


def comparison(result: Mapping[str, Any]) -> str:
    """Runs or models side by side: settings and data that differ, metrics, paired differences, samples."""
    names = [subject["name"] for subject in result["subjects"]]
    rows = [
        {"setting": row["key"], **dict(zip(names, row["values"], strict=True))} for row in result["config"]
    ]
    metrics = [
        {"metric": row["metric"] + (" *" if row["metric"] == result["headline"] else "")}
        | {name: interval(value or {}) for name, value in zip(names, row["values"], strict=True)}
        for row in result["metrics"]
    ]
    data = result["data"]
    counts = [
        {"split": row["split"], **dict(zip(names, row["values"], strict=True))} for row in data["splits"]
    ]
    lines = [
        table(result["subjects"], ["name", "run", "model", "status", "dataset", "seconds"]),
        "",
        table(rows, ["setting", *names], empty="every setting is the same"),
        "",
        table(counts, ["split", *names]),
        "the fingerprints are the same" if data["same"] else "! the fingerprints differ",
        *([] if data["same"] else [held_out_words(held) for held in data["held_out"]]),
        "",
        table(metrics, ["metric", *names], empty="nothing was measured"),
    ]
    return "\n".join([*lines, *(line for pair in result["pairs"] for line in ["", *_pair(pair)])])


def _pair(pair: Mapping[str, Any]) -> list[str]:
    head = f"{pair['second']} against {pair['first']}"
    if pair["why_not"]:
        return [f"! {head}: no difference can be given: {pair['why_not']}"]
    rows = [
        {"metric": name, "difference": shown_interval(found, sign="+"), "": found["verdict"]}
        for name, found in pair["differences"].items()
    ]
    right, shown = pair["right"], pair["disagreements"]
    samples = [
        {"sample": it["name"], "truth": it["labels"]}
        | {name: _said(answer) for name, answer in zip(("first", "second"), it["answers"], strict=True)}
        for it in shown
    ]
    told = (
        f"both are right on {right['both']} samples, neither on {right['neither']}, only the first on "
        f"{right['only_first']}, only the second on {right['only_second']}"
    )
    columns = ["sample", "truth", "first", "second"]
    return [
        f"{head}, on {pair['samples']} samples that both were tested on",
        table(rows, ["metric", "difference", ""]),
        told,
        *(["", table(samples, columns)] if samples else []),
    ]


def _said(answer: Mapping[str, Any]) -> str:
    labels = [f"{label} {answer['probabilities'][label]:.0%}" for label in answer["labels"]]
    return f"{'✓' if answer['right'] else '✗'} {', '.join(labels) or 'no label'}"
