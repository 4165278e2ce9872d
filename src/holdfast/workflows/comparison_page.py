"""A comparison as one HTML page that needs nothing else: no script, no request, in light and in dark."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from holdfast.config.schema import AudioPrepare, ImagePrepare
from holdfast.core.errors import HoldfastError
from holdfast.core.markup import Markup, join, page_head, tag
from holdfast.data import Version
from holdfast.modality import prepare, read_text
from holdfast.workflows.comparison_words import held_out_words, shown_interval
from holdfast.workflows.line_chart import LINES, line_chart

_SIDE, _CHARS, _BARS, _SHORT = 112, 320, 110, 40

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#17212b, #dfe7ec); --soft: light-dark(#56656f, #98a8b3);
  --line: light-dark(#d8dfe4, #2b3a44); --ground: light-dark(#f6f8f9, #0e1519);
  --panel: light-dark(#fff, #172127);
  --good: light-dark(#17714f, #5fcf9f); --bad: light-dark(#b3392c, #f0897c); }
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 1.5rem auto 4rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: .95rem; margin: .8rem 0 .2rem; } p { margin: .3rem 0; } .soft, .none { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td { max-width: 24rem; overflow-wrap: break-word; }
.short { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } b.good::after { content: " ✓"; }
b.bad::after { content: " ✗"; }
.grid { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr));
  }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: .8rem;
  min-width: 0; }
.card img { display: block; width: 112px; height: 112px; image-rendering: auto; border-radius: 6px; }
.card bdi { overflow-wrap: anywhere; }
blockquote { margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .rule { stroke: var(--line); } svg polyline { fill: none; stroke: var(--look); stroke-width: 1.8; }
svg circle { fill: var(--look); } svg rect { fill: var(--soft); }
.key { margin-right: 1.2em; }
.key::before { content: ""; display: inline-block; width: 1.1em; border-top: 3px solid var(--look);
  margin-right: .45em;
  vertical-align: .3em; }
.look0 { --look: light-dark(#0b6e99, #58b4dc); } .look1 { --look: light-dark(#c2571a, #f2a06b); }
.look2 { --look: light-dark(#3d7a2e, #8ccf78); } .look3 { --look: light-dark(#8a3fa0, #d292e6); }
.look4 { --look: light-dark(#8a6d00, #dfc04f); } .look5 { --look: light-dark(#5b6b78, #a9bac6); }
"""


def comparison_page(result: Mapping[str, Any], version: Version | None) -> str:
    """The page as text.

    Args:
        result: what `compare_runs` tells.
        version: where the samples on which the subjects differ are read from.
    """
    names = [subject["name"] for subject in result["subjects"]]
    title = " and ".join([", ".join(names[:-1]), names[-1]])
    sections = [
        ("What is compared", _subjects(result)),
        ("Metrics on the held-out samples", _metrics(result, names)),
        *((f"{pair['second']} against {pair['first']}", _pair(pair)) for pair in result["pairs"]),
        ("Curves", _curves(result["curves"], names)),
        ("Settings", _config(result["config"], names)),
        ("Data", _data(result["data"], names)),
        *(
            (f"Where {pair['second']} and {pair['first']} differ", _samples(pair, version))
            for pair in result["pairs"]
            if pair["why_not"] is None
        ),
    ]
    head = page_head(f"{title}: compared", _STYLE)
    body = [tag("section", tag("h2", name), content) for name, content in sections]
    page = tag("html", head, tag("body", tag("h1", title), *body), lang="en")
    return f"<!doctype html>{page}\n"


def _subjects(result: Mapping[str, Any]) -> Markup:
    columns = ["name", "run", "model", "status", "dataset", "fingerprint", "seconds", "created"]
    rows = [
        [_key(row["name"], place), *(_word(column, row[column]) for column in columns[1:])]
        for place, row in enumerate(result["subjects"])
    ]
    return _table(columns, rows)


