"""What a question asks for is read from its own words."""

import pytest

from holdfast.report import Limits, Span, limits_of


@pytest.mark.parametrize(
    ("lines", "words", "images"),
    [
        (["Recommended answer length: 100-200 words"], Span(100, 200), None),
        (["Answer length: 25-100 words."], Span(25, 100), None),
        (["Answer length: 50 to 100 words"], Span(50, 100), None),
        (["Answer length: 200-100 words"], Span(100, 200), None),
        (["Answer length: at most 80 words"], Span(0, 80), None),
        (["Answer length: at least 80 words"], Span(80, None), None),
        (["Answer length: 80 words"], Span(80, 80), None),
        (["Answer length: 200-300 words + 1 to 3 screenshots."], Span(200, 300), Span(1, 3)),
        (["Upload 1 to 3 screenshots of it."], None, Span(1, 3)),
        (["Insert 1-2 images of it."], None, Span(1, 2)),
        (["Upload one image of it."], None, Span(1, 1)),
        (["Include a figure of it.", "Answer length: 200-400 words"], Span(200, 400), Span(1, 1)),
        (["Include a link to it, and how you would run your images."], None, None),
        (["What is it? Two words about this figure"], None, None),
    ],
)
def test_limits_are_read(lines: list[str], words: Span | None, images: Span | None) -> None:
    assert limits_of(lines) == Limits(words, images)


def test_both_ends_of_a_limit_are_allowed() -> None:
    limits = Limits(Span(2, 5), Span(1, 1))

    assert [limits.allow(words=count, images=1) for count in (1, 2, 5, 6)] == [False, True, True, False]
    assert not limits.allow(words=3, images=0)
    assert Limits().allow(words=10**6, images=10**6)
