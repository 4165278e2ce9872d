from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.markup import join, tag


class Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


plain = st.text(st.characters(exclude_categories=["Cc", "Cs"])) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</p><img src=x onerror=alert(1)>",
        '" onmouseover="x',
        "&lt;",
        "]]>",
        "<!--",
    ]
)


@given(plain, plain)
def test_no_text_becomes_markup(text: str, value: str) -> None:
    reader = Reader()
    reader.feed(tag("p", text, title=value))
    reader.close()

    assert reader.tags == [("p", {"title": value})]
    assert reader.text == text


def test_markup_is_not_escaped_again() -> None:
    assert join(tag("b", tag("i", "<")), "<") == "<b><i>&lt;</i></b>&lt;"


def test_attributes_are_written_as_html_names_them() -> None:
    made = tag("path", d="M0 0", stroke_width=1.5, class_="line", hidden=True, id=None, open=False)

    assert made == '<path d="M0 0" stroke-width="1.5" class="line" hidden></path>'
