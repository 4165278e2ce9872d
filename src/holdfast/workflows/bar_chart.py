"""Charts of a model's answers, as SVG that is drawn here: bars by label, and what is taken for what."""

from collections.abc import Sequence

from holdfast.core.markup import Markup, tag

_WIDTH, _NAME, _ROW = 420, 130, 20


def bar_chart(title: str, rows: Sequence[tuple[str, float, str]]) -> Markup:
    """A bar from 0 to 1 for each label.

    Args:
        title: what is measured.
        rows: label, value, and a word beside the value.

    >>> bar_chart("F1", [("owl", 0.5, "12 samples")]).count('class="bar"')
    1
    """
    full = _WIDTH - _NAME - 96
    drawn = []
    for at, (name, value, word) in enumerate(rows):
        y = at * _ROW
        drawn += [
            tag("text", _short(name), x=_NAME - 8, y=y + 14, text_anchor="end"),
            tag("rect", x=_NAME, y=y + 5, width=full, height=10, rx=3, class_="track"),
            tag(
                "rect",
                x=_NAME,
                y=y + 5,
                width=round(max(value, 0.004) * full, 1),
                height=10,
                rx=3,
                class_="bar",
            ),
            tag("text", f"{value:.2f}", x=_NAME + full + 8, y=y + 14, class_="value"),
            tag("text", word, x=_WIDTH - 2, y=y + 14, text_anchor="end"),
        ]
    return tag("svg", tag("title", title), *drawn, viewBox=f"0 0 {_WIDTH} {len(rows) * _ROW + 6}", role="img")


def confusion_map(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """How often each true label (rows) is given each label (columns); a cell is darker, the larger its share.

    Args:
        labels: in the order of rows and columns.
        counts: of samples.

    >>> confusion_map(["a", "b"], [[3, 1], [0, 4]]).count('class="cell"')
    3
    """
    side = max(9.0, min(44.0, 280 / len(labels)))
    left, top = _NAME, 4
    drawn = []
    for row, (name, line) in enumerate(zip(labels, counts, strict=True)):
        y, total = top + row * side, sum(line) or 1
        drawn.append(tag("text", _short(name), x=left - 8, y=round(y + side / 2 + 4, 1), text_anchor="end"))
        for column, count in enumerate(line):
            x = round(left + column * side, 1)
            drawn.append(
                tag("rect", x=x, y=round(y, 1), width=side - 1, height=side - 1, class_="track", opacity=0.35)
            )
            if count:
                told = f"{count} of {total} {name} were given {labels[column]}"
                opacity = round(0.12 + 0.88 * count / total, 3)
                drawn.append(
                    tag(
                        "rect",
                        tag("title", told),
                        x=x,
                        y=round(y, 1),
                        width=side - 1,
                        height=side - 1,
                        class_="cell",
                        opacity=opacity,
                    )
                )
    foot = top + len(labels) * side + 14
    drawn.append(tag("text", "given, in the same order →", x=left, y=round(foot, 1)))
    title = "which label is given to which"
    width = max(_WIDTH, left + len(labels) * side)
    return tag(
        "svg", tag("title", title), *drawn, viewBox=f"0 0 {round(width)} {round(foot + 8)}", role="img"
    )


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
