"""The report of a model: what it learnt from, how, how good it is, where it ends, how to make it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.bundle import Bundle
from holdfast.bundle.facts import interval, limits, number
from holdfast.config import Config
from holdfast.core.errors import RefError
from holdfast.core.files import write_text
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SPLITS
from holdfast.registry import Registry
from holdfast.workflows.bar_chart import bar_chart, confusion_map
from holdfast.workflows.line_chart import line_chart
from holdfast.workflows.paper import (
    Block,
    Chart,
    Code,
    Items,
    Section,
    Table,
    as_html,
    as_markdown,
    as_svg,
    charts_of,
)
from holdfast.workflows.subjects import Subject, open_subject

_MOST_LABELS = 40
_PACKAGES = ("holdfast", "torch", "onnxruntime", "numpy", "transformers", "tokenizers", "pillow", "soundfile")


def model_report(ref: str, workspace: Workspace, out: Path) -> dict[str, Any]:
    """Write the report of a model: `.html` as one page, `.md` with a folder of charts beside it.

    Args:
        ref: a reference, such as `birds@3`.
        out: ends in .html or .md.

    Returns:
        `model`, `file`, `figures`.

    Raises:
        RefError: if there is no such model, or the file has another ending.
        BundleError: if it is damaged.
    """
    if out.suffix not in (".html", ".md"):
        raise RefError(f"{str(out)!r} ends neither in .html nor in .md", hint="write `--out report.html`")
    resolved = str(Registry(workspace.models).resolve(parse_ref(ref)))
    subject = open_subject(resolved, workspace)
    try:
        lead, sections = told(subject, Registry(workspace.models).audit(resolved.partition("@")[0]))
    finally:
        if subject.version:
            subject.version.close()
    title = f"Report of the model {resolved}"
    if out.suffix == ".html":
        write_text(out, as_html(title, lead, sections))
        return {"model": resolved, "file": str(out), "figures": None}
    figures = out.with_name(f"{out.stem}_figures")
    figures.mkdir(parents=True, exist_ok=True)
    for chart in charts_of(sections):
        write_text(figures / f"{chart.name}.svg", as_svg(chart))
    write_text(out, as_markdown(title, lead, sections, figures=figures.name))
    return {"model": resolved, "file": str(out), "figures": str(figures)}


def told(subject: Subject, audit: Sequence[Mapping[str, Any]]) -> tuple[str, list[Section]]:
    """The lead and the sections; what is not known is said to be so, and nothing is made up.

    Args:
        subject: a registered model, with its run and its data where they are here.
        audit: the lines of the model's audit log.
    """
    bundle = subject.bundle
    assert bundle is not None
    evaluation = bundle.evaluation or {}
    sections: list[Section] = [
        ("Evaluation", _evaluation(bundle, evaluation)),
        ("Limits", [Items(limits(bundle.manifest, evaluation))]),
        ("Data", _data(subject, evaluation)),
        ("Training", _training(subject, bundle)),
        ("How to make it again", _again(subject, bundle)),
        ("Where it stands", _standing(subject.name, bundle, audit)),
    ]
    return _lead(bundle, evaluation), sections


def _lead(bundle: Bundle, evaluation: Mapping[str, Any]) -> str:
    manifest, name = bundle.manifest, str(evaluation.get("headline"))
    kind = {"image": "pictures", "audio": "sounds", "text": "texts"}[manifest.modality]
    gives = "one" if manifest.task == "single" else "any number"
    what = f"It gives {kind} {gives} of {len(manifest.labels)} labels."
    found = (evaluation.get("metrics") or {}).get(name)
    if not found:
        return f"{what} It was never evaluated."
    beside = [
        f"{other} {number(metrics[name]['value'])}"
        for other, metrics in (evaluation.get("baselines") or {}).items()
        if metrics and metrics.get(name)
    ]
    against = f", against baselines of {' and '.join(beside)}" if beside else ", with no baseline beside it"
    samples = f"{evaluation['samples']:,} held-out samples"
    return f"{what} On {samples} its {_word(name)} is {interval(found)}{against}."


def _data(subject: Subject, evaluation: Mapping[str, Any]) -> list[Block]:
    origin, version = subject.origin, subject.version
    facts = [f"dataset: {origin['dataset']}", f"fingerprint: {origin['fingerprint']}"]
    twins = evaluation.get("left_out_twins")
    if twins:
        facts.append(f"left out of all results: {twins} held-out samples whose exact copy is in training")
    if version is None:
        return [
            Items(facts),
            "The dataset is not in this workspace, or is not what it was; so its labels are not counted.",
        ]
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        targets = version.targets[version.indices(split)]
        for at, label in enumerate(version.info.labels):
            here = int(targets[:, at].sum()) if targets.ndim == 2 else int((targets == at).sum())
            counts.setdefault(label, {})[split] = here
    facts.append(
        "samples: " + ", ".join(f"{count:,} {split}" for split, count in version.info.splits.items())
    )
    ranked = sorted(counts, key=lambda label: -sum(counts[label].values()))
    rows = [[label, *(f"{counts[label][split]:,}" for split in SPLITS)] for label in ranked[:_MOST_LABELS]]
    blocks: list[Block] = [Items(facts), Table(["label", *SPLITS], rows)]
    if len(ranked) > _MOST_LABELS:
        blocks.append(f"The {_MOST_LABELS} commonest of {len(ranked):,} labels.")
    return blocks


def _training(subject: Subject, bundle: Bundle) -> list[Block]:
    run = subject.run
    if run is None:
        named = bundle.manifest.provenance.get("run")
        return [f"Its run, {named}, is not in this workspace: how it was trained is not known here."]
    info, config = run.info, run.config()
    facts = [f"run: {info.id}", f"time: {info.seconds / 60:.1f} minutes"]
    facts += [f"{key}: {value}" for key, value in info.facts.items() if isinstance(value, str | int | float)]
    if info.resumes:
        facts.append(f"interrupted and taken up again: {info.resumes} times")
    usual = Config().model_dump(mode="json")
    rows = [
        [f"{group}.{key}", str(value)]
        for group in ("model", "prepare", "augment", "loss", "optim", "train")
        for key, value in (config.get(group) or {}).items()
        if value != (usual.get(group) or {}).get(key)
    ]
    blocks: list[Block] = [Items(facts)]
    named = {"training": "train_loss", "validation": "loss"}
    lines = {name: _points(run.metrics(), key) for name, key in named.items()}
    lines = {name: points for name, points in lines.items() if points}
    if lines:
        drawn = line_chart("loss by epoch", list(lines.values()), list(lines))
        blocks.append(Chart("loss", "The loss after each epoch.", drawn, list(lines)))
    if rows:
        blocks.append(f"Settings that are not the defaults; all of them are in config.yaml of run {info.id}.")
        blocks.append(Table(["setting", "value"], rows))
    return blocks


def _points(lines: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    return [
        (float(line["epoch"]), float(line[name]))
        for line in lines
        if "epoch" in line and isinstance(line.get(name), int | float)
    ]


def _evaluation(bundle: Bundle, evaluation: Mapping[str, Any]) -> list[Block]:
    metrics = evaluation.get("metrics") or {}
    if not metrics:
        return ["It was never evaluated."]
    baselines = {name: found for name, found in (evaluation.get("baselines") or {}).items() if found}
    rows = [
        [_word(name), interval(metrics[name]), *(interval(found.get(name)) for found in baselines.values())]
        for name in metrics
    ]
    drawn = evaluation.get("resampled") or {}
    blocks: list[Block] = [Table(["metric", "model", *baselines], rows)]
    if drawn:
        times, unit = f"{drawn['times']:,}", drawn["unit"]
        blocks.append(f"In brackets: the interval by {times} resamples of {drawn['count']:,} {unit}.")
    scored = [row for row in evaluation.get("per_class") or [] if row.get("f1") is not None]
    scored.sort(key=lambda row: -float(row["f1"]))
    if scored:
        shown = scored[:_MOST_LABELS]
        bars = [(str(row["label"]), float(row["f1"]), f"of {row['support']}") for row in shown]
        title = "F1 of each label, and how many held-out samples it has."
        if len(scored) > len(shown):
            title = f"F1 of the best {len(shown)} of {len(scored):,} labels."
        blocks.append(Chart("labels", title, bar_chart("F1 by label", bars)))
    confusion = evaluation.get("confusion")
    if confusion and len(confusion) <= _MOST_LABELS:
        title = "Which label (columns) was given to samples of which (rows)."
        blocks.append(Chart("confusion", title, confusion_map(bundle.manifest.labels, confusion)))
    return [*blocks, *_trust(bundle, evaluation)]


def _trust(bundle: Bundle, evaluation: Mapping[str, Any]) -> list[Block]:
    """How far its probabilities, and the numbers above, can be believed."""
    facts = []
    calibration = evaluation.get("calibration") or {}
    if calibration.get("after") is not None:
        facts.append(
            f"Its probabilities are off by {number(calibration['after'])} on average (expected calibration "
            f"error; {number(calibration.get('before'))} before calibration)."
        )
    if abstention := evaluation.get("abstention"):
        facts.append(
            f"It is sure of {abstention['sure']:.1%} of the samples. The labels that it calls possible held "
            f"the right one in {abstention['coverage']:.1%} of the cases; "
            f"{abstention['confidence']:.0%} was the aim."
        )
    if parity := bundle.manifest.parity:
        origin = bundle.manifest.provenance.get("optimized_from")
        beside = f"{origin}, of which it was made," if origin else "the code that trained it"
        facts.append(
            f"All numbers are of the exported graph in the serving engine; it differs from {beside} "
            f"by at most {number(parity.get('max_difference'))} in probability."
        )
    return [Items(facts)] if facts else []


def _again(subject: Subject, bundle: Bundle) -> list[Block]:
    provenance = bundle.manifest.provenance
    blocks: list[Block] = []
    if subject.run:
        blocks += [
            "This trains it again from the same settings, data and seeds, and compares weights and numbers:",
            Code(f"holdfast reproduce {subject.run.id}"),
        ]
        packages = subject.run.environment().get("packages") or {}
        known = [f"{name} {packages[name]}" for name in _PACKAGES if name in packages]
        if known:
            blocks.append("It was made with " + ", ".join(known) + ".")
    blocks.append("This measures the exported graph again on the held-out samples:")
    blocks.append(Code(f"holdfast evaluate {subject.name}"))
    facts = {
        key: provenance.get(key)
        for key in (
            "git_commit",
            "diff_digest",
            "environment_digest",
            "pretrained",
            "optimized_from",
            "created",
        )
    }
    blocks.append(Items([f"{key}: {value}" for key, value in facts.items() if value is not None]))
    return blocks


def _standing(name: str, bundle: Bundle, audit: Sequence[Mapping[str, Any]]) -> list[Block]:
    number = parse_ref(name).version
    rows = [
        [
            str(line.get("time", "–")),
            str(line["event"]),
            str(line.get("alias") or "–"),
            "; ".join(map(str, line.get("reasons") or [])) or "–",
        ]
        for line in audit
        if line.get("version") == number
    ]
    blocks: list[Block] = [Items([f"digest of the bundle: {bundle.digest}"])]
    return [*blocks, Table(["time", "event", "alias", "reasons"], rows)] if rows else blocks


def _word(name: str) -> str:
    return {"macro_f1": "macro-F1", "average_precision": "mean average precision", "auroc": "AUROC"}.get(
        name, name.replace("_", " ")
    )
