"""Every prediction leaves a record, whatever happens to the disk, the bucket, the process or the clock."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from holdfast.config.schema import ServeConfig
from holdfast.core.errors import ConfigError
from holdfast.monitor import segments
from holdfast.monitor.journal import input_of
from holdfast.monitor.stores import Folder
from holdfast.serve import journal as journals
from holdfast.serve import service
from holdfast.serve.batching import Answer
from holdfast.serve.engine import Engine
from holdfast.serve.ids import Ids, share_of
from holdfast.serve.journal import Journal
from holdfast.testing.bundles import toy_item
from tests.journals import Source, balanced, read, settings, wait_for

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Engines = Callable[..., Engine]
DAY_S = 86400


def test_a_prediction_is_written_down_whole(serve: Serve, own_engine: Engine, tmp_path: Path) -> None:
    picture = toy_item("image")
    place = settings(where=tmp_path / "kept", inputs=1.0)
    with serve(own_engine, journal=place) as client:
        answer = client.post("/predict", files={"file": ("a.png", picture)})
        told = answer.json()["predictions"][0]
        wait_for(lambda: client.get("/info").json()["journal"]["written"] == 1)
        metrics = client.get("/metrics").text

    (record,) = read(tmp_path / "kept")
    assert record["id"] == told["id"]
    assert record["kind"] == "prediction"
    assert record["request"] == answer.headers["X-Request-Id"]
    assert (record["model"], record["digest"]) == ("toys@3", own_engine.bundle.digest)
    assert (record["name"], record["labels"]) == ("a.png", told["labels"])
    assert record["probabilities"] == pytest.approx(told["probabilities"], abs=1e-6)
    first, second = sorted(told["probabilities"].values())[:-3:-1]
    assert record["uncertainty"] == pytest.approx(1 - (first - second), abs=1e-4)
    assert record["features"]["bytes"] == len(picture)
    assert record["features"]["brightness"] == pytest.approx(0.5, abs=0.05)
    assert len(record["embedding"]) == 3  # the embedding of the toy is as narrow
    assert 0 < record["seconds"] < 30
    assert input_of([Folder(tmp_path / "kept")], record) == picture
    assert 'holdfast_journal_records_total{what="written"} 1.0' in metrics


def test_under_traffic_no_answer_is_without_its_record(
    serve: Serve, own_engine: Engine, tmp_path: Path
) -> None:
    files = [("file", (str(seed), toy_item("image", seed))) for seed in range(3)]
    with serve(own_engine, journal=settings(where=tmp_path, inputs=0.3, segment_s=0.05)) as client:

        def ask(_: int) -> list[str]:
            return [it["id"] for it in client.post("/predict", files=files).json()["predictions"]]

        with ThreadPoolExecutor(6) as pool:
            ids = [number for found in pool.map(ask, range(40)) for number in found]

    assert sorted(record["id"] for record in read(tmp_path)) == sorted(ids)
    assert len(set(ids)) == 120


def test_anybody_can_read_it(serve: Serve, own_engine: Engine, tmp_path: Path) -> None:
    with serve(own_engine, journal=settings(where=tmp_path, inputs=1.0)) as client:
        client.post("/predict", files={"file": toy_item("image")})

    (lines,) = tmp_path.glob("segments/*/*.jsonl")
    (record,) = map(json.loads, lines.read_text().splitlines())
    with tarfile.open(lines.with_suffix(".tar")) as tar:
        assert tar.getnames() == [f"{record['id']}.png"]
        member = tar.extractfile(tar.getmembers()[0])
        assert member is not None
        assert member.read() == toy_item("image")
    assert not list(tmp_path.glob("open/*"))


def test_the_share_of_inputs_is_chosen_by_id(source: Source, tmp_path: Path) -> None:
    journal = Journal(settings(where=tmp_path, inputs=0.25))
    source.note(journal, 400)
    journal.close()

    found = read(tmp_path)
    assert {record["id"] for record in found if "input" in record} == {
        record["id"] for record in found if share_of(record["id"]) < 0.25
    }
    assert 50 < journal.counts()["inputs"] < 150


def test_in_private_nothing_that_a_caller_chose_is_kept(
    serve: Serve, own_engine: Engine, tmp_path: Path
) -> None:
    place = settings(where=tmp_path, inputs=1.0, private=True)
    with serve(own_engine, journal=place) as client:
        answer = client.post(
            "/predict",
            files={"file": ("hunter2.png", toy_item("image"))},
            headers={"X-Request-Id": "hunter2"},
        )

    assert answer.status_code == 200
    assert not any(b"hunter2" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not list(tmp_path.rglob("*.tar"))
    assert read(tmp_path)[0]["labels"] == answer.json()["predictions"][0]["labels"]


@pytest.mark.parametrize("torn", [False, True])
def test_a_full_disk_costs_no_request_and_once_there_is_room_what_waited_is_written(
    serve: Serve, own_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    plain, full = segments._write, threading.Event()

    def write(handle: int, data: bytes) -> None:
        if not full.is_set():
            return plain(handle, data)
        os.write(handle, data[:20])  # as much as fits
        return fails()

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(segments, "_write", write)
    monkeypatch.setattr(journals, "_RETRY_S", 0.05)
    if torn:  # what does not fit cannot even be taken back
        monkeypatch.setattr(segments.os, "ftruncate", fails)
    told: list[str] = []
    monkeypatch.setattr(service, "warn", lambda text, _: told.append(text))
    with serve(own_engine, journal=settings(where=tmp_path, inputs=1.0)) as client:

        def ask() -> str:
            answer = client.post("/predict", files={"file": toy_item("image")})
            assert answer.status_code == 200
            return str(answer.json()["predictions"][0]["id"])

        def state() -> dict[str, Any]:
            return dict(client.get("/info").json()["journal"])

        ids = [ask()]
        wait_for(lambda: state()["written"] == 1)
        full.set()
        ids += [ask() for _ in range(3)]
        wait_for(lambda: state()["fault"])
        assert "No space left" in state()["fault"]
        assert "holdfast_journal_fault 1.0" in client.get("/metrics").text
        full.clear()
        ids.append(ask())
        wait_for(lambda: state()["written"] == 5)
        assert state()["fault"] is None
        assert state()["lost"] == 0
        wait_for(lambda: len(told) == 2)
        assert "No space left" in told[0]
        assert told[1] == "the journal is written again"

    assert sorted({record["id"] for record in read(tmp_path)}) == ids


def test_what_does_not_fit_is_counted_and_nothing_else_is_lost(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(journals, "_MOST_RECORDS", 50)
    journal = Journal(settings(where=tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(segments, "_write", full)
        for _ in range(4):
            source.note(journal, 20)
            wait_for(lambda: balanced(journal))
    wait_for(lambda: journal.counts()["waiting"] == 0)
    journal.close()

    counts = journal.counts()
    assert counts["lost"] > 0
    assert counts["noted"] == 80 == counts["written"] + counts["lost"]
    assert len(read(tmp_path)) == counts["written"] >= 50


def test_large_inputs_that_do_not_fit_are_left_out_and_counted(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_MOST_BYTES", 100_000)
    journal = Journal(settings(where=tmp_path, inputs=1.0), gather_s=0.2)
    source.note(journal, 5, data=b"GIF8" + bytes(30_000))
    journal.close()

    counts = journal.counts()
    assert (counts["written"], counts["inputs"], counts["inputs_lost"]) == (5, 3, 2)
    assert sum("input" in record for record in read(tmp_path)) == 3


@pytest.mark.parametrize("embedding", [np.zeros(5), np.full(3, np.nan)], ids=["width", "nan"])
def test_a_record_that_cannot_be_made_harms_no_other(
    source: Source, tmp_path: Path, embedding: np.ndarray
) -> None:
    journal = Journal(settings(where=tmp_path))
    good = source.answer
    ids = source.note(journal, 2)
    source.answer = Answer(good.probabilities, good.parts, embedding)
    source.note(journal)
    source.answer = good
    ids += source.note(journal, 2)
    journal.close()

    counts = journal.counts()
    assert (counts["noted"], counts["written"], counts["lost"]) == (5, 4, 1)
    assert [record["id"] for record in read(tmp_path)] == ids


_WRITER = """
import sys
from types import SimpleNamespace
import numpy as np
from pathlib import Path
from holdfast.bundle import open_bundle
from holdfast.config.serve import JournalConfig
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import Item
from holdfast.serve.ids import Ids
from holdfast.serve.journal import Journal

