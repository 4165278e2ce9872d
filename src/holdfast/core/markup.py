"""Markup that no text can break out of: whatever is not made here is escaped."""

from html import escape


class Markup(str):
    """HTML or SVG that was made by `tag`, and is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """An element. Children that are no markup, and all values of attributes, are escaped.

    Args:
        name: of the element; written as it is.
        children: text or markup.
        attributes: `class_` stands for `class`, and an underscore within a name for a dash. True
            writes the name alone; False and None leave it out.

    >>> tag("p", "a < b", tag("br"), class_="x")
    '<p class="x">a &lt; b<br></p>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    opened = f"<{name}{written}>"
    return Markup(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Markup, and text escaped, one after another.

    >>> join("<", tag("b", "x"))
    '&lt;<b>x</b>'
    """
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def page_head(title: str, style: str, *, allow: str = "") -> Markup:
    """The head of a page that stands alone: nothing is fetched, no script runs, pictures lie within it.

    Args:
        title: of the page.
        style: CSS; written as it is.
        allow: what else its policy allows, such as `media-src data:`.

    >>> "<title>a &lt; b</title>" in page_head("a < b", "p { margin: 0 }")
    True
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:" + (f"; {allow}" if allow else "")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )


_VOID = ("br", "img", "meta", "link")


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
