"""Versions go to a remote and come back whole, whatever the remote and the way there do."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import open_version, versions_of
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.data.remote import open_remote
from holdfast.testing.proxy import Proxy
from tests.servers import BUCKET, store

SEA = parse_ref("sea")


@pytest.fixture(params=["folder", "s3", "gs"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "far")
    request.getfixturevalue({"s3": "s3", "gs": "gcs"}[request.param])
    return f"{request.param}://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def where(s3: Proxy, tmp_path: Path) -> str:
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return store(tmp_path / "here")


def samples(root: Path, ref: str = "sea") -> tuple[str, list[bytes]]:
    with open_version(root, parse_ref(ref)) as version:
        return version.info.fingerprint, [version.read(index) for index in range(len(version))]


def test_what_was_pushed_is_pulled_with_its_number_and_fingerprint(
    root: Path, anywhere: str, tmp_path: Path
) -> None:
    store(tmp_path / "here", versions=2)

    pushed = [push(root, parse_ref(f"sea@{number}"), anywhere) for number in (1, 2)]
    pulled = pull(tmp_path / "home", SEA, anywhere)

    assert [(it.ref, it.new, it.copied) for it in pushed] == [("sea@1", True, 1), ("sea@2", True, 1)]
    assert (pulled.ref, pulled.new, pulled.shards, pulled.copied) == ("sea@2", True, 2, 2)
    assert samples(tmp_path / "home") == samples(root)


def test_what_is_there_is_not_copied_again(root: Path, anywhere: str, tmp_path: Path) -> None:
    push(root, SEA, anywhere)
    pull(tmp_path / "home", SEA, anywhere)

    again = push(root, SEA, anywhere), pull(tmp_path / "home", SEA, anywhere)

    assert [(it.new, it.copied, it.copied_bytes) for it in again] == [(False, 0, 0)] * 2


def test_a_remote_is_laid_out_as_a_store_here(root: Path, where: str) -> None:
    push(root, SEA, where)

    there, here = open_remote(where).sizes("sea"), open_remote(root).sizes("sea")

    assert {k: v for k, v in there.items() if not k.startswith(".")} == {
        k: v for k, v in here.items() if not k.startswith((".", "scans"))
    }


def test_a_bucket_gets_the_shards_first_and_what_shows_the_version_last(
    s3: Proxy, root: Path, where: str
) -> None:
    s3.seen.clear()

    push(root, SEA, where)

    written = [path.rpartition("/")[2].rpartition(".")[0] for method, path in s3.seen if method == "PUT"]
    assert written[1:] == ["samples", "quarantine", "version"]
    assert len(written[0]) == 64


def test_a_number_is_not_given_twice(root: Path, anywhere: str, tmp_path: Path) -> None:
    push(root, SEA, anywhere)
    other = store(tmp_path / "other", seed=1)

    with pytest.raises(
        DataError, match=r"has another sea@1 than this workspace: fingerprint \w{12} there"
    ) as told:
        push(other, SEA, anywhere)
    with pytest.raises(DataError, match=r"this workspace has another sea@1 than .*: fingerprint") as pulled:
        pull(other, SEA, anywhere)

    assert "--home FOLDER" in str(told.value.hint)
    assert "--home FOLDER" in str(pulled.value.hint)
    assert samples(other) != samples(root)


def test_a_lazy_version_reads_its_samples_from_the_remote(root: Path, anywhere: str, tmp_path: Path) -> None:
    push(root, SEA, anywhere)

    pulled = pull(tmp_path / "home", SEA, anywhere, lazy=True)

    assert (pulled.new, pulled.copied) == (True, 0)
    assert samples(tmp_path / "home") == samples(root)
    assert not list((tmp_path / "home/sea").glob("shards/*"))


def test_a_lazy_version_becomes_whole_when_it_is_pulled_again(root: Path, where: str, tmp_path: Path) -> None:
    push(root, SEA, where)
    pull(tmp_path / "home", SEA, where, lazy=True)
    samples(tmp_path / "home")

    pulled = pull(tmp_path / "home", SEA, where)

    assert (pulled.new, pulled.copied) == (False, 1)
    assert not list((tmp_path / "home/sea/blocks").glob("[0-9a-f]*"))
    assert samples(tmp_path / "home") == samples(root)


def test_a_dataset_or_version_that_is_not_there_is_named(root: Path, where: str, tmp_path: Path) -> None:
    with pytest.raises(RefError, match="there is no dataset 'sea' at"):
        pull(tmp_path / "home", SEA, where)
    push(root, SEA, where)
    with pytest.raises(RefError, match="there is no sea@4 at") as told:
        pull(tmp_path / "home", parse_ref("sea@4"), where)

    assert told.value.hint == "it has these versions: 1"
    assert versions_of(tmp_path / "home", "sea") == []


def test_a_damaged_shard_is_not_pushed(root: Path, tmp_path: Path) -> None:
    where = tmp_path / "far"
    shard = next((root / "sea/shards").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")

    with pytest.raises(DataError, match="is damaged: its bytes are not what its name says") as told:
        push(root, SEA, where)

    assert open_remote(where).sizes("sea/versions") == {}
    assert "`holdfast data add SOURCE --name sea --verify`" in str(told.value.hint)


def test_a_damaged_shard_is_not_pulled(root: Path, tmp_path: Path) -> None:
    push(root, SEA, tmp_path / "far")
    shard = next((tmp_path / "far/sea/shards").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")

    with pytest.raises(DataError, match="is damaged: its bytes are not what its name says"):
        pull(tmp_path / "home", SEA, tmp_path / "far")

    assert versions_of(tmp_path / "home", "sea") == []
    assert [path.name for path in (tmp_path / "home/sea").rglob("*") if path.is_file()] == [".lock"]


def test_a_manifest_that_was_changed_is_not_pulled(root: Path, tmp_path: Path) -> None:
    push(root, SEA, tmp_path / "far")
    path = tmp_path / "far/sea/versions/1/version.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "0" * 64}))

    with pytest.raises(DataError, match="its manifest is not what its fingerprint says"):
        pull(tmp_path / "home", SEA, tmp_path / "far")

    assert versions_of(tmp_path / "home", "sea") == []


def test_a_full_disk_is_told_and_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    push(root, SEA, tmp_path / "far")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(DataError, match="further: No space left on device"):
        push(root, SEA, tmp_path / "further")
    with pytest.raises(DataError, match="sea: No space left on device"):
        pull(tmp_path / "home", SEA, tmp_path / "far")

    assert versions_of(tmp_path / "home", "sea") == []
    assert [path.name for path in (tmp_path / "home/sea").rglob("*") if path.is_file()] == [".lock"]


def test_a_bucket_needs_no_prefix(s3: Proxy, root: Path, tmp_path: Path) -> None:
    push(root, SEA, f"s3://{BUCKET}")

    assert pull(tmp_path / "home", SEA, f"s3://{BUCKET}/").new


def test_equal_content_in_other_shards_is_the_same_version(root: Path, where: str, tmp_path: Path) -> None:
    push(root, SEA, where)
    twin = tmp_path / "twin"
    shutil.copytree(root, twin)
    info = twin / "sea/versions/1/version.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"created": "2020-01-01T00:00:00+00:00"}))

    assert not push(twin, SEA, where).new
    assert not pull(twin, SEA, where).new


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://key:secret@bucket/x", "'s3://***@bucket/x' holds credentials"),
        ("s3://", "names no bucket"),
        ("ftp://host/x", "is no remote"),
    ],
)
def test_what_is_no_remote_is_told(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("*", r"\*")) as told:
        open_remote(text)

    assert "secret" not in str(told.value)


def test_the_stores_own_folder_is_no_remote(root: Path) -> None:
    with pytest.raises(DataError, match="is this workspace's own store"):
        push(root, SEA, root)
