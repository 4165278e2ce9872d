import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.files import (
    ASIDE,
    append_line,
    clear_aside,
    folder_aside,
    publish,
    read_json,
    whole_lines,
    write_bytes,
    write_json,
)

_WRITER = """
import sys
from pathlib import Path
from holdfast.core.files import write_json

for number in range(10**9):
    write_json(Path(sys.argv[1]), {"number": number, "filling": "x" * 20_000})
"""


@pytest.mark.parametrize("delay_s", [0.02, 0.05, 0.09])
def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path, delay_s: float) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"filling": "x" * 20_000, "number": -1})

    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)]) as writer:
        while read_json(path)["number"] < 0 and writer.poll() is None:
            time.sleep(0.01)
        time.sleep(delay_s)
        writer.kill()

    assert read_json(path)["number"] >= 0
    assert len(read_json(path)["filling"]) == 20_000


def test_a_full_disk_leaves_the_old_file_and_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "value"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")

    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["value"]


def test_a_line_that_a_crash_cut_short_is_dropped_before_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append_line(log, "first")
    with log.open("ab") as file:
        file.write(b"torn")

    assert whole_lines(log) == ["first"]
    append_line(log, "second")

    assert log.read_text() == "first\nsecond\n"


def test_a_folder_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    def killed_half_way() -> None:
        with folder_aside(tmp_path) as aside:
            (aside / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed_half_way()
    with folder_aside(tmp_path) as aside:
        (aside / "whole").write_text("whole")
        publish(aside, tmp_path / "final")

    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert (tmp_path / "final" / "whole").read_text() == "whole"


def test_what_is_published_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()

    with folder_aside(tmp_path) as aside, pytest.raises(FileExistsError, match="final is there already"):
        publish(aside, tmp_path / "final")


def test_leftovers_of_killed_writers_are_cleared(tmp_path: Path) -> None:
    (tmp_path / f"{ASIDE}1").mkdir()
    (tmp_path / f"{ASIDE}2").write_text("")
    (tmp_path / "kept").write_text("")

    clear_aside(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "value.json", {"value": float("nan")})


def test_json_reads_back_what_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", {"ä": [1, None]})

    assert json.loads((tmp_path / "value.json").read_text(encoding="utf-8")) == {"ä": [1, None]}