bundle = open_bundle(Path(sys.argv[1]))
engine = SimpleNamespace(bundle=bundle, labels=bundle.manifest.labels, thresholds=None, task="single")
live = SimpleNamespace(engine=engine, ref="toys@3", modality="image")
journal, ids = Journal(JournalConfig(where=sys.argv[2], inputs=0.5)), Ids()
answer = Answer(np.full(3, 1 / 3), np.full((1, 3), 1 / 3, np.float32), np.zeros(3))
while True:
    some = ids.take(7)
    before = journal.written
    journal.note(live, "r", some, [Item("a", b"GIF8" * 100)] * 7, [answer] * 7, [["heron"]] * 7, 0.1)
    while journal.written < before + 7:
        pass
    print(*some, flush=True)  # these are written
"""


def test_after_kill_9_all_that_was_written_is_read_and_the_next_server_finishes_it(
    own_engine: Engine, source: Source, tmp_path: Path
) -> None:
    where = tmp_path / "kept"
    command = [sys.executable, "-c", _WRITER, str(own_engine.bundle.folder), str(where)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    ids = [number for _ in range(5) for number in child.stdout.readline().split()]
    child.send_signal(signal.SIGKILL)
    ids += child.stdout.read().split()
    child.wait()
    (left,) = where.glob("open/*.jsonl")
    with left.open("ab") as file:
        file.write(b'{"kind":"prediction","id":"torn')  # as if the system had died too
    kept = [record for record in read(where) if "input" in record]

    assert {record["id"] for record in read(where)} >= set(ids)
    assert all(input_of([Folder(where)], record) == b"GIF8" * 100 for record in kept)
    journal = Journal(settings(where=where))  # the next server
    source.note(journal)
    wait_for(lambda: (where / segments.finished_path(left.stem)).exists())
    journal.close()
    assert {record["id"] for record in read(where)} > set(ids)
    assert not list(where.glob("open/*"))


def test_two_servers_write_to_one_place(source: Source, tmp_path: Path) -> None:
    pair = [Journal(settings(where=tmp_path, segment_s=0.05), gather_s=0.001) for _ in range(2)]
    ids = []
    for _ in range(30):
        for journal in pair:
            ids += source.note(journal, 3)
        time.sleep(0.005)
    for journal in pair:
        journal.close()

    assert sorted(record["id"] for record in read(tmp_path)) == sorted(ids)
    assert len(list(tmp_path.rglob("*.jsonl"))) > 2
    assert not list(tmp_path.glob("open/*"))


def test_a_server_leaves_the_open_files_of_one_that_lives_alone(source: Source, tmp_path: Path) -> None:
    first = Journal(settings(where=tmp_path))
    source.note(first)
    wait_for(lambda: first.written == 1)
    second = Journal(settings(where=tmp_path))
    second.close()  # it has looked around by then

    assert len(list(tmp_path.glob("open/*.jsonl"))) == 1
    source.note(first)
    first.close()
    assert len(read(tmp_path)) == 2


def test_a_clock_that_is_set_back_loses_nothing(source: Source, tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    source.ids = Ids(clock=lambda: int(now[0] * 1e9))
    journal = Journal(settings(where=tmp_path, segment_s=0.01), clock=lambda: now[0], gather_s=0.001)
    ids: list[str] = []

    def is_finished() -> bool:
        return journal.written == len(ids) and not list(tmp_path.glob("open/*.jsonl"))

    for back_s in (0, 30, 3600, DAY_S * 400):
        now[0] = 1_800_000_000.0 - back_s
        ids += source.note(journal, 2)
        wait_for(is_finished)
    journal.close()

    assert ids == sorted(set(ids))
    assert sorted(record["id"] for record in read(tmp_path)) == ids
    assert len(list(tmp_path.glob("segments/*"))) == 2  # days


def test_whole_days_that_are_too_old_are_removed(source: Source, tmp_path: Path) -> None:
    now = time.time()
    for days in (9, 2, 0):
        journal = Journal(settings(where=tmp_path), clock=lambda days=days: now - days * DAY_S)  # type: ignore[misc]
        source.note(journal)
        journal.close()

    Journal(settings(where=tmp_path, days=7)).close()

    assert len(read(tmp_path)) == 2


def test_a_place_that_cannot_be_written_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="no journal can be written") as caught:
        Journal(settings(where=tmp_path / "file"))

    assert "serve.journal.where" in (caught.value.hint or "")


@pytest.mark.parametrize("where", ["s3://key:secret@bucket/x", " "])
def test_a_place_that_is_none_is_told_at_start(where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Journal(settings(where=where))

    assert "secret" not in str(caught.value)


def test_a_server_without_a_journal_says_nothing_of_one(clients: Callable[..., httpx.Client]) -> None:
    assert "journal" not in clients("image").get("/info").json()
    assert "holdfast_journal" not in clients("image").get("/metrics").text
    assert ServeConfig().journal.where is None


def test_a_segment_that_is_no_tar_to_its_end_is_read_up_to_there(tmp_path: Path) -> None:
    segment = segments.Segment(tmp_path, segments.segment_name(1e9, "0badcafe", 1))
    segment.append([segments.Line({"kind": "prediction", "id": "1"}, "1.bin", b"abc")])
    segment.drop()

    (tar,) = tmp_path.rglob("*.tar")
    with tarfile.open(fileobj=io.BytesIO(tar.read_bytes())) as found:
        assert found.getnames() == ["1.bin"]
