"""The report of a model says what is known of it, and nothing else."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from holdfast.bundle import open_bundle
from holdfast.core.errors import RefError
from holdfast.core.workspace import Workspace
from holdfast.registry import Registry
from holdfast.testing.bundles import toy_bundle
from holdfast.workflows.model_report import model_report
from tests.journey import Road


class Fetched(HTMLParser):
    """What a page would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "iframe", "object"):
            self.found.append(tag)
        self.found += [
            str(given[key])
            for key in ("src", "href")
            if not str(given.get(key, "#")).startswith(("#", "data:"))
        ]
        self.found += [key for key in given if key.startswith("on")]


@pytest.mark.parametrize("name", ["shapes", "words", "colours", "sounds"])
def test_a_trained_model_is_told_with_its_numbers(road: Road, tmp_path: Path, name: str) -> None:
    told = model_report(name, road.workspace, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    bundle = open_bundle(road.workspace.models / f"{name}/versions/1/bundle")
    assert told == {"model": f"{name}@1", "file": str(tmp_path / "report.html"), "figures": None}
    assert bundle.evaluation is not None
    value = bundle.evaluation["metrics"][bundle.evaluation["headline"]]["value"]
    assert f"{value:.3f}" in page
    for label in bundle.manifest.labels:
        assert label in page
    assert bundle.digest in page
    assert f"holdfast reproduce {bundle.manifest.provenance['run']}" in page
    assert page.count("<svg") >= 2
    assert Fetched(page).found == []


def test_as_markdown_its_charts_are_files_that_are_there(road: Road, tmp_path: Path) -> None:
    told = model_report("shapes@1", road.workspace, tmp_path / "r.md")

    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    charts = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
    assert {"r_figures/labels.svg", "r_figures/confusion.svg", "r_figures/loss.svg"} == set(charts)
    for chart in charts:
        assert ElementTree.parse(tmp_path / chart).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert told["figures"] == str(tmp_path / "r_figures")
    losses = (tmp_path / "r_figures/loss.svg").read_text(encoding="utf-8")
    assert losses.count("<polyline") == 2, "of training and of validation"


def test_what_is_not_here_is_said_to_be_unknown(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    Registry(workspace.models).register("toys", toy_bundle(tmp_path / "b"), run="gone")

    model_report("toys", workspace, tmp_path / "r.md")

    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "is not in this workspace: how it was trained is not known here" in text
    assert "The dataset is not in this workspace" in text
    assert "holdfast reproduce" not in text


def test_labels_that_are_markup_stay_words(tmp_path: Path) -> None:
    workspace, labels = (
        Workspace(tmp_path / "home"),
        ("<script>alert(1)</script>", "a | b *c* [d](javascript:e)"),
    )
    Registry(workspace.models).register("toys", toy_bundle(tmp_path / "b", labels=labels), run="gone")

    model_report("toys", workspace, tmp_path / "r.html")
    model_report("toys", workspace, tmp_path / "r.md")

    assert Fetched((tmp_path / "r.html").read_text(encoding="utf-8")).found == []
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "](javascript:" not in text


def test_a_model_that_was_never_evaluated_is_told_so(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    Registry(workspace.models).register("toys", toy_bundle(tmp_path / "b", evaluation={}), run="gone")

    model_report("toys", workspace, tmp_path / "r.md")

    assert (tmp_path / "r.md").read_text(encoding="utf-8").count("It was never evaluated.") == 2


def test_another_ending_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(RefError, match=r"report\.pdf' ends neither"):
        model_report("toys", Workspace(tmp_path), tmp_path / "report.pdf")


def test_a_report_replaces_the_old_one_and_leaves_nothing_beside_it(road: Road, tmp_path: Path) -> None:
    place = tmp_path / "r.html"
    place.write_text("old")
    model_report("shapes", road.workspace, place)

    assert place.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [it.name for it in tmp_path.iterdir()] == ["r.html"]
