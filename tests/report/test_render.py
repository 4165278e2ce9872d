"""A report is untrusted: nothing in it runs, fetches or leads astray, and none of its words is lost."""

import re
from pathlib import Path

import pytest

from holdfast.report.embed import Embedder
from holdfast.report.render import Renderer


def shown(text: str) -> str:
    return str(Renderer(Embedder(Path("/nowhere"))).text(text, "q1"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//example.org/x.js></SCRIPT>",
        "<b onclick=alert(1)>x</b>",
        "<img src=x onerror=alert(1)>",
        "<img src=x:alert(alt) onerror=eval(src) alt=0>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<iframe src=https://example.org></iframe>",
        "<object data=x></object><embed src=x><base href=https://example.org>",
        "<style>body { display: none }</style>",
        "<p style='position:fixed;inset:0'>x</p>",
        "<form action=https://example.org><button>x</button></form>",
        "<meta http-equiv=refresh content='0;url=https://example.org'>",
        "<link rel=stylesheet href=https://example.org/x.css>",
        "<details open ontoggle=alert(1)><summary>x</summary></details>",
        "<a href=javascript:alert(1)>x</a>",
        "<a href='java\tscript:alert(1)'>x</a>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<a href='vbscript:x' id=cookie name=cookie>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "![x\" onerror=alert(1) y=\"](x.png)",
        "![x](\"onerror=alert(1).png)",
        "```\"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
        "```python\n</code></pre><script>alert(1)</script>\n```",
        "<!--><script>alert(1)</script>-->",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<span class='page top'>x</span>",
    ],
)  # fmt: skip
def test_nothing_harmful_is_left(text: str) -> None:
    page = shown(text)

    tags = re.findall(r"<[^>]*>", page)
    names = {re.match(r"</?([a-z0-9]*)", it)[1] for it in tags}  # type: ignore[index]
    assert names <= {
        "a",
        "b",
        "p",
        "span",
        "pre",
        "code",
        "img",
        "h4",
        "br",
        "details",
        "summary",
        "strong",
        "em",
        "center",
    }
    for it in tags:
        assert not re.search(r"\s(on\w+|style|id|name|action|srcset|formaction)\s*=", it, re.IGNORECASE), it
        for link in re.findall(r'\shref="([^"]*)"', it):
            assert link.startswith(("https://", "http://", "mailto:"))
        for kind in re.findall(r'\sclass="([^"]*)"', it):
            assert kind in ("absent", "why", "target", "figure", "caption") or re.fullmatch(
                "[a-z][a-z0-9]{0,2}", kind
            )
    assert "<img" not in page


@pytest.mark.parametrize(
    "text",
    [
        "uv add <package-name>",
        "outputs/<date>/<time>/",
        "<sweep_id> is the id",
        "a < b, c > d",
        "<T> is a type",
    ],
)
def test_no_words_are_lost_that_look_like_tags(text: str) -> None:
    plain = text.replace("<", "&lt;").replace(">", "&gt;")

    assert shown(text) == f"<p>{plain}</p>\n"


def test_comments_are_not_shown() -> None:
    assert "secret" not in shown("a <!-- secret --> b\n\n<!--\nsecret\n-->\n")


def test_what_people_write_is_kept() -> None:
    page = shown("# Ours\n\n**b** ~~s~~ [l](https://example.org)\n\n|a|b|\n|-|-|\n|1|2|\n\n<kbd>x</kbd>")

    assert "<h4>Ours</h4>" in page
    assert "<strong>b</strong> <s>s</s>" in page
    assert '<a href="https://example.org" rel="noopener noreferrer nofollow">l</a>' in page
    assert "<td>1</td>" in page
    assert "<kbd>x</kbd>" in page


def test_links_within_a_folder_keep_their_words_only() -> None:
    assert shown("see [this figure](figures/a.png)") == (
        '<p>see <a rel="noopener noreferrer nofollow">this figure</a></p>\n'
    )


def test_code_of_a_known_language_is_in_colours() -> None:
    assert '<span class="kn">import</span>' in shown("```python\nimport os\n```")
    assert "<span" not in shown("```\nimport os\n```")
    assert "<span" not in shown("```nonsense\nimport os\n```")


def test_a_line_holds_no_pictures() -> None:
    line = Renderer(Embedder(Path("/nowhere"))).line("**a** ![x](y.png) `c`")

    assert line == "<strong>a</strong>  <code>c</code>"


@pytest.mark.parametrize("part", ["<b>", "<div>", "<div>\n\n", "[", "![", "<details>\n", "x" * 9 + " "])
def test_what_would_take_long_is_shown_as_plain_text(part: str) -> None:
    page = shown(part * (110_000 // len(part)) if len(part) != 3 else part * 2_001)

    assert page.startswith('<p class="why">Shown as it was written: it has more than ')
    assert len(re.findall("<[a-z]", page)) == 2
