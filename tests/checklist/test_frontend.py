"""A page for people: one that a route gives out, and that asks or shows something."""

from pathlib import Path

import pytest

from holdfast.checklist import check

_PAGE = "<!doctype html>\n<title>Birds</title>\n<form><input type=file></form>\n"
_ROUTE = """from fastapi import FastAPI
from fastapi.responses import Response

app = FastAPI()


@app.get("/")
def index():
    return page("index.html")


def page(name):
    return Response(open(name).read(), media_type="text/html")
"""


def _frontend(folder: Path, files: dict[str, str]) -> dict[str, object]:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (found,) = [item for item in check(folder)["items"] if item["id"] == "frontend"]
    return dict(found)


def test_a_page_that_a_route_gives_out_counts_with_its_own_line(tmp_path: Path) -> None:
    found = _frontend(tmp_path, {"app.py": _ROUTE, "aaa/other.html": _PAGE, "web/index.html": _PAGE})

    assert found["answer"] == "yes"
    assert [(it["file"], it["line"]) for it in found["evidence"]] == [("app.py", 8), ("web/index.html", 3)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": _ROUTE, "web/index.html": "<p>Only words.</p>\n"},
        {"app.py": _ROUTE, "docs/index.html": _PAGE},
        {"app.py": _ROUTE, "web/other.html": _PAGE},
        {"app.py": _ROUTE.replace('@app.get("/")', ""), "web/index.html": _PAGE},
        {"app.py": _ROUTE.replace('page("index.html")', '"index.html"'), "web/index.html": _PAGE},
        {"app.py": "print('index.html')\n", "web/index.html": _PAGE},
    ],
)
def test_a_page_without_a_route_or_a_route_without_a_page_is_none(
    files: dict[str, str], tmp_path: Path
) -> None:
    assert _frontend(tmp_path, files)["answer"] == "no"
