"""A journal lies in a folder or in a bucket, and readers see no difference."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.errors import ConfigError
from holdfast.monitor.journal import records_of
from holdfast.monitor.stores import Store, is_remote, open_store
from holdfast.serve.engine import Engine
from holdfast.serve.journal import Journal
from holdfast.testing.bundles import toy_bundle
from holdfast.testing.proxy import Fault
from tests.journals import Source, settings, wait_for
from tests.servers import BUCKET, s3_server


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "kept") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_what_is_put_is_listed_read_in_parts_and_removed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")

    store.put("segments/2026-01-01/a.jsonl", tmp_path / "file")
    store.put("parquet/b.parquet", tmp_path / "file")

    assert store.sizes("segments") == {"segments/2026-01-01/a.jsonl": 10}
    assert store.read("segments/2026-01-01/a.jsonl") == b"0123456789"
    assert store.read("segments/2026-01-01/a.jsonl", 3, 4) == b"3456"
    assert store.read("segments/2026-01-01/a.jsonl", offset=8) == b"89"
    store.remove("segments/2026-01-01/a.jsonl")
    store.remove("segments/2026-01-01/a.jsonl")  # as another server may have
    assert store.sizes("segments") == {}
    with pytest.raises(FileNotFoundError):
        store.read("segments/2026-01-01/a.jsonl")


def test_what_is_not_there_is_empty(store: Store) -> None:
    assert store.sizes("segments") == {}


def test_a_bucket_that_nothing_here_opens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ConfigError) as caught:
        open_store("s3://bucket/journal")

    assert caught.value.hint == "pip install 'holdfast[s3]'"


def test_places_of_this_machine_are_told_from_buckets() -> None:
    assert [is_remote(it) for it in ("./a", "C:/a", "file:///a", "s3://a", "gs://a/b")] == [False] * 3 + [
        True
    ] * 2


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    engine = Engine(_bundle(tmp_path), threads=1)
    yield Source(engine)
    engine.close()


def _bundle(folder: Path) -> object:
    from holdfast.bundle import open_bundle

    return open_bundle(toy_bundle(folder / "bundle", labels=("heron", "gull", "owl")))


@pytest.mark.slow
def test_a_journal_moves_to_s3_also_after_s3_was_gone(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.serve.mover._FIRST_WAIT_S", 0.1)
    with s3_server(monkeypatch) as proxy:
        where = f"s3://{BUCKET}/journal"
        journal = Journal(settings(where=where, spool=tmp_path / "spool", segment_s=0.05, inputs=1.0))
        proxy.faults.append(Fault("PUT", "journal/", status=503, times=10**9).of_s3("SlowDown"))
        ids = source.note(journal, 5)
        wait_for(lambda: journal.counts()["remote_fault"])
        assert journal.counts()["written"] == 5
        ids += source.note(journal, 5)
        proxy.faults.clear()
        wait_for(lambda: journal.counts()["moved"] >= 4)
        journal.close()

        assert sorted(record["id"] for record in records_of([open_store(where)])) == ids
        assert journal.counts()["lost"] == 0
