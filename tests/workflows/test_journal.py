"""A journal becomes Parquet or a dataset, and nothing in it is lost or doubled on the way."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from holdfast.bundle import open_bundle
from holdfast.core.errors import DataError
from holdfast.monitor.segments import records_in
from holdfast.monitor.stores import Folder, open_store
from holdfast.serve.engine import Engine
from holdfast.serve.journal import Journal
from holdfast.testing.bundles import toy_bundle, toy_item
from holdfast.workflows import journal_parquet
from holdfast.workflows.journal import journal_compact, journal_export, journal_prune, journal_show
from tests.journals import Source, settings
from tests.journey import holdfast

DAY_S = 86400


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("toy") / "bundle"
    it = Engine(open_bundle(toy_bundle(folder, labels=("heron", "gull", "owl"))), threads=1)
    yield it
    it.close()


class Kept:
    """A journal of some days, as servers leave it: `count` predictions each, and what was said."""

    def __init__(self, where: Path, engine: Engine) -> None:
        self.where, self.source = where, Source(engine)
        self.now = 1_800_000_000.0
        self.ids: list[str] = []

    def day(
        self, count: int = 3, data: bytes = b"GIF8", truths: dict[int, list[str] | None] | None = None
    ) -> None:
        self.source.ids._clock = lambda: int(self.now * 1e9)
        journal = Journal(settings(where=self.where, inputs=1.0), clock=lambda: self.now)
        self.ids += self.source.note(journal, count, data)
        for place, labels in (truths or {}).items():
            (number,) = self.source.ids.take(1)
            record = {"kind": "feedback", "id": number, "prediction": self.ids[place], "labels": labels}
            journal.add({**record, "time": "2027-01-15T08:00:00.000+00:00"})
        journal.close()
        self.now += DAY_S


@pytest.fixture
def kept(tmp_path: Path, engine: Engine) -> Kept:
    return Kept(tmp_path / "kept", engine)


def rows(where: Path, kind: str = "predictions") -> list[dict[str, Any]]:
    found = [path for path in sorted(where.glob("parquet/*/*.parquet")) if path.name.startswith(kind)]
    return [row for path in found for row in pq.read_table(path).to_pylist()]


def test_the_newest_are_shown_with_what_was_said_of_them(kept: Kept) -> None:
    kept.day(truths={0: ["gull"], 1: ["owl"]})
    kept.day(truths={1: ["heron"], 4: ["owl"]})
    kept.day(truths={4: None})

    shown = journal_show(str(kept.where), limit=8)

    assert [it["id"] for it in shown] == kept.ids[:0:-1]
    assert {it["id"]: it["truth"]["labels"] for it in shown if it["truth"]} == {kept.ids[1]: ["heron"]}


def test_only_the_newest_segments_are_read_to_show_a_few(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        kept.day(2)
    read: list[str] = []
    plain = Folder.read

    def noted(self: Folder, path: str, offset: int = 0, length: int | None = None) -> bytes:
        data = plain(self, path, offset, length)
        read.append(path)
        return data

    monkeypatch.setattr(Folder, "read", noted)

    assert len(journal_show(str(kept.where), limit=2)) == 2
    assert len(read) == 1


def test_finished_segments_become_parquet(kept: Kept) -> None:
    kept.day(truths={0: ["gull"]})
    kept.day(2)
    before = journal_show(str(kept.where))[::-1]

    done = journal_compact(str(kept.where))

    assert done == {"segments": 2, "predictions": 5, "feedback": 1, "torn": 0}
    found = rows(kept.where)
    assert [row["id"] for row in found] == kept.ids
    for row, record in zip(found, before, strict=True):
        assert dict(row["probabilities"]) == record["probabilities"]
        assert row["time"].isoformat(timespec="milliseconds") == record["time"]
        assert row["input"] == record["input"]
        assert row["embedding"] == pytest.approx(record["embedding"])
        for key in ("model", "digest", "task", "name", "labels", "uncertainty", "seconds"):
            assert row[key] == record[key]
    assert [row["truth"]["labels"] for row in found if row["truth"]] == [["gull"]]
    assert [row["prediction"] for row in rows(kept.where, "feedback")] == [kept.ids[0]]
    assert not list(kept.where.glob("segments/*/*.jsonl"))
    assert len(list(kept.where.glob("segments/*/*.tar"))) == 2


def test_again_it_does_nothing_and_later_words_count(kept: Kept, tmp_path: Path) -> None:
    kept.day(truths={0: ["gull"]})
    journal_compact(str(kept.where))
    first = sorted(kept.where.rglob("*.parquet"))

    assert journal_compact(str(kept.where))["segments"] == 0
    assert sorted(kept.where.rglob("*.parquet")) == first
    kept.day(1, truths={0: ["owl"], 1: ["heron"]})
    result = journal_export(str(kept.where), tmp_path / "out")

    assert result["samples"] == 2
    table = list(csv.DictReader((tmp_path / "out" / "labels.csv").open()))
    assert [(row["id"], row["label"]) for row in table] == [(kept.ids[0], "owl"), (kept.ids[1], "heron")]


@pytest.mark.parametrize("step", range(6))
def test_killed_anywhere_and_run_again_it_loses_and_doubles_nothing(
    kept: Kept, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.day(truths={0: ["gull"]})
    kept.now -= DAY_S - 60  # two segments of one day
    kept.day(2, truths={1: ["owl"]})
    left = [step]

    def deadly(method: str) -> Any:
        plain = getattr(Folder, method)

        def call(self: Folder, *given: Any) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            plain(self, *given)

        return call

    with monkeypatch.context() as patch:
        for method in ("put", "remove"):
            patch.setattr(Folder, method, deadly(method))
        if step < 4:
            with pytest.raises(KeyboardInterrupt):
                journal_compact(str(kept.where))
        else:
            journal_compact(str(kept.where))
    if step == 1:
        kept.now -= DAY_S - 120
        kept.day(1)  # the next run finds another set of segments

    journal_compact(str(kept.where))

    assert [row["id"] for row in rows(kept.where)] == kept.ids
    assert len(rows(kept.where, "feedback")) == 2
    assert not list(kept.where.glob("segments/*/*.jsonl"))


def test_what_is_young_is_left_and_many_lines_become_several_files(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        kept.day(2)
    monkeypatch.setattr(journal_parquet, "_PIECE_BYTES", 100)
    monkeypatch.setattr("time.time", lambda: kept.now)

    assert journal_compact(str(kept.where), days=1.5)["segments"] == 2
    assert len(list(kept.where.rglob("predictions-*.parquet"))) == 2
    assert len(journal_show(str(kept.where))) == 2


def test_lines_that_were_cut_short_are_counted_and_doubled_ones_are_one(kept: Kept) -> None:
    kept.day(2)
    (path,) = kept.where.glob("segments/*/*.jsonl")
    data = path.read_bytes()
    path.write_bytes(data + data[:300])
    assert records_in(path.read_bytes())[1] == 1
    path.write_bytes(data + data + data[:300])

    assert journal_compact(str(kept.where)) == {"segments": 1, "predictions": 2, "feedback": 0, "torn": 1}


def test_what_people_labelled_becomes_a_dataset(kept: Kept, tmp_path: Path) -> None:
    kept.day(3, data=toy_item("image", 1), truths={0: ["gull"], 1: ["owl"]})

    result = journal_export(str(kept.where), tmp_path / "out")

    assert result["samples"] == 2
    assert result["left_out"] == {"not labelled": 1, "no input": 0}
    assert (tmp_path / "out/files" / f"{kept.ids[0]}.png").read_bytes() == toy_item("image", 1)
    table = list(csv.DictReader((tmp_path / "out" / "labels.csv").open()))
    assert [(row["file"], row["label"], row["predicted"]) for row in table] == [
        (f"files/{kept.ids[0]}.png", "gull", "heron"),
        (f"files/{kept.ids[1]}.png", "owl", "heron"),
    ]


def test_what_nobody_gave_of_many_labels_is_0(kept: Kept, tmp_path: Path) -> None:
    kept.day(2, truths={0: ["gull"], 1: []})
    (path,) = kept.where.glob("segments/*/*.jsonl")
    path.write_text(path.read_text().replace('"task":"single"', '"task":"multi"'))

    journal_export(str(kept.where), tmp_path / "out")

    table = list(csv.DictReader((tmp_path / "out" / "labels.csv").open()))
    assert [(row["heron"], row["gull"], row["owl"]) for row in table] == [("0", "1", "0"), ("0", "0", "0")]


def test_a_journal_of_one_label_is_said_to_make_no_dataset(kept: Kept, tmp_path: Path) -> None:
    kept.day(truths={0: ["gull"]})

    one = holdfast("journal", "export", str(kept.where), str(tmp_path / "out"), home=tmp_path).stdout
    kept.day(truths={3: ["owl"]})
    two = holdfast("journal", "export", str(kept.where), str(tmp_path / "out"), home=tmp_path).stdout

    assert "! 'gull' is the only label so far" in one
    assert "so far" not in two


def test_labels_of_predictions_that_are_elsewhere_are_counted(kept: Kept, tmp_path: Path) -> None:
    kept.day(1, truths={0: ["gull"]})
    (path,) = kept.where.glob("segments/*/*.jsonl")
    lines = path.read_text().splitlines()
    other = json.loads(lines[1]) | {"prediction": "01a1ffe2-9502-7000-8004-740199929562"}
    path.write_text("\n".join([*lines, json.dumps(other)]) + "\n")

    assert journal_export(str(kept.where), tmp_path / "out")["labels_without_prediction"] == 1


def test_without_labels_there_is_nothing_to_export(kept: Kept, tmp_path: Path) -> None:
    kept.day()

    with pytest.raises(DataError, match="3 without a label") as caught:
        journal_export(str(kept.where), tmp_path / "out")

    assert "/review" in (caught.value.hint or "")


def test_several_models_are_exported_one_by_one(kept: Kept, tmp_path: Path) -> None:
    kept.day(truths={0: ["gull"]})
    name, kept.source.live.ref = kept.source.live.ref, "others@1"
    kept.day(truths={3: ["owl"]})
    kept.source.live.ref = name

    with pytest.raises(DataError, match="several models: others, ") as caught:
        journal_export(str(kept.where), tmp_path / "out")
    result = journal_export(str(kept.where), tmp_path / "out", model="others")

    assert "--model others" in (caught.value.hint or "")
    assert (result["samples"], result["left_out"]["of other models"]) == (1, 1)
    assert "owl" in (tmp_path / "out/labels.csv").read_text()
    assert len(list((tmp_path / "out/files").iterdir())) == 1


def test_a_row_never_has_two_labels_for_one(kept: Kept, tmp_path: Path) -> None:
    kept.day(truths={0: ["gull"], 1: ["gull", "owl"]})

    result = journal_export(str(kept.where), tmp_path / "out")

    assert (result["samples"], result["left_out"]["not one label"]) == (1, 1)


def test_old_days_are_removed_compacted_or_not(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.day(truths={0: ["gull"]})
    kept.day()
    journal_compact(str(kept.where))
    kept.day()
    monkeypatch.setattr("time.time", lambda: kept.now)

    assert len(journal_prune(str(kept.where), days=2)["removed"]) == 3  # predictions, labels, inputs
    assert [row["id"] for row in rows(kept.where)] == kept.ids[3:6]
    assert len(journal_prune(str(kept.where), days=0)["removed"]) == 4


def test_where_there_is_no_journal_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no journal in"):
        journal_show(str(tmp_path))


def test_a_bucket_is_compacted_as_a_folder_is(kept: Kept) -> None:
    kept.day(truths={0: ["gull"]})
    bucket = open_store("memory://journal")
    for path in Folder(kept.where).sizes(""):
        bucket.put(path, kept.where / path)

    assert journal_compact("memory://journal")["predictions"] == 3
    assert [it["id"] for it in journal_parquet.compacted(bucket, "predictions")] == kept.ids
    assert journal_prune("memory://journal", days=1)["removed"] == []  # of a day to come
