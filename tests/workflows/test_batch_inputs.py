"""Versions, lists, archives and buckets are predicted as folders are."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.errors import HoldfastError
from tests.batches import LABELS, rows, run
from tests.journey import answer
from tests.servers import BUCKET, put_files, s3_server


def test_a_version_and_its_splits_are_predicted(lab: Path, tmp_path: Path) -> None:
    by_digest = {row["digest"]: row["p.disc"] for row in rows(lab / "preds")}

    run(lab, tmp_path / "all", "shapes")
    test = run(lab, tmp_path / "test", "shapes@1:test")

    told = rows(tmp_path / "all")
    assert len(told) == 140
    assert all(row["p.disc"] == pytest.approx(by_digest[row["digest"]], abs=1e-6) for row in told)
    assert 0 < test["predicted"] == len(rows(tmp_path / "test")) < 140
    assert {row["name"] for row in rows(tmp_path / "test")} < {row["name"] for row in told}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.png", "no such file or dataset: nowhere.png"),
        ("shapes@9", "there is no shapes@9"),
        ("shapes:tset", "'tset' is no split"),
        ("@nothing.txt", "cannot read the list"),
        ("ftp://host/folder", "no address"),
        ("https://ann:pass@host/folder", "holds credentials"),
        ("s3://bucket/all.zip", "cannot be read in place"),
        ("table.csv", "is a table"),
        ("empty", "nothing to predict"),
    ],
)
def test_a_source_that_cannot_be_read_is_told_with_what_to_do(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("file,label\n")
    Path("empty").mkdir()

    with pytest.raises(HoldfastError) as caught:
        run(lab, tmp_path / "out", source)

    assert message in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_list_names_files_in_its_own_order(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab)
    names = ["shapes/square/square (3).png", "shapes/disc/disc (1).png", "shapes/gone.png", "no/where.png"]
    (tmp_path / "list.txt").write_text("\n".join([*names, "", ""]))

    run(lab, tmp_path / "out", f"@{tmp_path / 'list.txt'}")

    told = rows(tmp_path / "out")
    assert [row["name"] for row in told] == names
    assert [bool(row["error"]) for row in told] == [False, False, True, True]


def test_an_archive_is_read_in_place(lab: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", lab / "shapes")

    run(lab, tmp_path / "out", archive)

    told, known = rows(tmp_path / "out"), rows(lab / "preds")
    assert told[0]["name"] == f"{archive}/disc/broken.png"
    assert [row["p.disc"] for row in told] == [row["p.disc"] for row in known]


def test_an_archive_without_its_end_is_told_or_refused(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("holdfast.workflows.batch_inputs.say", said.append)
    whole = Path(shutil.make_archive(str(tmp_path / "few"), "tar", lab / "shapes/square")).read_bytes()
    content = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    (tmp_path / "few.tar").write_bytes(whole[:content])
    (tmp_path / "cut.tar").write_bytes(whole[: content // 2 + 100])

    run(lab, tmp_path / "out", str(tmp_path / "few.tar"))
    with pytest.raises(HoldfastError, match="damaged archive"):
        run(lab, tmp_path / "none", str(tmp_path / "cut.tar"))

    assert len(rows(tmp_path / "out")) == len(list((lab / "shapes/square").iterdir()))
    assert "has no mark at its end" in said[0]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs", reason="needs s3fs")
    pytest.importorskip("moto", reason="needs moto")
    with s3_server(monkeypatch):
        yield f"s3://{BUCKET}"


def test_a_bucket_gives_what_its_files_give_here(lab: Path, tmp_path: Path, bucket: str) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in (lab / "shapes/disc").glob("*0).png"):
        shutil.copy(path, few)
    put_files(f"{bucket}/few", few)
    one = sorted(path.name for path in few.iterdir())[0]

    run(lab, tmp_path / "here", str(few))
    run(lab, tmp_path / "there", f"{bucket}/few")
    run(lab, tmp_path / "one", f"{bucket}/few/{one}", f"{bucket}/few/none.png")

    here, there = rows(tmp_path / "here"), rows(tmp_path / "there")
    assert [row["name"] for row in there] == [f"{bucket}/few/{Path(row['name']).name}" for row in here]
    assert [row["p.disc"] for row in there] == [row["p.disc"] for row in here]
    assert [row["error"] for row in rows(tmp_path / "one")] == [None, "cannot be read: it is not there"]


def test_a_few_of_a_version_are_told_at_once(lab: Path) -> None:
    told = answer("predict", str(lab / "toy"), "shapes@1:valid", home=lab / "home")["predictions"]

    assert told
    assert all(item["label"] in LABELS for item in told)
