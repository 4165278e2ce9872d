"""A log whose lines hold on to each other. The registry's audit log is tested in tests/registry."""

from pathlib import Path

import pytest

from holdfast.core.chain import Chain
from holdfast.core.errors import HoldfastError


def test_lines_say_what_they_were_given_and_need(tmp_path: Path) -> None:
    log = Chain(tmp_path / "log.jsonl", needed=("version",), mend="put it back")
    log.append("tag", version=1, tag="gold")
    log.append("remove", version=2)

    assert [(line["n"], line["event"], line.get("tag")) for line in log.lines()] == [
        (1, "tag", "gold"),
        (2, "remove", None),
    ]
    assert log.problems() == []
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"n": 3, "event": "tag", "before": "?"}\n')
    assert log.problems() == ["log.jsonl line 3: cannot be read"]
    with pytest.raises(HoldfastError, match="is damaged in line 3") as caught:
        log.lines()
    assert caught.value.hint == "put it back"
