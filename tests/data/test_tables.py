"""Tables become columns, a part at a time."""

import json
from pathlib import Path

import pytest

from tests.data.test_layout import plan, rows_of, write_table


def test_half_a_character_in_a_line_of_json_is_named(tmp_path: Path) -> None:
    good = [json.dumps({"text": f"text {number}", "label": "ab"[number % 2]}) for number in range(4)]
    (tmp_path / "t.jsonl").write_text("\n".join([*good, '{"text": "a\\ud83d", "label": "a"}']))

    found = plan(tmp_path / "t.jsonl")

    assert len(found.rows) == 4
    assert [(item.name, item.reason[:16]) for item in found.quarantined] == [
        ("t.jsonl line 5", "half a character")
    ]


def test_a_table_longer_than_what_is_read_at_once_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.data.tables._CHUNK", 3)
    monkeypatch.setattr("holdfast.data.rows._CHUNK", 4)
    rows = [(f"{number}.txt", f"line\n{number}", "ab"[number % 2]) for number in range(11)]
    write_table(tmp_path / "t.csv", ["file_of", "text", "label"], *rows)

    found = rows_of(plan(tmp_path / "t.csv"))

    assert [(row.name, row.text, row.labels) for row in found] == [
        (f"t.csv row {number + 1}", text, (label,)) for number, (_, text, label) in enumerate(rows)
    ]
    assert [row.meta["file_of"] for row in found] == [name for name, _, _ in rows]
