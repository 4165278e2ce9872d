"""What is written here moves to a bucket, and a bucket that does not answer costs no request."""

import threading
from pathlib import Path

import pytest

from holdfast.monitor.journal import input_of, records_of
from holdfast.serve import journal as journals
from holdfast.serve.journal import Journal
from tests.journals import Source, balanced, settings, wait_for


class Remote:
    """A bucket that may be down or hang."""

    def __init__(self) -> None:
        self.uri, self.files = "s3://somewhere/far", dict[str, bytes]()
        self.down, self.go = False, threading.Event()
        self.go.set()

    def put(self, path: str, file: Path) -> None:
        self.go.wait(20)
        if self.down:
            raise TimeoutError("no answer")
        self.files[path] = file.read_bytes()

    def sizes(self, folder: str) -> dict[str, int]:
        return {path: len(data) for path, data in self.files.items() if path.startswith(folder)}

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path][offset : None if length is None else offset + length]

    def remove(self, path: str) -> None:
        self.files.pop(path, None)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    it = Remote()
    monkeypatch.setattr(journals, "open_store", lambda _: it)
    monkeypatch.setattr("holdfast.serve.mover._FIRST_WAIT_S", 0.02)
    monkeypatch.setattr("holdfast.serve.mover._LOOK_S", 0.0)
    monkeypatch.setattr(journals, "_RETRY_S", 0.02)
    return it


def test_finished_segments_move_to_the_bucket(source: Source, remote: Remote, tmp_path: Path) -> None:
    place = settings(where=remote.uri, spool=tmp_path / "spool", inputs=1.0)
    journal = Journal(place)
    ids = source.note(journal, 3)
    wait_for(lambda: journal.written == 3)
    assert [record["id"] for record in records_of(journal.stores)] == ids  # while they wait here
    journal.close()

    assert [record["id"] for record in records_of([remote])] == ids
    assert input_of([remote], next(records_of([remote]))) == b"GIF8"
    assert not list((tmp_path / "spool").rglob("*.*"))


@pytest.mark.parametrize("fault", ["down", "slow"])
def test_a_bucket_that_is_down_or_slow_costs_nothing_until_the_spool_is_full(
    source: Source, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(journals, "_MOST_RECORDS", 30)
    if fault == "down":
        remote.down = True
    else:
        remote.go.clear()
    place = settings(where=remote.uri, spool=tmp_path / "spool", spool_mb=0.05, segment_s=0.02)
    journal = Journal(place, gather_s=0.001)

    def is_full() -> bool:
        return "spool is full" in (journal.fault or "")

    while not journal.counts()["lost"]:
        source.note(journal, 10)
        wait_for(lambda: is_full() or not journal.counts()["waiting"])
    counts = journal.counts()
    assert counts["written"] > 50
    wait_for(is_full)  # between two tries it may have been mended for a moment
    if fault == "down":
        wait_for(lambda: "no answer" in (journal.counts()["remote_fault"] or ""))
    assert balanced(journal)
    remote.down = False
    remote.go.set()
    wait_for(lambda: journal.counts()["waiting"] == 0)
    journal.close()

    counts = journal.counts()
    assert len({record["id"] for record in records_of([remote])}) == counts["written"]
    assert counts["noted"] == counts["written"] + counts["lost"]


def test_noting_takes_no_time_while_the_bucket_hangs(source: Source, remote: Remote, tmp_path: Path) -> None:
    remote.go.clear()
    journal = Journal(settings(where=remote.uri, spool=tmp_path), gather_s=0.001)
    source.note(journal, 5)
    journal.close(wait_s=0.3)

    remote.go.set()
    assert journal.written == 5
    later = Journal(settings(where=remote.uri, spool=tmp_path))  # the next server moves them
    later.close()
    assert len(list(records_of([remote]))) == 5
