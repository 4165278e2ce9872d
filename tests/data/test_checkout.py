"""A checkout gives back what was added, and touches nothing that is somebody else's."""

import csv
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import SourceOptions, VersionInfo, ingest, open_version
from holdfast.data.checkout import OWN, CheckedOut, checkout
from holdfast.testing.toys import write_attributes, write_images, write_texts


def add(source: Path, root: Path, **options: object) -> VersionInfo:
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    return ingest(source, root, "toys", options=chosen, probe=lambda modality, data: {})


def take(root: Path, ref: str, folder: Path, *, force: bool = False) -> CheckedOut:
    with open_version(root, parse_ref(ref)) as version:
        return checkout(version, folder, force=force)


def files(folder: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.*")
        if path.is_file()
    }
    return {name: data for name, data in found.items() if not name.startswith(OWN) and name != "samples.csv"}


@pytest.fixture
def store(tmp_path: Path) -> tuple[Path, Path]:
    """Two versions of a folder of pictures: where they are stored, and the folder as it was at last."""
    source, root = write_images(tmp_path / "in", per_class=6), tmp_path / "root"
    add(source, root)
    (source / "disc/disc (0).png").unlink()
    (source / "disc/disc (1).png").write_bytes((source / "square/square (1).png").read_bytes() + b"\0")
    (source / "square/square (0).png").rename(source / "square/renamed.png")
    add(source, root)
    return root, source


def test_files_come_back_byte_for_byte_and_twice_is_no_work(store: tuple[Path, Path], tmp_path: Path) -> None:
    root, source = store

    done = take(root, "toys", tmp_path / "out")
    again = take(root, "toys", tmp_path / "out")

    assert files(tmp_path / "out") == files(source)
    assert (done.written, done.kept, done.removed, done.left) == (11, 0, 0, ())
    assert (again.written, again.kept) == (0, 11)


def test_another_version_replaces_only_what_differs(store: tuple[Path, Path], tmp_path: Path) -> None:
    root, source = store
    take(root, "toys@1", tmp_path / "out")
    kept = tmp_path / "out/square/square (3).png"
    before = kept.stat().st_ino

    done = take(root, "toys@2", tmp_path / "out")

    assert (done.written, done.kept, done.removed) == (2, 9, 2)
    assert kept.stat().st_ino == before
    assert files(tmp_path / "out") == files(source)


def test_what_was_checked_out_gives_the_same_fingerprint_when_it_is_added(tmp_path: Path) -> None:
    write_attributes(tmp_path / "many", samples=20)
    table = tmp_path / "t.csv"
    table.write_text(
        'text,label,note\n"a ""quoted"", line",x,1\n"two\nlines",y,\n=SUM(A1),x,ä\n  spaces ,y,2\n'
    )
    write_images(tmp_path / "folder", per_class=8)
    for source, options in (
        (tmp_path / "many", {"group": "person_id"}),
        (table, {}),
        (tmp_path / "folder", {}),
    ):
        root, out = tmp_path / f"root {source.name}", tmp_path / f"out {source.name}"
        info = add(source, root, **options)

        done = take(root, "toys", out)
        label = ",".join(info.labels) if info.task == "multi" else None
        back = add(out, tmp_path / f"again {source.name}", label=label)

        assert back.fingerprint == info.fingerprint
        assert back.splits == info.splits
        assert done.texts == (4 if source == table else 0)
        assert done.written == (0 if source == table else info.samples)


def labelled(path: Path, columns: str, *rows: str) -> Path:
    path.write_text("\n".join([columns, *(f"text {n},{row}" for n, row in enumerate(rows))]) + "\n")
    return path


def folders(path: Path, *labels: str) -> Path:
    for label in labels:
        (path / label).mkdir(parents=True)
        (path / label / "1.txt").write_text(label)
    return path


@pytest.mark.parametrize(
    ("columns", "rows", "options"),
    [
        ("text,label", ["x", "y"] * 12, {"test_share": 0, "valid_share": 0}),
        ("text,label", ["x", "y"] * 12, {"valid_share": 0}),
        ("text,label,group", ["x,g", "y,g"] * 3, {"group": "group"}),
        ("text,label,group", ["x,g", "y,g"] * 9, {}),
        ("text,label,patient", ["1,x", "2,x", "1,y"] * 8, {"label": "patient"}),
        ("text,file,label_,group", ["1,0,1", "0,1,0"] * 8, {"text": "text", "label": "file,label_,group"}),
        ("text,label,part", ["x,test", "y,test"] * 3, {"split": "part"}),
        (None, [f"label {n}" for n in range(25)], {}),
        (None, ["a", "a ", "NA"], {}),
    ],
)
def test_whatever_the_splits_labels_and_groups_a_checkout_brings_them_back(
    tmp_path: Path, columns: str | None, rows: list[str], options: dict[str, object]
) -> None:
    source = labelled(tmp_path / "t.csv", columns, *rows) if columns else folders(tmp_path / "in", *rows)
    info = add(source, tmp_path / "root", **options)
    take(tmp_path / "root", "toys", tmp_path / "out")

    back = add(tmp_path / "out", tmp_path / "again")

    assert (back.fingerprint, back.splits, back.labels) == (info.fingerprint, info.splits, info.labels)
    assert back.groups == info.groups
    assert add(tmp_path / "out", tmp_path / "root").fingerprint == info.fingerprint
    assert not [note for note in back.notes if "cut from" in note]


