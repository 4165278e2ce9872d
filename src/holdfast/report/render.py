"""Markdown that anybody may have written, as HTML that can do no harm."""

import hashlib
import html
import re
from functools import cache
from typing import TYPE_CHECKING

from holdfast.core.markup import Markup, join, tag
from holdfast.report.embed import Embedder
from holdfast.report.footnotes import Footnotes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LONGEST = 100_000
"""Characters of one answer; a longer one is shown as plain text. Real answers have at most 5,000."""
_TAGGED = 2_000
"""Signs of HTML in one answer, likewise: 60,000 open tags within each other took half a minute to clean."""
_ALL = 300_000
"""Characters of one page; what follows is shown as plain text. The worst take 15 microseconds each."""
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
    "a": {"href", "id"},
    "img": {"src", "alt"},
    "span": {"class"},
    "th": {"align"},
    "td": {"align"},
    "ol": {"start", "id"},
    "li": {"id"},
    "details": {"open"},
}
_IMAGE = re.compile(r'<img(?: [a-z]+="[^"]*")*>')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_HEADING = re.compile(r"<(/?)h([1-6])>")
_TAG = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_ENDLESS = re.compile(r"\[\^[^\]\s]{200}")
_TOKEN = re.compile(r"^[a-z][a-z0-9]{0,2}$")
"""How the classes of coloured code look."""


class Renderer:
    """Makes the HTML of one page: the more it has made, the less it takes on.

    Attributes:
        pictures: makes its figures.
        plain: of each text that is shown as it was written, its name and why.
    """

    def __init__(self, pictures: Embedder, footnotes: Footnotes | None = None) -> None:
        self.pictures = pictures
        self.plain: list[tuple[str, str]] = []
        self._footnotes = footnotes or Footnotes({}, frozenset())
        self._left = _ALL

    def text(self, text: str, name: str) -> Markup:
        """An answer as HTML: no script, no address but those of the web and of mail, pictures embedded.

        Args:
            text: Markdown, with HTML within it.
            name: begins the ids of its footnotes; no other text of the page has it.
        """
        full = self._footnotes.beside(text)
        if why := self._too_much(full):
            self.plain.append((name, why))
            told = tag("p", f"Shown as it was written: {why}.", class_="why")
            return join(told, tag("pre", text))
        self._left -= len(full)
        key = hashlib.blake2b(full.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        made = _markdown(_has_footnotes(full)).render(full, {"key": key})
        cleaned = _cleaned(made, _TAGS, key).replace(key, f"{name}-")
        cleaned = _HEADING.sub(lambda it: f"<{it[1]}h{min(int(it[2]) + 3, 6)}>", cleaned)
        return Markup(_IMAGE.sub(lambda it: _figure(it.group(), self.pictures), cleaned))

    def line(self, text: str) -> Markup:
        """A line, such as a question, as HTML without pictures."""
        text = text[:_LINE]
        if len(text) > self._left:
            return tag("span", text)
        self._left -= len(text)
        return Markup(_cleaned(_markdown(False).renderInline(text), _INLINE))

    def _too_much(self, text: str) -> str:
        """Why a text is not taken on; empty if it is."""
        if len(text) > _LONGEST:
            return f"it has more than {_LONGEST:,} characters"
        if text.count("<") > _TAGGED:
            return f"it has more than {_TAGGED:,} signs of HTML"
        return f"what stands above it has nearly {_ALL:,} characters" if len(text) > self._left else ""


def _has_footnotes(text: str) -> bool:
    """Whether to look for footnotes: each mark that never ends is looked through to the end of its line."""
    return "[^" in text and not _ENDLESS.search(text)


@cache
def _markdown(footnotes: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt

    options = {"html": True, "highlight": _highlighted}
    made = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    for kind in ("html_inline", "html_block"):
        made.add_render_rule(kind, _markup)
    if footnotes:
        from mdit_py_plugins.footnote import footnote_plugin

        footnote_plugin(made, inline=False)
        for kind, rule in _FOOTNOTES.items():
            made.add_render_rule(f"footnote_{kind}", rule)
    return made


def _ids(template: str) -> "Callable[..., str]":
    """A rule that puts the number of a footnote, and of the mark that leads to it, into HTML of ours.

    Each id begins with a digest of the text, which the text cannot hold itself: so all other ids are known to
    be the text's own, and are taken out.
    """

    def rule(_: object, tokens: "Sequence[Token]", index: int, __: object, env: "Mapping[str, str]") -> str:
        meta = tokens[index].meta
        return template.format(key=env["key"], n=meta.get("id", 0) + 1, mark=meta.get("subId", 0) + 1)

    return rule


_FOOTNOTES = {
    "ref": _ids('<sup><a id="{key}m{n}-{mark}" href="#{key}n{n}">{n}</a></sup>'),
    "block_open": _ids('<ol id="{key}notes">'),
    "block_close": _ids("</ol>"),
    "open": _ids('<li id="{key}n{n}">'),
    "close": _ids("</li>"),
    "anchor": _ids(' <a href="#{key}m{n}-{mark}">↩\ufe0e</a>'),
}


def _markup(_: object, tokens: "Sequence[Token]", index: int, *__: object) -> str:
    """HTML within Markdown. What is no tag of ours is shown as written: `uv add <package>` is a sentence."""
    return _TAG.sub(lambda it: it[0] if it[1].lower() in _TAGS else f"&lt;{it[0][1:]}", tokens[index].content)


def _cleaned(text: str, tags: set[str], key: str = " ") -> str:
    """HTML with what is harmless in it; ids and links within the page only where they begin with a key."""
    import nh3

    def attribute(_: str, name: str, value: str) -> str | None:
        if name == "id" or value.startswith("#"):
            return value if value.removeprefix("#").startswith(key) else None
        return _attribute(name, value)

    return nh3.clean(
        text,
        tags=tags,
        clean_content_tags=_GONE,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto", "data"},
    )


def _attribute(key: str, value: str) -> str | None:
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
