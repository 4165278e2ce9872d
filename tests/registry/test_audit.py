import getpass
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.registry.audit import AuditLog, holders


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.jsonl")
    for version in (1, 2, 3):
        log.append("register", version=version, digest="d" * 64)
    return log


def test_each_line_holds_the_digest_of_the_line_before(log: AuditLog) -> None:
    raw = log.path.read_bytes().splitlines()

    assert json.loads(raw[0])["before"] == "0" * 64
    for line, before in zip(raw[1:], raw[:-1], strict=True):
        assert json.loads(line)["before"] == hashlib.sha256(before).hexdigest()
    assert [json.loads(line)["n"] for line in raw] == [1, 2, 3]
    assert log.problems() == []


def test_a_line_says_who_did_what(log: AuditLog) -> None:
    log.append(
        "promote", version=2, digest="e", alias="champion", previous=1, forced=True, reasons=["é\u2028"]
    )

    line = log.lines()[-1]
    assert line.pop("actor") == getpass.getuser()
    assert line.pop("time").endswith("+00:00")
    assert line.pop("before")
    assert line == {
        "n": 4,
        "event": "promote",
        "alias": "champion",
        "version": 2,
        "previous": 1,
        "forced": True,
        "reasons": ["é\u2028"],
        "digest": "e",
    }


def test_an_actor_without_a_name_is_unknown(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr(getpass, "getuser", nobody)
    log.append("register", version=4, digest="d")

    assert log.lines()[-1]["actor"] == "unknown"


def test_a_last_line_that_was_cut_short_never_happened(log: AuditLog) -> None:
    whole = log.lines()
    with log.path.open("a") as file:
        file.write('{"n": 4, "event": "promo')

    assert log.lines() == whole
    assert log.problems() == []
    log.append("register", version=4, digest="d")
    assert [line["n"] for line in log.lines()] == [1, 2, 3, 4]
    assert log.problems() == []


@pytest.mark.parametrize("line", [1, 2])
def test_a_changed_line_is_found_by_the_next(log: AuditLog, line: int) -> None:
    lines = log.path.read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace("d" * 64, "c" * 64)
    log.path.write_text("".join(lines))

    assert log.problems() == [
        f"audit.jsonl line {line + 1}: the line before it was changed, removed or added after it was written"
    ]


def test_a_removed_first_line_and_swapped_lines_are_found(log: AuditLog) -> None:
    first, second, third = log.path.read_text().splitlines(keepends=True)

    for lines in ([second, third], [first, third, second], [first, first, second, third]):
        log.path.write_text("".join(lines))
        assert log.problems()


def test_a_break_in_the_chain_stays_seen(log: AuditLog) -> None:
    lines = log.path.read_text().splitlines(keepends=True)
    log.path.write_text(lines[0] + lines[2])
    before = log.problems()

    log.append("register", version=4, digest="d")

    assert log.problems() == before != []


def test_a_log_that_lost_lines_still_ends_where_its_last_line_says() -> None:
    assert holders([{"event": "rollback", "alias": "champion", "version": 2}]) == {"champion": [2]}


@given(st.lists(st.integers(1, 5)))
def test_rolling_everything_back_goes_through_all_holders(versions: list[int]) -> None:
    moves = [version for i, version in enumerate(versions) if i == 0 or versions[i - 1] != version]
    lines = [{"event": "promote", "alias": "a", "version": version} for version in moves]
    for at in range(len(moves) - 1, 0, -1):
        assert holders(lines)["a"] == moves[: at + 1]
        lines.append({"event": "rollback", "alias": "a", "version": moves[at - 1]})

    assert holders(lines) == ({"a": moves[:1]} if moves else {})