def test_metadata_that_is_called_as_our_own_columns_comes_back_under_its_name(tmp_path: Path) -> None:
    rows = [f"{n % 2},{n % 3},{n}" for n in range(20)]
    source = labelled(tmp_path / "t.csv", "text,kind,label_,file", *rows)
    info = add(source, tmp_path / "root", label="kind", text="text")
    take(tmp_path / "root", "toys", tmp_path / "out")

    back = add(tmp_path / "out", tmp_path / "again", time="file_")

    assert back.fingerprint == info.fingerprint
    for root in (tmp_path / "root", tmp_path / "again"):
        with open_version(root, parse_ref("toys")) as version:
            assert [c for c in version.table.column_names if "." in c] == ["meta.label_", "meta.file"]


def test_other_splits_may_be_asked_for_what_was_checked_out(tmp_path: Path) -> None:
    source = labelled(tmp_path / "t.csv", "text,label", *["x", "y"] * 12)
    add(source, tmp_path / "root", test_share=0, valid_share=0)
    take(tmp_path / "root", "toys", tmp_path / "out")

    back = add(tmp_path / "out", tmp_path / "again", ignore=("holdfast_split",))

    assert back.splits["test"] > 0


def test_texts_of_a_table_come_back_in_their_order(tmp_path: Path) -> None:
    source = write_texts(tmp_path / "t.csv", per_class=8)
    add(source, tmp_path / "root")

    take(tmp_path / "root", "toys", tmp_path / "out")

    with source.open(newline="") as one, (tmp_path / "out/samples.csv").open(newline="") as other:
        wanted = [(row["text"], row["label"]) for row in csv.DictReader(one)]
        assert [(row["text"], row["label"]) for row in csv.DictReader(other)] == wanted


def test_other_files_are_never_overwritten_unless_forced(store: tuple[Path, Path], tmp_path: Path) -> None:
    root, source = store
    out = tmp_path / "out"
    (out / "disc").mkdir(parents=True)
    (out / "disc/disc (2).png").write_bytes(b"mine")
    (out / "disc/disc (3).png").write_bytes((source / "disc/disc (3).png").read_bytes())
    (out / "samples.csv").write_text("my own table")
    (out / "notes.txt").write_text("mine too")

    with pytest.raises(DataError, match="2 other files are in the way") as caught:
        take(root, "toys", out)
    assert "'disc/disc (2).png', 'samples.csv'" in caught.value.message
    assert sorted(files(out)) == ["disc/disc (2).png", "disc/disc (3).png", "notes.txt"]
    assert (out / "disc/disc (2).png").read_bytes() == b"mine"

    done = take(root, "toys", out, force=True)

    assert (done.written, done.kept) == (10, 1)
    assert files(out) == {**files(source), "notes.txt": b"mine too"}


