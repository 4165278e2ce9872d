"""What a report claims, held against what is there."""

from pathlib import Path

import pytest

from holdfast.checklist import ITEMS, claim
from holdfast.core.errors import DataError
from holdfast.report import read_report
from holdfast.workflows.checklist import checklist
from tests.checklist.repositories import read

QUESTION = "\n### Question 1\n> **Why?**\n>\n> Answer:\n\nSo.\n* [x] Use hydra\n"
REPORTS = Path(__file__).resolve().parents[3] / "shared" / "reports"


def test_claims_without_evidence_and_evidence_without_claims_are_listed(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text(
        "* [x] Create a git repository (M5)\n"
        "* [X] Use Pytorch-lightning (if applicable) to reduce the boilerplate\n"
        "* [ ] Setup version control for your data or part of your data\n"
        "* [x] Build the docker files locally\n"
        "* [x] Bake a cake\n"
        "[x] no box at all\n" + QUESTION
    )

    found = checklist(read("tidy").write(tmp_path), report=report)["report"]

    assert [one["item"] for one in found["claimed_without_evidence"]] == ["lightning"]
    assert [one["item"] for one in found["evidence_without_claim"]] == ["data-versions"]
    assert [one["item"] for one in found["claimed_and_seen"]] == ["git"]
    assert [one["item"] for one in found["claimed_and_cannot_tell"]] == ["images-work"]
    assert found["unknown_lines"] == [{"line": 5, "text": "Bake a cake"}]


def test_every_false_claim_of_a_repository_of_names_is_found(tmp_path: Path) -> None:
    example = read("names_only")
    report = tmp_path / "report.md"
    report.write_text("".join(f"- [x] {line}\n" for line in LINES) + QUESTION)

    found = checklist(example.write(tmp_path), report=report)["report"]

    told = {one["item"] for one in found["claimed_without_evidence"]}
    ours = {item.name for item in ITEMS if not item.generations}
    open_ones = example.unknown | {"access", "revisited", "understanding"}
    assert told == {item.name for item in ITEMS} - ours - example.yes - open_ones


LINES = [
    *(
        "create a git repo",
        "write access",
        "dedicated environment",
        "initial file structure",
        "the `data.py` file",
    ),
    *(
        "add a model to",
        "`requirements.txt`",
        "`pep8`",
        "code typing",
        "version control for your data",
        "hydra",
    ),
    *(
        "command line interfaces",
        "one or multiple docker files",
        "build the docker files",
        "configurations files",
    ),
    *(
        "profiling",
        "use logging",
        "weights & biases",
        "a sweep",
        "lightning",
        "unit tests related to the data",
    ),
    *(
        "unit tests related to model",
        "the coverage",
        "get some continuous integration",
        "caching and multi-os",
    ),
    *(
        "a linting step",
        "pre-commit",
        "triggers when data changes",
        "changes to the model registry",
        "a gcp bucket",
    ),
    *(
        "automatically building",
        "training in gcp",
        "create a fastapi",
        "torchserve",
        "deploy your model in gcp",
    ),
    *(
        "api tests",
        "load test",
        "onnx or bentoml",
        "a frontend",
        "how robust your model",
        "collection of input-output",
    ),
    *("drift detection api", "system telemetry", "monitoring for the performance", "instrument your api"),
    *(
        "cloud monitoring",
        "alert systems",
        "distributed data loading",
        "distributed training",
        "quantization",
    ),
    *("write some documentation", "github pages", "revisit your initial", "architectural diagram"),
    *("understanding about all", "uploaded all your code"),
]


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the reports are not beside the checkout")
@pytest.mark.parametrize(
    ("start", "count", "ticked"),
    [("000", 53, 7), ("001", 36, 27), ("002", 53, 41), ("003", 52, 38), ("004", 36, 28)],
)
def test_each_box_of_a_real_report_is_one_item(start: str, count: int, ticked: int) -> None:
    boxes = read_report(next(REPORTS.glob(f"{start}*"))).checklist

    items = [claim(box.line, box.text, ticked=box.ticked).item for box in boxes]
    generation = 1 if count < 40 else 2
    asked = {item.name for item in ITEMS if generation in item.generations}
    assert len(items) == len(set(items)) == count
    assert set(items) <= asked
    assert len(asked - set(items)) == (0 if start != "003" else 1)
    assert sum(box.ticked for box in boxes) == ticked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"x", "is no report"),
        (QUESTION.encode(), "has no boxes"),
    ],
)
def test_a_report_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    report = tmp_path / "report.md"
    report.write_bytes(content)

    with pytest.raises(DataError, match=message):
        checklist(tmp_path, report=report)
