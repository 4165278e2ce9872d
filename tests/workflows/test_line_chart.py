from xml.etree import ElementTree

import pytest

from holdfast.workflows.line_chart import line_chart


def lines(drawn: str) -> list[list[tuple[float, float]]]:
    """The places of each line's points on the chart."""
    found = ElementTree.fromstring(drawn).iter("polyline")
    return [[tuple(map(float, it.split(","))) for it in line.get("points", "").split()] for line in found]  # type: ignore[misc]


def test_more_is_higher_and_later_is_further_right() -> None:
    first, second = lines(line_chart("f1", [[(1, 0.2), (2, 0.6)], [(1, 0.4), (3, 1.0)]], ["a", "b"]))

    assert first[0][1] > second[0][1] > first[1][1] > second[1][1]
    assert first[0][0] == second[0][0] < first[1][0] < second[1][0]


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.5), (2.0, 0.5)], [(1.0, 1e-9), (2.0, 1e9)]])
def test_what_has_no_range_or_a_huge_one_is_drawn_within_the_chart(points: list[tuple[float, float]]) -> None:
    drawn = line_chart("loss", [points], ["a"])

    assert all(0 <= x <= 340 and 0 <= y <= 190 for line in lines(drawn) for x, y in line)


def test_without_points_there_is_no_chart() -> None:
    assert line_chart("loss", [[], []], ["a", "b"]) == ""


def test_names_are_text() -> None:
    drawn = line_chart("<script>", [[(1, 2)]], ["</svg><script>"])

    assert [it.tag for it in ElementTree.fromstring(drawn).iter() if "script" in it.tag] == []
    assert ElementTree.fromstring(drawn).findtext("title") == "<script>"