def test_a_file_that_was_changed_since_is_somebody_elses(store: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = store[0], tmp_path / "out"
    take(root, "toys@1", out)
    (out / "disc/disc (0).png").write_bytes(b"drawn over")  # not in toys@2
    (out / "disc/disc (1).png").write_bytes(b"drawn over")  # another in toys@2

    with pytest.raises(DataError, match=r"in the way in .*: 'disc/disc \(1\).png'"):
        take(root, "toys@2", out)
    (out / "disc/disc (1).png").unlink()
    done = take(root, "toys@2", out)

    assert done.left == ("disc/disc (0).png",)
    assert (out / "disc/disc (0).png").read_bytes() == b"drawn over"


@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "a/../../out.png", "a/./b.png", "", "a//b.png"]
)
def test_a_name_that_leads_out_is_refused(store: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    path = store[0] / "toys/versions/2/samples.parquet"
    table = parquet.read_table(path)
    names = [name, *table.column("name").to_pylist()[1:]]
    parquet.write_table(
        table.set_column(table.column_names.index("name"), "name", pyarrow.array(names)), path
    )

    with pytest.raises(DataError, match="1 names are no places within a folder"):
        take(store[0], "toys", tmp_path / "deep/out")
    assert not files(tmp_path / "deep")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_that_leads_out_is_refused(store: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/disc").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataError, match="is a link that leads out"):
        take(store[0], "toys", tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_folder_or_a_file_in_the_wrong_place_is_said(store: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "one/disc/disc (2).png").mkdir(parents=True)
    (tmp_path / "one/disc/disc (2).png/x.txt").write_text("mine")
    (tmp_path / "two").mkdir()
    (tmp_path / "two/disc").write_text("mine")

    with pytest.raises(DataError, match="in the way"):
        take(store[0], "toys", tmp_path / "one")
    with pytest.raises(DataError, match="is a file, but must be a folder"):
        take(store[0], "toys", tmp_path / "two")


@pytest.mark.parametrize("fit", [0, 6])
def test_a_full_disk_says_so_and_the_next_run_goes_on(
    store: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: int
) -> None:
    root, source = store
    write, room = os.write, [fit]

    def full(handle: int, data: bytes) -> int:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(DataError, match="No space left on device") as caught:
            take(root, "toys", tmp_path / "out")
    assert "run it again" in (caught.value.hint or "")
    assert all(list(folder.iterdir()) for folder in (tmp_path / "out").glob("[!.]*"))

    done = take(root, "toys", tmp_path / "out")

    assert files(tmp_path / "out") == files(source)
    assert done.written + done.kept == 11
    assert bool(done.kept) == bool(fit)


CHILD = """
import os, signal, sys
from pathlib import Path
from holdfast.core.refs import parse_ref
from holdfast.data import open_version
from holdfast.data.checkout import checkout
root, out, deadly = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
count = 0
def dying(name):
    real = getattr(os, name)
    def call(*args, **named):
        global count
        count += 1
        if count == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    setattr(os, name, call)
for name in ("fsync", "open", "write", "replace", "rename"):
    dying(name)
with open_version(root, parse_ref("toys")) as version:
    print(checkout(version, out))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(("before", "step"), [("nothing", 5), ("another version", 3)])
def test_a_kill_at_any_step_leaves_whole_files_and_nothing_to_clear_up(
    store: tuple[Path, Path], tmp_path: Path, before: str, step: int
) -> None:
    root, source = store
    out = tmp_path / "out"
    old: dict[str, bytes] = {}
    if before == "another version":
        take(root, "toys@1", out)
        old = files(out)
    kills = 0
    while True:
        command = [sys.executable, "-c", CHILD, str(root), str(out), str(step * kills + 1)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        for name, data in files(out).items():
            assert data in (files(source).get(name), old.get(name))

    assert kills >= 4
    assert files(out) == files(source)
    assert sorted(path.name for path in (out / OWN).iterdir() if path.name != ".lock") == ["checkout.parquet"]


def test_names_of_any_depth_come_back_also_beside_others(tmp_path: Path) -> None:
    source, root, out = write_images(tmp_path / "in", per_class=3), tmp_path / "root", tmp_path / "out"
    (source / "disc/a/b").mkdir(parents=True)
    (source / "disc/a/b/deep.png").write_bytes((source / "square/square (1).png").read_bytes() + b"\0")
    add(source, root)
    (out / "disc/mine").mkdir(parents=True)
    (out / "disc/mine/x.txt").write_text("mine")

    done = take(root, "toys", out)

    assert files(out) == {**files(source), "disc/mine/x.txt": b"mine"}
    assert (done.written, done.kept) == (len(files(source)), 0)
    assert take(root, "toys", out).kept == done.written


ODD = {
    b"a/back\\slash.png": b"1",
    b"a/back/slash.png": b"2",
    b"a/\xff\xfe.png": b"3",
    b"a/ space before.png": b"4",
    b'a/quo"te, \xf0\x9f\x90\xb1.png': b"5",
    b"a/new\nline.png": b"6",
    b"b/cafe\xcc\x81.png": b"7",
    b"b/tab\t;=1.png": b"8",
    b"b/\xe9/1.png": b"9",
    b"b/plain.png": b"10",
}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_strange_names_come_back_and_are_found_again(tmp_path: Path) -> None:
    for name, data in ODD.items():
        path = tmp_path / "in" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data * 50)

    first = add(tmp_path / "in", tmp_path / "root")
    take(tmp_path / "root", "toys", tmp_path / "out")
    again = add(tmp_path / "out", tmp_path / "root")

    found = files(tmp_path / "out")
    assert {name: data[: len(data) // 50] for name, data in found.items()} == {
        name.decode("utf-8", "backslashreplace")
        .replace("\\xff", "\\udcff")
        .replace("\\xfe", "\\udcfe")
        .replace("\\xe9", "\\udce9"): data
        for name, data in ODD.items()
    }
    assert (again.fingerprint, again.samples, again.quarantined) == (first.fingerprint, len(ODD), 0)
