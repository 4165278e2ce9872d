import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.bundle import open_bundle
from holdfast.cli import report_runs
from holdfast.core.errors import ConfigError, RefError
from holdfast.core.files import read_json, write_json
from holdfast.core.refs import Ref
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions, Version, ingest, open_version
from holdfast.evaluate import paired_differences
from holdfast.modality import probe
from holdfast.serve.engine import Engine
from holdfast.testing.toys import write_images
from holdfast.workflows import subjects
from holdfast.workflows.comparing import compare_runs, verdict
from holdfast.workflows.comparison_page import look
from holdfast.workflows.training import train_run
from tests.journey import Road, holdfast, overrides

EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
WORSE = ("train.epochs=1", "train.seed=5", "optim.lr=1e-6", "evaluate.baselines=false")


@pytest.fixture(scope="module")
def made(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shapes, whose files have evil names, with the model that has learnt and a worse one."""
    home = tmp_path_factory.mktemp("compared") / "home"
    for part in ("datasets/shapes", f"runs/{road.results['shapes']['run']}", "models/shapes"):
        shutil.copytree(road.workspace.home / part, home / part)
    rename(home / "datasets/shapes/versions/1/samples.parquet")
    workspace = Workspace(home)
    train_run("shapes", workspace, overrides=[*overrides("shapes"), *WORSE])
    return workspace


@pytest.fixture
def home(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return Workspace(Path(shutil.copytree(made.home, tmp_path / "home")))


def rename(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table = parquet.read_table(path)
    place = table.column_names.index("name")
    names = pyarrow.array([f"{EVIL} {number}" for number in range(len(table))])
    parquet.write_table(table.set_column(place, "name", names), path)


def version_of(home: Workspace) -> Version:
    return open_version(home.datasets, Ref("shapes", version=1))


def worse_run(home: Workspace) -> str:
    return next(
        path.name
        for path in home.runs.glob("shapes-*")
        if read_json(path / "run.json")["model"] == "shapes@2"
    )


def test_a_model_does_not_differ_from_itself(made: Workspace) -> None:
    result = compare_runs(["shapes@1", "shapes@1"], made)

    (pair,) = result["pairs"]
    assert result["config"] == []
    assert result["data"]["same"]
    assert pair["disagreements"] == []
    assert {it["verdict"] for it in pair["differences"].values()} == {"not told apart"}
    assert {it["difference"] for it in pair["differences"].values()} == {0.0}


def test_only_the_settings_that_differ_are_listed_unless_all_are_asked_for(made: Workspace) -> None:
    few = compare_runs(["shapes@1", "shapes@2"], made)["config"]
    every = compare_runs(["shapes@1", "shapes@2"], made, every_setting=True)["config"]

    assert {row["key"]: row["values"] for row in few} == {
        "optim.lr": [pytest.approx(every_value(every, "optim.lr", 0)), 1e-6],
        "train.epochs": [6, 1],
        "train.seed": [0, 5],
        "evaluate.baselines": [True, False],
    }
    assert [row for row in every if row["key"] == "device.threads"] == [
        {"key": "device.threads", "values": [1, 1]}
    ]


def every_value(rows: list[dict[str, Any]], key: str, place: int) -> Any:
    return next(row["values"][place] for row in rows if row["key"] == key)


def test_a_pair_is_measured_as_the_engine_answers(made: Workspace) -> None:
    result = compare_runs(["shapes@1", "shapes@2"], made, samples=1000)

    with version_of(made) as version:
        rows = version.indices("test", headline=True)
        items, targets = [version.read(int(row)) for row in rows], version.targets[rows]
        engines = [Engine(open_bundle(made.models / f"shapes/versions/{number}/bundle")) for number in (1, 2)]
        said = [engine.predict(items).probabilities for engine in engines]
        groups = version.groups[rows]
        digests = version.digests[rows]
    (pair,) = result["pairs"]
    expected = paired_differences(said[0], said[1], targets, groups=groups, resamples=50)
    for name, found in pair["differences"].items():
        for end in ("difference", "low", "high"):
            assert found[end] == pytest.approx(expected[name][end], abs=1e-6)
    given = [some.argmax(axis=1) for some in said]
    assert {it["digest"] for it in pair["disagreements"]} == set(digests[given[0] != given[1]])
    assert pair["right"]["both"] == int(((given[0] == targets) & (given[1] == targets)).sum())
    assert pair["right"]["only_first"] == int(((given[0] == targets) & (given[1] != targets)).sum())
    assert pair["differences"]["macro_f1"]["verdict"] == "worse"
    apart = dict(zip(digests.tolist(), np.abs(said[0] - said[1]).sum(axis=1).tolist(), strict=True))
    order = [apart[it["digest"]] for it in pair["disagreements"]]
    assert order == pytest.approx(sorted(order, reverse=True), abs=1e-6)


def test_metrics_curves_and_counts_are_those_of_the_runs(road: Road, made: Workspace) -> None:
    result = compare_runs([road.results["shapes"]["run"], worse_run(made)], made)

    first = road.results["shapes"]["metrics"]
    assert {row["metric"]: row["values"][0] for row in result["metrics"]} == first
    assert [len(line) for line in result["curves"]["macro_f1"]] == [6, 1]
    assert [point[0] for point in result["curves"]["train_loss"][0]] == [1, 2, 3, 4, 5, 6]
    splits = {row["split"]: row["values"] for row in result["data"]["splits"]}
    labels = {(row["label"], row["split"]): row["values"] for row in result["data"]["labels"]}
    assert sum(values[0] for values in splits.values()) == 80
    assert labels["disc", "test"][0] + labels["square", "test"][0] == splits["test"][0]
    assert result["pairs"][0]["samples"] > 0


def test_answers_that_the_bundle_did_not_keep_are_asked_of_the_engine(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = compare_runs(["shapes@1", "shapes@2"], made)["pairs"][0]["differences"]
    monkeypatch.setattr(
        subjects, "read_reference", lambda path: type("Few", (), {"probabilities": np.zeros((1, 2))})
    )

    asked = compare_runs(["shapes@1", "shapes@2"], made)["pairs"][0]["differences"]

    for name, found in kept.items():
        assert asked[name]["difference"] == pytest.approx(found["difference"], abs=1e-6)


def test_where_the_data_has_grown_only_shared_samples_that_neither_learnt_from_count(
    home: Workspace, tmp_path: Path
) -> None:
    write_images(tmp_path / "shapes", per_class=40)
    write_images(
        tmp_path / "shapes",
        classes=(
            "disc",
            "square",
        ),
        per_class=60,
        seed=9,
    )
    ingest(tmp_path / "shapes", home.datasets, "other", options=SourceOptions(test_share=0.5), probe=probe)
    grown = open_version(home.datasets, Ref("other"))
    run = worse_run(home)
    info = read_json(home.runs / run / "run.json")
    write_json(
        home.runs / run / "run.json", {**info, "dataset": "other@1", "fingerprint": grown.info.fingerprint}
    )

    result = compare_runs(["shapes@1", run], home)

    with version_of(home) as version:
        tested = [set(it.digests[it.indices("test")]) for it in (version, grown)]
        learnt = [set(it.digests[it.splits != "test"]) for it in (version, grown)]
    held, pair = result["data"]["held_out"][0], result["pairs"][0]
    assert not result["data"]["same"]
    assert held["shared"] == len(tested[0] & tested[1])
    assert held["learnt_by_second"] == len(tested[0] & learnt[1])
    assert pair["samples"] == len((tested[0] & tested[1]) - learnt[0] - learnt[1])


def test_data_that_is_gone_leaves_metrics_and_settings(home: Workspace) -> None:
    shutil.rmtree(home.datasets)

    result = compare_runs(["shapes@1", "shapes@2"], home)

    assert result["pairs"][0]["why_not"] == "the data of shapes@1 is gone, or is not what it was trained on"
    assert result["metrics"]
    assert result["data"]["held_out"][0]["same"] is None
    assert "no difference can be given" in report_runs.comparison(result)


def test_a_run_that_exported_nothing_leaves_settings_and_curves(home: Workspace) -> None:
    run = worse_run(home)
    shutil.rmtree(home.runs / run / "bundle")

    result = compare_runs(["shapes@1", run], home)

    assert result["pairs"][0]["why_not"] == f"{run} has exported nothing"
    assert result["curves"]["train_loss"][1]


def test_a_model_whose_run_is_gone_leaves_the_rest(home: Workspace) -> None:
    shutil.rmtree(home.runs)

    result = compare_runs(["shapes@1", "shapes@2"], home)

    assert result["curves"] == {}
    assert result["pairs"][0]["samples"] > 0


def test_fewer_than_two_or_unknown_names_are_told(made: Workspace) -> None:
    with pytest.raises(ConfigError, match="one alone cannot be compared"):
        compare_runs(["shapes@1"], made)
    with pytest.raises(RefError, match="'shapes@9' is neither a run nor a model: shapes has no version 9"):
        compare_runs(["shapes@1", "shapes@9"], made)


@pytest.mark.parametrize(
    ("name", "low", "high", "told"),
    [
        ("accuracy", 0.1, 0.2, "better"),
        ("accuracy", -0.2, -0.1, "worse"),
        ("log_loss", 0.1, 0.2, "worse"),
        ("accuracy", -0.1, 0.2, "not told apart"),
        ("accuracy", None, None, "not told apart"),
    ],
)
def test_a_difference_is_said_to_be_one_only_beyond_chance(
    name: str, low: float | None, high: float | None, told: str
) -> None:
    assert verdict(name, {"difference": 0.1, "low": low, "high": high}) == told


@pytest.mark.parametrize(
    ("name", "mark"), [("shapes", "<img src="), ("sounds", "<rect"), ("words", "<blockquote>")]
)
def test_a_sample_of_each_kind_can_be_looked_at(road: Road, name: str, mark: str) -> None:
    with open_version(road.workspace.datasets, Ref(name)) as version:
        shown = look(version, 0)

    assert shown.count(mark) >= 1


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_the_command_writes_a_page_that_needs_nothing_and_runs_nothing(
    made: Workspace, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"

    told = holdfast("runs", "compare", "shapes@1", "shapes@2", "--html", str(page), home=made.home)

    assert "optim.lr" in told.stdout
    assert "worse" in told.stdout
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert all(link.startswith("data:") for link in reader.links)
    assert "&lt;script&gt;" in page.read_text(encoding="utf-8")


@pytest.mark.browser
def test_the_page_in_a_browser_shows_all_runs_nothing_and_fits_a_phone(
    made: Workspace, page: Any, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    compare_runs(["shapes@1", "shapes@2"], made, page=path)
    shots = Path(__file__).resolve().parents[2] / "artifacts" / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    page.get(path.as_uri())

    pictures = page.execute_script("return [...document.images].map((it) => it.naturalWidth)")
    assert pictures
    assert set(pictures) == {112}
    assert page.title == "shapes@1 and shapes@2: compared", "a name has become a script"
    assert EVIL in page.execute_script("return document.querySelector('article bdi').textContent")
    asked = page.execute_script("return performance.getEntriesByType('resource').map((it) => it.name)")
    assert [it for it in asked if not it.startswith("data:")] == []
    assert page.execute_script("return document.querySelectorAll('svg polyline').length") >= 8
    assert page.save_screenshot(str(shots / "comparison.png"))
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        ground = page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
        assert ground == "rgb(14, 21, 25)"
        assert page.save_screenshot(str(shots / "comparison-phone.png"))
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_command_speaks_to_programs(made: Workspace) -> None:
    told = holdfast("runs", "compare", "shapes@1", "shapes@2", "shapes@1", "--json", home=made.home)

    assert len(json.loads(told.stdout)["pairs"]) == 2
