"""Markdown that anybody may have written, as HTML that can do no harm."""

import html
import re
from functools import cache
from typing import TYPE_CHECKING

from holdfast.core.markup import Markup, tag
from holdfast.report.embed import Embedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LONGEST = 100_000
"""Characters of one answer; a longer one is shown as plain text. Real answers have at most 5,000."""
_TAGGED = 2_000
"""Signs of HTML in one answer, likewise: 60,000 open tags within each other took half a minute to clean."""
_LINE = 2_000
_CODE = 30_000
"""Characters of a block of code that are coloured."""
_LANGUAGES = frozenset(
    {
        "bash",
        "sh",
        "shell",
        "console",
        "zsh",
        "powershell",
        "python",
        "py",
        "pycon",
        "yaml",
        "yml",
        "json",
        "toml",
    }
    | {
        "ini",
        "cfg",
        "dockerfile",
        "docker",
        "diff",
        "html",
        "xml",
        "css",
        "js",
        "javascript",
        "ts",
        "typescript",
    }
    | {"sql", "make", "makefile", "java", "c", "cpp", "go", "rust", "r", "julia"}
)
_INLINE = {
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "del",
    "ins",
    "sub",
    "sup",
    "kbd",
    "mark",
    "small",
    "code",
    "br",
    "span",
}
_TAGS = _INLINE | {
    *(
        "p",
        "div",
        "hr",
        "blockquote",
        "pre",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "img",
        "details",
        "summary",
        "center",
    ),
    *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "h1", "h2", "h3", "h4", "h5", "h6"),
}
_GONE = {
    "script",
    "style",
    "template",
    "noscript",
    "iframe",
    "object",
    "embed",
    "svg",
    "math",
    "title",
    "textarea",
}
_GONE |= {"select", "button", "form", "audio", "video", "canvas", "frameset", "noembed", "xmp"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "a": {"href"},
    "img": {"src", "alt"},
    "span": {"class"},
    "th": {"align"},
    "td": {"align"},
    "ol": {"start"},
    "details": {"open"},
}
_IMAGE = re.compile(r'<img(?: [a-z]+="[^"]*")*>')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_HEADING = re.compile(r"<(/?)h([1-6])>")
_TAG = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_TOKEN = re.compile(r"^[a-z][a-z0-9]{0,2}$")
"""How the classes of coloured code look."""


def rendered(text: str, pictures: Embedder) -> Markup:
    """An answer as HTML: no script, no address but those of the web and of mail, pictures embedded.

    Args:
        text: Markdown, with HTML within it.
        pictures: makes its figures.
    """
    if len(text) > _LONGEST or text.count("<") > _TAGGED:
        return tag("pre", text)
    cleaned = _cleaned(_markdown().render(text), _TAGS)
    cleaned = _HEADING.sub(lambda it: f"<{it[1]}h{min(int(it[2]) + 3, 6)}>", cleaned)
    return Markup(_IMAGE.sub(lambda it: _figure(it.group(), pictures), cleaned))


def rendered_line(text: str) -> Markup:
    """A line, such as a question, as HTML without pictures."""
    return Markup(_cleaned(_markdown().renderInline(text[:_LINE]), _INLINE))


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    options = {"html": True, "highlight": _highlighted}
    made = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    for kind in ("html_inline", "html_block"):
        made.add_render_rule(kind, _markup)
    return made


def _markup(_: object, tokens: "Sequence[Token]", index: int, *__: object) -> str:
    """HTML within Markdown. What is no tag of ours is shown as written: `uv add <package>` is a sentence."""
    return _TAG.sub(lambda it: it[0] if it[1].lower() in _TAGS else f"&lt;{it[0][1:]}", tokens[index].content)


def _cleaned(text: str, tags: set[str]) -> str:
    import nh3

    return nh3.clean(
        text,
        tags=tags,
        clean_content_tags=_GONE,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto", "data"},
    )


def _attribute(_: str, key: str, value: str) -> str | None:
    """What may stand in an attribute. Links within a folder lead nowhere from a page that stands alone."""
    if key == "href":
        return value if value.strip().lower().startswith(("http://", "https://", "mailto:")) else None
    if key == "class":
        return value if _TOKEN.match(value) else None
    if key == "align":
        return value if value in ("left", "center", "right") else None
    return value


def _figure(image: str, pictures: Embedder) -> str:
    found = {key: html.unescape(value) for key, value in _ATTRIBUTE.findall(image)}
    return pictures.figure(found.get("src", ""), found.get("alt", ""))


def _highlighted(code: str, language: str, _: str) -> str:
    """Code in colours, if its language is a known one; empty where Markdown should show it plainly."""
    name = language.lower()
    if name not in _LANGUAGES or len(code) > _CODE:
        return ""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    return str(highlight(code, get_lexer_by_name(name), HtmlFormatter(nowrap=True)))
