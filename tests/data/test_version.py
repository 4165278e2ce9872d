"""Fingerprints, and references to versions."""

import hashlib
import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import DataError, InputError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import Version, fingerprint, ingest, list_datasets, open_version, versions_of
from holdfast.testing.toys import write_texts

text = pyarrow.string()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
rows = st.lists(
    st.tuples(
        st.text("0123456789abcdef", max_size=3),
        st.lists(texts, max_size=3),
        texts,
        st.sampled_from(["train", "test"]),
    ),
    max_size=6,
)


def of(found: list[tuple[str, list[str], str, str]]) -> str:
    kinds = {"digest": text, "labels": pyarrow.list_(text), "group": text, "split": text}
    columns = zip(*found, strict=True) if found else [()] * 4
    return fingerprint(
        pyarrow.table({n: pyarrow.array(c, kinds[n]) for n, c in zip(kinds, columns, strict=True)})
    )


@given(rows)
def test_a_fingerprint_is_the_digest_of_sorted_lines_of_json(found) -> None:  # type: ignore[no-untyped-def]
    lines = sorted(json.dumps([digest, sorted(words), group, split]) for digest, words, group, split in found)

    assert of(found) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_samples_and_of_labels_does_not_change_the_fingerprint(found, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = [(d, random.sample(labels, len(labels)), g, s) for d, labels, g, s in found]
    random.shuffle(shuffled)

    assert of(shuffled) == of(found)


@given(rows, rows)
def test_different_content_has_different_fingerprints(one, other) -> None:  # type: ignore[no-untyped-def]
    same = sorted((d, sorted(ls), g, s) for d, ls, g, s in one) == sorted(
        (d, sorted(ls), g, s) for d, ls, g, s in other
    )

    assert (of(one) == of(other)) == same


@pytest.mark.parametrize(
    "other",
    [
        ("ba", ["x"], "g", "train"),
        ("ab", ["y"], "g", "train"),
        ("ab", ["x", "x"], "g", "train"),
        ("ab", ["x"], "h", "train"),
        ("ab", ["x"], "g", "test"),
        ("a", ["bx"], "g", "train"),
        ("ab", ["xg"], "", "train"),
    ],
)
def test_each_part_of_a_sample_counts(other: tuple[str, list[str], str, str]) -> None:
    assert of([("ab", ["x"], "g", "train")]) != of([other])


def look(modality: str, data: bytes) -> dict[str, int]:
    if not data.strip():
        raise InputError("empty text")
    return {"chars": len(data.decode())}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, count in (("sea", 10), ("hills", 12)):
        ingest(write_texts(tmp_path / f"{name}.csv", per_class=count), tmp_path / "root", name, probe=look)
    ingest(write_texts(tmp_path / "sea.csv", per_class=15), tmp_path / "root", "sea", probe=look)
    return tmp_path / "root"


def test_a_reference_opens_the_version_that_it_names(root: Path) -> None:
    with open_version(root, parse_ref("sea")) as latest, open_version(root, parse_ref("sea@1")) as first:
        assert (latest.info.version, len(latest)) == (2, 30)
        assert (first.info.version, len(first)) == (1, 20)
    assert versions_of(root, "sea") == [1, 2]
    assert [(info.name, info.version) for info in list_datasets(root)] == [("hills", 1), ("sea", 2)]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("seas", "there is no dataset 'seas'", "did you mean 'sea'?"),
        ("zoo", "there is no dataset 'zoo'", "there are: hills, sea"),
        ("sea@3", "there is no sea@3", "sea has these versions: 1, 2"),
        ("sea@champion", "sea has no tag 'champion'", "it has no tags"),
    ],
)
def test_a_wrong_reference_says_what_there_is(root: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(RefError) as caught:
        open_version(root, parse_ref(text))

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_an_empty_workspace_says_where_it_is_and_how_to_add_data(tmp_path: Path) -> None:
    with pytest.raises(RefError, match=f"none yet in {tmp_path}/nothing; add one: holdfast data add SOURCE"):
        open_version(tmp_path / "nothing", parse_ref("sea"))


@pytest.mark.parametrize(
    ("how", "why"),
    [("flipped", "other bytes than were stored"), ("empty", "ends too early"), ("missing", "No such file")],
)
def test_a_damaged_sample_is_never_given_out(root: Path, how: str, why: str) -> None:
    (shard,) = (root / "hills/shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[512] ^= 1  # the first byte of the first sample
    if how == "missing":
        shard.unlink()
    else:
        shard.write_bytes(data if how == "flipped" else b"")

    with open_version(root, parse_ref("hills")) as version:
        with pytest.raises(DataError, match=why) as caught:
            version.read(0)
        if how == "flipped":
            assert version.read(1)

    for part in ("hills@1", str(version.names[0]), shard.name):
        assert part in caught.value.message
    assert caught.value.hint == (
        "the shard is damaged; run `holdfast data add SOURCE --name hills --verify` again to restore it"
    )


def test_a_damaged_version_hides_no_other_in_the_list(root: Path) -> None:
    (root / "sea/versions/2/version.json").write_text("{}")

    hills, sea = list_datasets(root)

    assert (hills.name, sea.name, sea.version) == ("hills", "sea", 1)
    assert sea.notes[-1].startswith("version 2 is damaged: ")
    (root / "hills/versions/1/version.json").write_text("not JSON")
    assert [info.name for info in list_datasets(root)] == ["sea"]
    with pytest.raises(DataError, match=r"version.json is damaged"):
        open_version(root, parse_ref("hills"))
    with pytest.raises(RefError, match="there are: hills, sea"):
        open_version(root, parse_ref("zoo"))


def test_a_damaged_store_says_so(root: Path) -> None:
    (root / "sea/versions/2/version.json").write_text("{}")
    with pytest.raises(DataError, match=r"version.json is damaged"):
        open_version(root, parse_ref("sea"))


def test_targets_and_words_agree(root: Path) -> None:
    version: Version
    with open_version(root, parse_ref("hills")) as version:
        for index in range(len(version)):
            (word,) = version.labels_of(index)
            text = version.read(index).decode()
            assert any(term in text for term in {"sea": "wave boat salt tide fish harbour gull sail",
                                                 "hill": "stone path sheep cliff heather slope summit ridge"}[
                word
            ].split())  # fmt: skip
        with pytest.raises(ValueError, match="'dev' is no split"):
            version.indices("dev")
