import xml.etree.ElementTree as ET
from typing import Any

from holdfast.sweep import charts

SVG = "{http://www.w3.org/2000/svg}"


def trial(number: int, state: str, value: float | None, **settings: Any) -> dict[str, Any]:
    curve = {} if value is None else {1: value / 2, 2: value}
    return {
        "number": number,
        "state": state,
        "value": value,
        "settings": settings or {"optim.lr": 10.0**-number, "optim.name": "adamw"},
        "curve": curve,
    }


TRIALS = [
    trial(0, "finished", 0.5),
    trial(1, "pruned", 0.9),
    trial(2, "failed", None),
    trial(3, "finished", 0.8),
]


def drawing(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_history_shows_each_trial_and_the_best_that_has_finished() -> None:
    root = drawing(charts.history(TRIALS, metric="accuracy", maximize=True))

    dots = root.findall(f"{SVG}circle")
    assert [dot.get("class") for dot in dots] == ["finished", "pruned", "failed", "finished"]
    heights = [float(dot.get("cy", "")) for dot in dots]
    assert heights[1] < heights[3] < heights[0] < heights[2]  # up is better; failed at the bottom
    points = (root.find(f"{SVG}polyline[@class='best']").get("points") or "").split()  # type: ignore[union-attr]
    line = [float(point.split(",")[1]) for point in points]
    assert line == [heights[0], heights[0], heights[0], heights[3]]


def test_history_of_a_loss_goes_down() -> None:
    root = drawing(charts.history(TRIALS[:1] + TRIALS[3:], metric="loss", maximize=False))

    points = (root.find(f"{SVG}polyline[@class='best']").get("points") or "").split()  # type: ignore[union-attr]
    assert len({point.split(",")[1] for point in points}) == 1  # 0.5 stays the best


def test_parallel_coordinates_have_an_axis_per_dial_and_space_a_log_scale_evenly() -> None:
    shown = [trial(n, "finished", 0.5 + n / 10) for n in range(3)]

    root = drawing(charts.parallel(shown, metric="accuracy", maximize=True, log=["optim.lr"]))

    assert [text.text for text in root.findall(f"{SVG}text[@class='name']")] == [
        "optim.lr",
        "optim.name",
        "accuracy",
    ]
    lines = [line.get("points", "").split() for line in root.findall(f"{SVG}polyline")]
    first = sorted(float(points[0].split(",")[1]) for points in lines)
    assert abs((first[2] - first[1]) - (first[1] - first[0])) < 0.2
    strongest = root.findall(f"{SVG}polyline")[-1]
    assert "trial 3" in (strongest.findtext(f"{SVG}title") or "")
    assert strongest.get("style") == "opacity:1.00"


def test_importance_has_the_longest_bar_first() -> None:
    root = drawing(charts.importance({"model.width": 0.2, "optim.lr": 0.8}))

    bars = [float(bar.get("width", "")) for bar in root.findall(f"{SVG}rect")]
    assert bars == [352.0, 88.0]
    assert [it.text for it in root.findall(f"{SVG}text[@class='name']")] == ["optim.lr", "model.width"]


def test_curves_have_a_line_per_trial_that_measured_an_epoch() -> None:
    root = drawing(charts.curves(TRIALS, metric="accuracy"))

    assert [group.get("class") for group in root.findall(f"{SVG}g")] == ["finished", "pruned", "finished"]


def test_what_cannot_be_drawn_yet_is_said() -> None:
    for empty in (
        charts.history([], metric="loss", maximize=False),
        charts.curves([], metric="loss"),
        charts.importance(None),
        charts.parallel(TRIALS[2:3], metric="loss", maximize=False),
    ):
        assert empty.startswith('<p class="empty">')


def test_one_trial_and_equal_values_are_drawn() -> None:
    same = [trial(number, "finished", 0.0, x=True) for number in range(2)]

    for few in (same, same[:1]):
        drawing(charts.history(few, metric="loss", maximize=False))
        drawing(charts.parallel(few, metric="loss", maximize=False))
        drawing(charts.curves(few, metric="loss"))


def test_text_of_settings_is_no_markup() -> None:
    odd = [trial(0, "finished", 0.5, **{"<b>": "</svg><script>"})]

    assert "<script>" not in charts.parallel(odd, metric="loss", maximize=False)