def _word(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if column == "seconds":
        return f"{value:.0f}"
    return str(value)[: {"fingerprint": 12, "created": 16}.get(column)]


def _metrics(result: Mapping[str, Any], names: Sequence[str]) -> Markup:
    rows = [
        [
            row["metric"] + (" *" if row["metric"] == result["headline"] else ""),
            *(shown_interval(metric) for metric in row["values"]),
        ]
        for row in result["metrics"]
    ]
    return join(
        _table(["metric", *names], rows), tag("p", "* the metric that models are compared by", class_="soft")
    )


def _pair(pair: Mapping[str, Any]) -> Markup:
    if pair["why_not"] is not None:
        return tag("p", f"No difference can be given: {pair['why_not']}.", class_="none")
    looks = {"better": "good", "worse": "bad"}
    rows = [
        [
            name,
            shown_interval(found, sign="+"),
            tag("span", found["verdict"], class_=looks.get(found["verdict"])),
        ]
        for name, found in pair["differences"].items()
    ]
    right = pair["right"]
    return join(
        tag(
            "p",
            f"On the {pair['samples']} samples that both were tested on; each resample measures both.",
            class_="soft",
        ),
        _table(["metric", "difference", ""], rows),
        tag(
            "p",
            f"Both are right on {right['both']}, neither on {right['neither']}; only {pair['first']} on "
            f"{right['only_first']}, only {pair['second']} on {right['only_second']}.",
        ),
    )


def _curves(curves: Mapping[str, Any], names: Sequence[str]) -> Markup:
    charts = [
        tag(
            "figure",
            tag("figcaption", name, class_="soft"),
            line_chart(name, lines, names),
            class_="card",
            style="margin:0",
        )
        for name, lines in curves.items()
        if any(lines)
    ]
    if not charts:
        return tag("p", "No run of them is in this workspace.", class_="none")
    keys = (_key(name, place) for place, name in enumerate(names))
    told = "By epoch; train_loss is of the training samples, all else of the validation split."
    return join(tag("p", *keys), tag("p", told, class_="soft"), tag("div", *charts, class_="grid"))


def _config(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    if not rows:
        return tag("p", "Every setting is the same.", class_="none")
    return _table(["setting", *names], [[row["key"], *map(_setting, row["values"])] for row in rows])


def _setting(value: Any) -> str:
    return "–" if value is None else str(value)


def _data(data: Mapping[str, Any], names: Sequence[str]) -> Markup:
    same = "The fingerprints are the same." if data["same"] else "The fingerprints differ."
    splits = [[row["split"], *map(_setting, row["values"])] for row in data["splits"]]
    labels = [[row["label"], row["split"], *map(_setting, row["values"])] for row in data["labels"]]
    return join(
        tag("p", same),
        *(tag("p", held_out_words(held)) for held in data["held_out"]),
        _table(["split", *names], splits),
        tag("details", tag("summary", "by label"), _table(["label", "split", *names], labels)),
    )


def _samples(pair: Mapping[str, Any], version: Version | None) -> Markup:
    if not pair["disagreements"]:
        return tag("p", "They give the same labels to every sample.", class_="none")
    differ = pair["samples"] - pair["right"]["same_answer"]
    cards = [_card(sample, pair, version) for sample in pair["disagreements"]]
    told = f"{len(cards)} of {differ} samples, those on which they are farthest apart first."
    return join(tag("p", told, class_="soft"), tag("div", *cards, class_="grid"))


def _card(sample: Mapping[str, Any], pair: Mapping[str, Any], version: Version | None) -> Markup:
    answers = [
        tag(
            "p",
            f"{name}: ",
            tag("b", ", ".join(answer["labels"]) or "no label", class_="good" if answer["right"] else "bad"),
            tag("span", f"  {_chances(answer['probabilities'])}", class_="soft"),
        )
        for name, answer in zip((pair["first"], pair["second"]), sample["answers"], strict=True)
    ]
    return tag(
        "article",
        look(version, sample["row"]) if version else Markup(""),
        tag("p", tag("bdi", sample["name"])),
        tag("p", "truth: ", tag("b", ", ".join(sample["labels"]) or "no label")),
        *answers,
        class_="card",
    )


def _chances(probabilities: Mapping[str, float]) -> str:
    return ", ".join(f"{label} {value:.1%}" for label, value in sorted(probabilities.items()))


def look(version: Version, row: int) -> Markup:
    """A sample as a small picture, as the shape of its sound, or as the beginning of its text."""
    try:
        data = version.read(row)
        if version.info.modality == "text":
            text = read_text(data)
            return tag("blockquote", text[:_CHARS] + ("…" if len(text) > _CHARS else ""))
        return _picture(data) if version.info.modality == "image" else _shape(data)
    except HoldfastError as error:
        return tag("p", f"cannot be shown: {error.message}", class_="bad")


def _picture(data: bytes) -> Markup:
    from PIL import Image

    pixels = prepare(ImagePrepare(size=_SIDE, fit="pad")).decode(data)[0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    coded = base64.b64encode(file.getvalue()).decode()
    return tag("img", src=f"data:image/jpeg;base64,{coded}", alt="", width=_SIDE, height=_SIDE)


def _shape(data: bytes) -> Markup:
    """How loud a recording is from its beginning to its end."""
    rate = 8000
    sound = prepare(AudioPrepare(rate=rate, f_max=rate / 2, window_s=1, hop_s=1)).decode(data).ravel()
    edges = np.linspace(0, len(sound), _BARS + 1).astype(int)[:-1]
    loud = np.maximum.reduceat(np.abs(sound), edges)
    tall = np.maximum(1, 48 * loud / max(float(loud.max()), 1e-9))
    bars = (
        tag("rect", x=3 * place, y=round(25 - height / 2, 1), width=2, height=round(float(height), 1))
        for place, height in enumerate(tall.tolist())
    )
    return tag("svg", *bars, viewBox=f"0 0 {3 * _BARS} 50", role="img", aria_label="its loudness")


def _key(name: str, place: int) -> Markup:
    return tag("span", tag("bdi", name), class_=f"key look{place % LINES}")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = tag("tr", *(tag("th", column) for column in columns))
    body = (tag("tr", *map(_cell, row)) for row in rows)
    return tag("div", tag("table", head, *body), class_="scroll")


def _cell(value: str) -> Markup:
    return tag("td", value, class_="short" if isinstance(value, Markup) or len(value) <= _SHORT else None)
