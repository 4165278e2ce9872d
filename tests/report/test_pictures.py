"""Pictures: what is shown, what is only linked, and whether it is there."""

from pathlib import Path

import pytest

from holdfast.report.pictures import find, pictures_of
from tests.reports import PNG


@pytest.mark.parametrize(
    ("line", "targets"),
    [
        ("![a](x.png)", ["x.png"]),
        ("![a](x.png 'a title') and ![b](<y z.png>)", ["x.png", "y z.png"]),
        ("[![a](x.png)](https://example.org)", ["x.png"]),
        ("![a [b]](x.png)", ["x.png"]),
        ("![a] (x.png)", []),
        ("![a](x.png", []),
        ("! [a](x.pdf)", []),
    ],
)
def test_what_is_shown_is_what_the_template_counts(line: str, targets: list[str]) -> None:
    assert [it.target for it in pictures_of([line], [False], first=1) if it.shown] == targets


def test_a_link_to_a_picture_is_none_but_is_known() -> None:
    found = pictures_of(["", "see [it](a.PNG), [this](b.jpeg) and [that](c.html)"], [False, False], first=8)

    assert [(it.target, it.line, it.shown) for it in found] == [("a.PNG", 9, False), ("b.jpeg", 9, False)]


def test_a_picture_in_code_counts_and_is_marked() -> None:
    assert [it.in_code for it in pictures_of(["![a](x.png)", "![a](x.png)"], [True, False], first=1)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("target", "state"),
    [
        ("figures/a.png", "here"),
        ("figures/a%20b.jpg", "here"),
        ("./figures/../figures/a.png#top", "here"),
        ("figures/none.png", "missing"),
        ("", "missing"),
        ("figures", "missing"),
        ("a\x00b.png", "missing"),
        ("x" * 5000 + ".png", "missing"),
        ("pictures/a.png", "elsewhere"),
        ("figures/a.svg", "format"),
        ("figures/text.png", "damaged"),
        ("../outside.png", "outside"),
        ("/etc/hostname", "outside"),
        ("figures/out.png", "outside"),
        ("https://example.org/a.png", "remote"),
        ("//example.org/a.png", "remote"),
        ("data:image/png;base64,AAAA", "embedded"),
    ],
)
def test_the_state_of_a_picture(target: str, state: str, tmp_path: Path) -> None:
    figures = tmp_path / "in/figures"
    figures.mkdir(parents=True)
    (figures / "a.png").write_bytes(PNG)
    (figures / "a b.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (figures / "a.svg").write_text("<svg/>")
    (figures / "text.png").write_text("no picture")
    (tmp_path / "outside.png").write_bytes(PNG)
    (figures / "out.png").symlink_to(tmp_path / "outside.png")

    assert find(target, tmp_path / "in").state == state


def test_a_name_that_differs_in_case_only_is_told(tmp_path: Path) -> None:
    (tmp_path / "Bucket.png").write_bytes(PNG)

    found = find("bucket.png", tmp_path)

    assert found.state == "here" or found.near == "Bucket.png"


def test_a_name_with_a_space_is_one_name_and_needs_brackets() -> None:
    lines = ["![x](a b.png)", "![x](<a b.png>)", '![x](a.png "b c")', "![x](a.png (b c))", "![x]( a.png )"]

    found = pictures_of(lines, [False] * 5, first=1)

    assert [(it.target, it.spaced) for it in found] == [
        ("a b.png", True),
        ("a b.png", False),
        ("a.png", False),
        ("a.png", False),
        ("a.png", False),
    ]
