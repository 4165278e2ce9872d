"""Six repositories, each good in some items and only seeming so in others: the whole table."""

from pathlib import Path

import pytest

from holdfast.checklist import ITEMS, check
from tests.checklist.repositories import ALWAYS_OPEN, EXAMPLES, Example, read


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_every_cell_of_the_table_is_right(example: Example, tmp_path: Path) -> None:
    folder = example.write(tmp_path)
    open_ones = example.unknown | ALWAYS_OPEN

    result = check(folder)

    right = {
        item.name: "yes" if item.name in example.yes else "cannot tell" if item.name in open_ones else "no"
        for item in ITEMS
    }
    assert {item["id"]: item["answer"] for item in result["items"]} == right


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_evidence_can_be_followed(example: Example, tmp_path: Path) -> None:
    folder = example.write(tmp_path)

    for item in check(folder)["items"]:
        assert item["evidence"] or item["answer"] != "yes", item["id"]
        assert (item["why"] and item["help"]) or item["answer"] == "yes", item["id"]
        for seen in item["evidence"]:
            lines = (
                (folder / seen["file"]).read_text().split("\n") if (folder / seen["file"]).is_file() else [""]
            )
            assert (folder / seen["file"]).exists(), seen
            assert seen["line"] is None or 1 <= seen["line"] <= len(lines), seen


def test_every_item_is_there_in_one_example_and_missing_in_another() -> None:
    for item in ITEMS:
        if item.name not in ALWAYS_OPEN | {"images-work", "cloud-training"}:
            assert any(item.name in one.yes for one in EXAMPLES), item.name
            assert any(item.name not in one.yes | one.unknown for one in EXAMPLES), item.name


def test_a_password_in_an_address_is_not_told(tmp_path: Path) -> None:
    assert "secret" not in str(check(read("tidy").write(tmp_path)))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    items = {item["id"]: item for item in check(read("names_only").write(tmp_path))["items"]}

    assert items["dockerfile"]["evidence"][0]["seen"] == "COPY models/best.pt: no such file"
    assert items["dockerfile"]["evidence"][0]["line"] == 3
    assert items["hydra"]["why"] == "hydra.main names ../conf/missing.yaml, which does not exist"
    assert "tests themselves" in items["coverage"]["why"]
    assert "fastapi" in items["requirements"]["why"]
