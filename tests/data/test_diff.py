"""What changed between two versions, told by bytes and not by names."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import DataError
from holdfast.core.refs import parse_ref
from holdfast.data import SourceOptions, ingest
from holdfast.data.diff import Diff, diff
from holdfast.testing.toys import write_attributes, write_images


def add(source: Path, root: Path, name: str = "toys", **options: object) -> None:
    ingest(source, root, name, options=SourceOptions(**options), probe=lambda modality, data: {})  # type: ignore[arg-type]


def names(found: Diff, kind: str) -> list[str]:
    return sorted(item if isinstance(item, str) else item["name"] for item in found.to_json()[kind])


def test_each_kind_of_change_is_counted_and_named(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=10), tmp_path / "root"
    add(source, root)
    write_images(tmp_path / "more", per_class=3, seed=5)

    (source / "disc/disc (0).png").unlink()
    (source / "disc/disc (1).png").rename(source / "square/disc (1).png")
    (source / "disc/disc (2).png").rename(source / "disc/other.png")
    shutil.copy(tmp_path / "more/disc/disc (0).png", source / "disc/disc (3).png")
    shutil.copy(tmp_path / "more/disc/disc (1).png", source / "disc/new.png")
    add(source, root)
    found = diff(root, parse_ref("toys@1"), parse_ref("toys@2"))

    assert found.counts() == {
        "added": 2, "removed": 2, "replaced": 1, "relabelled": 1, "regrouped": 0, "moved": 0,
        "renamed": 2, "edited": 0, "quarantined": 0, "released": 0,
    }  # fmt: skip
    assert names(found, "added") == ["disc/disc (3).png", "disc/new.png"]
    assert names(found, "removed") == ["disc/disc (0).png", "disc/disc (3).png"]
    assert names(found, "replaced") == ["disc/disc (3).png"]
    assert names(found, "renamed") == ["disc/other.png", "square/disc (1).png"]
    told = found.to_json()
    assert [(item["before"], item["after"]) for item in told["relabelled"]] == [(["disc"], ["square"])]
    assert told["labels"][0] == {
        "label": "disc", "before": 10, "after": 9, "added": 2, "removed": 2, "gained": 0, "lost": 1,
    }  # fmt: skip
    assert sum(row["after"] for row in told["splits"]) == 20


def test_a_version_does_not_differ_from_itself_and_back_is_the_opposite(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=5), tmp_path / "root"
    add(source, root)
    (source / "disc/disc (0).png").unlink()
    add(source, root)
    one, two = parse_ref("toys@1"), parse_ref("toys@2")

    assert not any(diff(root, one, one).counts().values())
    there, back = diff(root, one, two), diff(root, two, one)
    assert names(there, "removed") == names(back, "added") == ["disc/disc (0).png"]
    assert names(there, "added") == names(back, "removed") == []


def test_groups_splits_and_metadata_are_compared(tmp_path: Path) -> None:
    table = tmp_path / "in/t.csv"
    write_images(tmp_path / "in", per_class=2)
    splits = iter(("train", "valid", "train", "test"))
    rows = [
        (f"{c}/{c} ({n}).png", c, f"g{n}{c}", next(splits), "x") for c in ("disc", "square") for n in (0, 1)
    ]

    def write(rows: list[tuple[str, ...]]) -> None:
        table.write_text("\n".join(["file,label,group,split,note", *(",".join(row) for row in rows)]))

    write(rows)
    add(tmp_path / "in", tmp_path / "root", "one")
    changed = [
        (*rows[0][:2], "other", *rows[0][3:]),
        (*rows[1][:3], "test", "x"),
        (*rows[2][:4], "y"),
        rows[3],
    ]
    write(changed)
    add(tmp_path / "in", tmp_path / "root", "two")
    found = diff(tmp_path / "root", parse_ref("one"), parse_ref("two"))

    assert names(found, "regrouped") == [rows[0][0]]
    assert names(found, "moved") == [rows[1][0]]
    assert names(found, "edited") == [rows[2][0]]
    assert found.moves() == {"valid → test": 1}
    assert sum(found.counts().values()) == 3


def test_many_labels_are_compared_as_sets(tmp_path: Path) -> None:
    write_attributes(tmp_path / "in", samples=12)
    add(tmp_path / "in", tmp_path / "root", "one")
    table = tmp_path / "in/attributes.csv"
    head, *lines = table.read_text().splitlines()
    first = lines[0].split(",")
    first[1] = "0" if first[1] == "1" else "1"
    table.write_text("\n".join([head, ",".join(first), *reversed(lines[1:])]))
    add(tmp_path / "in", tmp_path / "root", "two")

    found = diff(tmp_path / "root", parse_ref("one"), parse_ref("two"))

    assert found.counts()["relabelled"] == 1
    gained = {row["label"]: row["gained"] + row["lost"] for row in found.per_label()}
    assert gained[head.split(",")[1]] == 1
    assert sum(gained.values()) == 1


def test_a_row_more_in_a_table_of_texts_renames_nothing(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"text number {n} is here,{'ab'[n % 2]}" for n in range(8)]
    table.write_text("\n".join(["text,label", *rows]))
    add(table, tmp_path / "root")
    table.write_text("\n".join(["text,label", "a new one above all others,a", *rows]))
    add(table, tmp_path / "root")

    found = diff(tmp_path / "root", parse_ref("toys@1"), parse_ref("toys@2"))

    assert {kind: n for kind, n in found.counts().items() if n} == {"added": 1}


def test_quarantined_samples_are_told(tmp_path: Path) -> None:
    source, root = write_images(tmp_path / "in", per_class=5), tmp_path / "root"
    add(source, root)
    (source / "disc/empty.png").write_bytes(b"")
    add(source, root)

    found = diff(root, parse_ref("toys@1"), parse_ref("toys@2"))

    assert found.counts()["quarantined"] == 1
    assert found.to_json()["quarantined"][0]["name"] == "disc/empty.png"


samples = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(["one", "two"])), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(samples, samples)
def test_copies_count_one_by_one(old: list[tuple[str, str, str]], new: list[tuple[str, str, str]]) -> None:
    """Bytes, name and label of files with many copies, against counting by hand."""
    from holdfast.data.diff import _matched, _paired

    words = {word: place for place, word in enumerate(["a", "b", "c", "x", "y", "z", "one", "two"])}
    sides = [
        np.array([[words[part] for part in row] for row in rows], np.int64).reshape(-1, 3)
        for rows in (old, new)
    ]
    codes = {
        key: (sides[0][:, at], sides[1][:, at]) for key, at in (("digest", 0), ("name", 1), ("labels", 2))
    }
    codes |= {key: tuple(np.zeros(len(side), np.int64) for side in sides) for key in ("group", "split")}

    pairs = _paired(codes)

    both = sum((Counter(row[0] for row in old) & Counter(row[0] for row in new)).values())
    named = sum((Counter(row[:2] for row in old) & Counter(row[:2] for row in new)).values())
    assert len(pairs) == both
    assert all(old[one][0] == new[other][0] for one, other in pairs)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == both
    assert sum(old[one][:2] == new[other][:2] for one, other in pairs) >= named
    mine, theirs = _matched(*codes["name"])
    assert Counter(codes["name"][0][mine]) == Counter(codes["name"][1][theirs])


def test_a_damaged_version_says_what_to_do(tmp_path: Path) -> None:
    add(write_images(tmp_path / "in", per_class=3), tmp_path / "root")
    (tmp_path / "root/toys/versions/1/samples.parquet").write_bytes(b"PAR1")

    with pytest.raises(DataError, match="is damaged") as caught:
        diff(tmp_path / "root", parse_ref("toys"), parse_ref("toys"))
    assert "holdfast data remove toys@1" in (caught.value.hint or "")
