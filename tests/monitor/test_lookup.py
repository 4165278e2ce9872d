"""Whose a prediction is, is found in its journal by the id alone, and at little cost."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.monitor import lookup
from holdfast.monitor.lookup import Lookup
from holdfast.monitor.segments import FINISHED, OPEN, Line, Segment, finish, segment_name
from holdfast.monitor.stores import Folder
from holdfast.serve.ids import Ids, time_of

NOON = 1_700_049_600.0


class Counting(Folder):
    """A folder that counts what is read."""

    read_bytes = 0
    listed = 0

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().read(path, offset, length)
        self.read_bytes += len(data)
        return data

    def sizes(self, folder: str) -> dict[str, int]:
        self.listed += 1
        return super().sizes(folder)


class Writer:
    """A server that answers ten requests a second, each followed by a true label, from noon on."""

    def __init__(self, folder: Path, name: str, model: str) -> None:
        self.folder, self.name, self.model = folder, name, model
        self.now = NOON
        self.ids = Ids(clock=lambda: round(self.now * 1e9))
        self.number = 0

    def write(self, count: int, *, open_: bool = False) -> list[str]:
        """A segment with so many predictions; their ids."""
        self.number += 1
        segment = Segment(self.folder, segment_name(self.now, self.name, self.number))
        given = []
        for _ in range(count):
            (number,) = self.ids.take(1)
            given.append(number)
            segment.append([Line({"kind": "prediction", "id": number, "model": self.model, "x": "y" * 300})])
            (own,) = self.ids.take(1)
            segment.append([Line({"kind": "feedback", "id": own, "prediction": number})])
            self.now += 0.1
        segment.drop() if open_ else segment.finish()
        return given


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_SMALL", 2048)
    monkeypatch.setattr(lookup, "_LINE", 1024)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def found(where: Lookup, *numbers: str) -> list[str | None]:
    models = where.models({number: time_of(number) for number in numbers})
    return [models.get(number) for number in numbers]


def test_every_prediction_of_every_server_is_found(store: Counting) -> None:
    birds, sea = Writer(store.folder, "0000000a", "birds@3"), Writer(store.folder, "0000000b", "sea@1")
    ours = [number for count in (1, 100, 3) for number in birds.write(count)]
    theirs = sea.write(60)
    ours += birds.write(40, open_=True)

    where = Lookup([store])

    assert found(where, *ours) == ["birds@3"] * len(ours)
    assert found(where, *theirs) == ["sea@1"] * len(theirs)


def test_little_is_read_for_one(store: Counting) -> None:
    numbers = Writer(store.folder, "0000000a", "birds@3").write(2000)

    assert found(Lookup([store]), numbers[1234]) == ["birds@3"]
    assert store.read_bytes < 20 * 1024  # of 900 KB


def test_what_is_there_at_noon_is_there_after_midnight(store: Counting) -> None:
    writer = Writer(store.folder, "0000000a", "birds@3")
    writer.now = NOON + 12 * 3600 - 2
    numbers = writer.write(50)

    assert found(Lookup([store]), numbers[0], numbers[-1]) == ["birds@3"] * 2
    assert len(store.sizes(FINISHED)) == 1


def test_a_record_that_waited_for_the_disk_is_found_in_the_segment_that_was_begun_then(
    store: Counting,
) -> None:
    writer = Writer(store.folder, "0000000a", "birds@3")
    writer.write(3)
    (late,) = writer.ids.take(1)
    segment = Segment(store.folder, segment_name(writer.now + 30, writer.name, 2))
    segment.append([Line({"kind": "prediction", "id": late, "model": "birds@3"})])
    segment.finish()

    assert found(Lookup([store]), late) == ["birds@3"]


def test_other_ids_are_not_found(store: Counting) -> None:
    writer = Writer(store.folder, "0000000a", "birds@3")
    labels = Ids(clock=lambda: round((NOON + 1) * 1e9)).take(3)
    first = Ids(clock=lambda: 0).take(1)
    last = ["ffffffff-ffff-7000-8000-000000000000"]
    writer.write(30)

    assert found(Lookup([store]), *labels, *first, *last) == [None] * 5


def test_a_line_that_was_cut_short_hides_no_other(store: Counting) -> None:
    numbers = Writer(store.folder, "0000000a", "birds@3").write(30, open_=True)
    (path,) = (store.folder / OPEN).glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b'"model"') + 4])

    assert found(Lookup([store]), *numbers) == ["birds@3"] * 29 + [None]


def test_a_segment_that_is_finished_meanwhile_is_found_where_it_went(store: Counting) -> None:
    numbers = Writer(store.folder, "0000000a", "birds@3").write(5, open_=True)
    where = Lookup([store])
    assert found(where, numbers[0]) == ["birds@3"]

    (path,) = (store.folder / OPEN).glob("*.jsonl")
    finish(store.folder, path.stem)
    assert found(where, numbers[1]) == ["birds@3"]

    for path in (store.folder / FINISHED).rglob("*.jsonl"):
        path.unlink()  # as too old
    assert found(where, numbers[2]) == [None]


def test_a_flood_of_made_up_ids_is_looked_for_during_a_share_of_the_time_only(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def clock() -> Iterator[float]:
        while True:
            now[0] += 0.01
            yield now[0]

    ticking = clock()
    monkeypatch.setattr(
        lookup, "time", SimpleNamespace(monotonic=lambda: next(ticking), time=lambda: NOON + 1e6)
    )
    real = Writer(store.folder, "0000000a", "birds@3").write(1)
    made_up = Ids(clock=lambda: round(NOON * 1e9)).take(1000)
    where = Lookup([store])

    assert found(where, *real) == ["birds@3"]
    for _ in range(4):
        found(where, *made_up)
    before = store.read_bytes, store.listed
    assert found(where, *real) == [None]  # nothing is left of the time
    assert (store.read_bytes, store.listed) == before
    now[0] += 60
    assert found(where, *real) == ["birds@3"]


def test_what_is_no_record_is_passed_over(store: Counting) -> None:
    numbers = Writer(store.folder, "0000000a", "birds@3").write(2)
    (path,) = (store.folder / FINISHED).rglob("*.jsonl")
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    del lines[0]["model"]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))

    assert found(Lookup([store]), *numbers) == [None, "birds@3"]
