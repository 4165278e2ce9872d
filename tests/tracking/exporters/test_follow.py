from typing import Any

import pytest

from holdfast.tracking import Run, RunRecord, open_run
from holdfast.tracking.exporters.follow import follow
from holdfast.tracking.exporters.sent import Sent, read_sent
from holdfast.tracking.exporters.shown import Results


class Memory:
    """A tool that keeps what it is sent."""

    def __init__(self) -> None:
        self.ids: list[str | None] = []
        self.rows: list[dict[str, Any]] = []
        self.results: list[Results] = []

    def start(self, run: RunRecord, sent: Sent) -> Sent:
        self.ids.append(sent.id)
        return sent.but(id="there", where="memory")

    def metrics(self, rows: list[dict[str, Any]]) -> None:
        self.rows += rows

    def finish(self, results: Results) -> None:
        self.results.append(results)

    def close(self) -> None:
        pass


def ended(status: str | None) -> Any:
    return lambda wait_s: status


def test_each_line_is_sent_once_and_then_how_it_ended(run: Run) -> None:
    tool = Memory()

    follow(run.folder, "tool", "here", tool, ended("finished"))

    assert tool.rows == run.metrics()
    assert [results.status for results in tool.results] == ["finished"]
    assert read_sent(run.folder, "tool") == Sent("here", "there", "memory", rows=3, ended=True)


def test_lines_are_sent_while_the_run_goes_on(run: Run) -> None:
    tool, looks = Memory(), iter(["", "", "finished"])

    def over(wait_s: float) -> str:
        look = next(looks)
        run.log(20 if look else 15, loss=0.4)
        return look

    follow(run.folder, "tool", "here", tool, over)

    assert [row["step"] for row in tool.rows] == [5, 10, 10, 15, 15, 20]


def test_a_run_that_is_taken_up_goes_on_there_and_says_nothing_twice(run: Run) -> None:
    tool = Memory()
    follow(run.folder, "tool", "here", tool, ended(None))  # its process was killed
    run.close()
    again = open_run(run.folder.parent, name="birds", key="k", details={})
    again.rewind(5)  # the last checkpoint
    again.log(10, loss=0.5, rate=0.0005)
    looks = iter(["", "finished"])

    def over(wait_s: float) -> str:
        look = next(looks)
        if look:
            again.log(10, epoch=1, train_loss=0.6, loss=0.55, accuracy=0.75)
            again.log(15, loss=0.3)
        return look

    follow(run.folder, "tool", "here", tool, over)

    assert tool.ids == [None, "there"]
    assert [row["step"] for row in tool.rows] == [5, 10, 10, 15]
    assert len(tool.results) == 1


def test_another_server_is_sent_everything(run: Run) -> None:
    tool = Memory()
    follow(run.folder, "tool", "here", tool, ended("finished"))

    follow(run.folder, "tool", "elsewhere", tool, ended("finished"))

    assert tool.ids == [None, None]
    assert len(tool.rows) == 6


def test_what_was_sent_is_remembered_when_the_next_line_fails(run: Run) -> None:
    class Falls(Memory):
        def metrics(self, rows: list[dict[str, Any]]) -> None:
            if self.rows:
                raise OSError("gone")
            super().metrics(rows)

    tool, looks = Falls(), iter(["", ""])

    def over(wait_s: float) -> str:
        look = next(looks)
        run.log(20, loss=0.1)
        return look

    with pytest.raises(OSError, match="gone"):
        follow(run.folder, "tool", "here", tool, over)

    assert read_sent(run.folder, "tool").rows == 4
