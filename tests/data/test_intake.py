"""What goes into the store comes out of it, whole, whatever happens meanwhile."""

import errno
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from holdfast.core.errors import DataError, InputError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import SourceOptions, VersionInfo, ingest, open_version, read_quarantine, versions_of
from holdfast.testing.toys import write_attributes, write_images, write_texts


def look(modality: str, data: bytes) -> Mapping[str, int]:
    if modality == "text":
        return {"chars": len(data.decode())}
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return {"width": image.width, "height": image.height}
    except OSError as error:
        raise InputError("truncated image" if "truncated" in str(error) else "not an image") from error


def add(source: Path, root: Path, *, verify: bool = False, **options: object) -> VersionInfo:
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    return ingest(source, root, "toys", options=chosen, probe=look, verify=verify)


def test_every_sample_comes_back_as_it_was(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=12)

    info = add(source, tmp_path / "root")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        for index in range(len(version)):
            data = version.read(index)
            assert data == (source / version.names[index]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == version.digests[index]
            assert version.labels_of(index) == (version.names[index].split("/")[0],)
        assert version.facts == {"width": [32] * 24, "height": [32] * 24}
        assert list(version.digests) == sorted(version.digests)
    assert info == version.info
    assert (info.samples, info.quarantined, info.labels) == (24, 0, ("disc", "square"))
    assert sum(info.splits.values()) == 24


def test_many_labels_become_rows_of_0_and_1(tmp_path: Path) -> None:
    write_attributes(tmp_path / "in", samples=30)
    lines = (tmp_path / "in/attributes.csv").read_text().splitlines()[1:]
    wanted = {line.split(",")[0]: [int(value) for value in line.split(",")[1:4]] for line in lines}

    info = add(tmp_path / "in", tmp_path / "root", group="person_id")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        assert (info.task, info.labels, version.targets.dtype) == ("multi", ("blue", "green", "red"), np.int8)
        for name, target in zip(version.names, version.targets, strict=True):
            assert target.tolist() == wanted[name.removeprefix("images/")][::-1]
    assert info.groups == 15


def test_the_same_content_is_the_same_version_wherever_it_comes_from(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=5)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in sorted(source.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(source))

    first, again = add(source, tmp_path / "root"), add(source, tmp_path / "root")
    packed, elsewhere = (
        add(tmp_path / "in.zip", tmp_path / "root"),
        add(tmp_path / "in.zip", tmp_path / "other"),
    )

    assert first == again == packed
    assert elsewhere.fingerprint == first.fingerprint
    assert versions_of(tmp_path / "root", "toys") == [1]


def test_one_changed_label_or_byte_changes_the_fingerprint(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=5)
    first = add(source, tmp_path / "root")

    (source / "disc/disc (0).png").rename(source / "square/moved.png")
    second = add(source, tmp_path / "root")
    write_images(tmp_path / "new", per_class=1, seed=7)
    shutil.copy(tmp_path / "new/disc/disc (0).png", source / "disc/disc (1).png")
    third = add(source, tmp_path / "root")

    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert [info.version for info in (first, second, third)] == [1, 2, 3]


def test_added_data_writes_only_its_own_bytes_and_moves_no_sample(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=20)
    add(source, root)
    before = {path.name: path.stat().st_mtime_ns for path in (root / "toys/shards").iterdir()}
    write_images(tmp_path / "more", per_class=5, seed=1)
    for path in (tmp_path / "more").rglob("*.png"):
        shutil.copy(path, source / path.parent.name / f"new {path.name}")

    add(source, root)

    with open_version(root, parse_ref("toys@1")) as old, open_version(root, parse_ref("toys@2")) as new:
        places = dict(zip(new.digests, new.splits, strict=True))
        assert all(places[digest] == split for digest, split in zip(old.digests, old.splits, strict=True))
        assert len(new) == 50
        assert all(hashlib.sha256(new.read(i)).hexdigest() == new.digests[i] for i in range(50))
    after = {path.name: path.stat().st_mtime_ns for path in (root / "toys/shards").iterdir()}
    assert before.items() <= after.items()
    fresh = [root / "toys/shards" / name for name in after.keys() - before.keys()]
    assert sum(path.stat().st_size for path in fresh) < 10 * 8192


def test_copies_are_stored_once_lie_together_and_are_said_aloud_when_labels_differ(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=10)
    for number in range(6):
        shutil.copy(source / "disc/disc (0).png", source / f"square/copy {number}.png")

    info = add(source, tmp_path / "root")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        sides = defaultdict(set)
        for digest, split in zip(version.digests, version.splits, strict=True):
            sides[digest].add(split)
        assert all(len(side) == 1 for side in sides.values())
        places = set(zip(version.digests, version.table.column("offset").to_pylist(), strict=True))
    assert (info.samples, len(places), info.twins) == (26, 20, 0)
    assert "7 samples in 1 group of exact copies stand under different labels" in info.notes[0]


def test_given_splits_are_kept_and_copies_of_training_samples_left_out_of_the_headline(
    tmp_path: Path,
) -> None:
    source = tmp_path / "in"
    write_images(source / "train", per_class=20)
    write_images(source / "test", per_class=5, seed=1)
    shutil.copy(source / "train/disc/disc (3).png", source / "test/disc/again.png")

    info = add(source, tmp_path / "root")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        for name, split in zip(version.names, version.splits, strict=True):
            assert split == "test" if name.startswith("test/") else split in ("train", "valid")
        (twin,) = np.flatnonzero(version.twins)
        assert version.names[twin] == "test/disc/again.png"
        assert len(version.indices("test")) == 11
        assert twin not in version.indices("test", headline=True)
    assert (info.splits, info.twins) == ({"train": 35, "valid": 5, "test": 11}, 1)


def test_broken_files_are_quarantined_with_the_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=5)
    whole = (source / "disc/disc (0).png").read_bytes()
    (source / "disc/empty.png").write_bytes(b"")
    (source / "disc/half.png").write_bytes(whole[: len(whole) // 2])
    (source / "disc/words.png").write_bytes(b"hello")

    info = add(source, tmp_path / "root")

    found = {item.name: item for item in read_quarantine(tmp_path / "root", parse_ref("toys"))}
    assert {name: item.reason for name, item in found.items()} == {
        "disc/empty.png": "empty file",
        "disc/half.png": "truncated image",
        "disc/words.png": "not an image",
    }
    assert found["disc/words.png"].digest == hashlib.sha256(b"hello").hexdigest()
    assert (info.samples, info.quarantined) == (10, 3)
    assert "3 samples cannot be used and are in quarantine" in info.notes[0]


def test_only_broken_files_are_an_error_that_counts_the_reasons(tmp_path: Path) -> None:
    for name, data in {"a/1.png": b"", "a/2.png": b"x", "b/3.png": b"y"}.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)

    with pytest.raises(
        DataError, match="none of 3 samples can be used:\n  2 × not an image\n  1 × empty file"
    ):
        add(tmp_path / "in", tmp_path / "root")
    with pytest.raises(RefError):
        open_version(tmp_path / "root", parse_ref("toys"))


def test_a_label_whose_files_are_all_broken_is_gone(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=5)
    (source / "ghost").mkdir()
    (source / "ghost/1.png").write_bytes(b"x")

    assert add(source, tmp_path / "root").labels == ("disc", "square")


def test_a_new_broken_file_makes_a_new_version_that_lists_it(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=5)
    first = add(source, tmp_path / "root")
    (source / "disc/bad.png").write_bytes(b"x")

    second = add(source, tmp_path / "root")

    assert (second.version, second.quarantined) == (2, 1)
    assert second.fingerprint == first.fingerprint


def test_texts_are_kept_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text,label,source\n" grün ",a,x\nß,b,y\n', encoding="utf-8")

    add(tmp_path / "t.csv", tmp_path / "root")

    with open_version(tmp_path / "root", parse_ref("toys")) as version:
        assert {version.read(i).decode() for i in range(2)} == {" grün ", "ß"}
        assert sorted(version.metadata["source"]) == ["x", "y"]


def test_shares_that_leave_nothing_to_train_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a test share of 0.9 and a validation share of 0.2 cannot be cut"):
        add(write_texts(tmp_path / "t.csv"), tmp_path / "root", test_share=0.9, valid_share=0.2)


CHILD = """
import functools, os, signal, sys
from pathlib import Path
from holdfast.data import intake as module
source, root, deadly = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
module.write_shards = functools.partial(module.write_shards, target_bytes=20_000)
flush, count = os.fsync, 0
def fsync(handle):
    global count
    count += 1
    if count == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(handle)
os.fsync = fsync
print(module.ingest(source, root, "toys", probe=lambda modality, data: {}).fingerprint)
"""


def child(source: Path, root: Path, deadly: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(source), str(root), str(deadly)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_at_any_flush_to_disk_loses_nothing(tmp_path: Path) -> None:
    source, root = write_texts(tmp_path / "t.csv", per_class=60), tmp_path / "root"
    undisturbed = ingest(source, tmp_path / "calm", "toys", probe=look)

    kills = 0
    while True:
        process = child(source, root, deadly=kills // 2 + 1)  # each moment twice: once from what it left
        out, err = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, err
        kills += 1
        for number in versions_of(root, "toys"):  # a reader sees a whole version or none
            with open_version(root, parse_ref(f"toys@{number}")) as version:
                assert version.info.fingerprint == undisturbed.fingerprint

    assert kills >= 10
    assert out.strip() == undisturbed.fingerprint
    with open_version(root, parse_ref("toys@1")) as version:
        used = set(version.table.column("shard").to_pylist())
        assert all(hashlib.sha256(version.read(i)).hexdigest() == version.digests[i] for i in range(120))
    assert {path.stem for path in (root / "toys/shards").iterdir()} == used
    assert [path.name for path in (root / "toys/versions").iterdir()] == ["1"]


def test_whole_shards_of_a_killed_run_are_used_and_others_are_removed(tmp_path: Path) -> None:
    root, shards = tmp_path / "root", tmp_path / "root/toys/shards"
    source = write_images(tmp_path / "in", per_class=5)
    add(source, root)
    shutil.rmtree(root / "toys/versions")  # as if killed before the version
    (used,) = shards.iterdir()
    before = used.stat().st_mtime_ns
    (shards / ("0" * 64 + ".tar")).write_bytes(b"from another run, and damaged")

    add(source, root)

    assert [path.name for path in shards.iterdir()] == [used.name]
    assert used.stat().st_mtime_ns == before


def test_two_at_once_both_end_well(tmp_path: Path) -> None:
    one, other = write_texts(tmp_path / "1.csv", per_class=40), write_texts(tmp_path / "2.csv", per_class=60)

    processes = [child(source, tmp_path / "root") for source in (one, one, other)]
    results = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert results[0][0] == results[1][0]
    assert versions_of(tmp_path / "root", "toys") == [1, 2]


def test_other_shares_for_samples_that_have_splits_are_said_not_to_be_applied(tmp_path: Path) -> None:
    root, source = tmp_path / "root", write_texts(tmp_path / "t.csv", per_class=50)
    first = add(source, root)
    note = (
        "samples keep the splits that they have; the shares asked for were not applied (use another --name)"
    )

    assert add(source, root, test_share=0.5) == first.__class__(
        **{**first.__dict__, "notes": (*first.notes, note)}
    )
    assert note in add(source, root, valid_share=0.3).notes
    assert add(source, root, test_share=0.22) == first
    write_texts(source, per_class=60)
    assert note not in add(source, root, test_share=0.5).notes


def test_shares_that_the_source_does_not_allow_are_no_news(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=2)

    assert add(source, tmp_path / "root") == add(source, tmp_path / "root")


def test_an_error_says_what_was_left_out_before_it(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=4)
    for path in (source / "disc").iterdir():
        path.write_bytes(b"GIF89a rubbish")

    with pytest.raises(DataError, match="only one label, 'square'") as caught:
        add(source, tmp_path / "root")

    assert "4 samples cannot be used: not an image (4)" in caught.value.message
    assert "add a folder" in (caught.value.hint or "")


def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, source = tmp_path / "root", write_images(tmp_path / "in", per_class=4)
    first = add(source, root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    write_images(tmp_path / "in", per_class=6, seed=1)

    def full(file: object, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.data.shards._write_all", full)
        with pytest.raises(DataError, match="No space left"):
            add(source, root)

    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert add(source, root).version == first.version + 1


def test_a_link_in_a_class_to_another_class_takes_nothing_from_it(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=6)
    (source / "square").rename(source / "square 2")
    (source / "disc/sub").symlink_to("../square 2", target_is_directory=True)

    info = add(source, tmp_path / "root")

    assert (info.samples, info.labels) == (12, ("disc", "square 2"))
    assert any("'disc/sub -> square 2'" in note for note in info.notes)


def test_a_store_within_the_source_is_no_sample_of_it(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=6)

    first = add(source, source / "store/datasets")
    second = add(source, source / "store/datasets")

    assert second == first


def test_a_source_that_lacks_samples_of_the_latest_version_is_said_to(tmp_path: Path) -> None:
    source = write_images(tmp_path / "in", per_class=12)
    add(source, tmp_path / "root")
    for path in sorted((source / "disc").iterdir())[:7]:
        path.unlink()

    note = "7 of 24 samples of toys@1 are gone; `holdfast data diff toys@1 toys@2` shows them"
    assert note in add(source, tmp_path / "root").notes
