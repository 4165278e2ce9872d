"""Boxes are found however they are written, and nothing else is taken for one."""

import pytest

from holdfast.report.checklist import items_of


@pytest.mark.parametrize(
    ("line", "ticked"),
    [
        ("* [x] a", True),
        ("- [X] a", True),
        ("+ [✓] a", True),
        ("  * [ ] a", False),
        ("* [] a", False),
        ("* [ x ] a", True),
    ],
)
def test_a_box_is_ticked_or_not(line: str, ticked: bool) -> None:
    assert [(it.text, it.ticked) for it in items_of([line], [False])] == [("a", ticked)]


@pytest.mark.parametrize("line", ["* [a](b.html)", "[x] a", "* x", "text * [x] a", "* [y] a"])
def test_other_lines_are_no_boxes(line: str) -> None:
    assert items_of([line], [False]) == ()


def test_an_item_goes_on_over_indented_lines_and_names_its_modules() -> None:
    lines = [
        "### Week 1",
        "* [x] One thing",
        "    and more (M2+M6)",
        "* [ ] Next (soon)",
        "",
        "    no part of it",
    ]

    one, two = items_of(lines, [False] * 6)

    assert (one.text, one.modules, one.section, one.line) == ("One thing and more", ("M2", "M6"), "Week 1", 2)
    assert (two.text, two.modules) == ("Next (soon)", ())


def test_boxes_in_code_are_none() -> None:
    assert items_of(["* [x] a", "* [x] b"], [True, False]) == items_of(["", "* [x] b"], [False, False])
