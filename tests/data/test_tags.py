"""Tags name versions everywhere, and the log keeps each move."""

import json
from pathlib import Path

import pytest

from holdfast.core.errors import DataError, RefError
from holdfast.core.refs import parse_ref
from holdfast.data import find_version, ingest, open_version
from holdfast.data.tags import history, read_tags, remove_tag, set_tag
from holdfast.testing.toys import write_texts


def look(modality: str, data: bytes) -> dict[str, int]:
    return {"chars": len(data.decode())}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for count in (6, 8):
        ingest(write_texts(tmp_path / "sea.csv", per_class=count), tmp_path / "root", "sea", probe=look)
    return tmp_path / "root/sea"


def test_a_tag_names_a_version_wherever_a_reference_is_taken(home: Path) -> None:
    done = set_tag(home, "gold", 1, fingerprint="f")

    assert (done.ref, done.previous, done.unchanged) == ("sea@1", None, False)
    assert find_version(home.parent, parse_ref("sea@gold")) == 1
    with open_version(home.parent, parse_ref("sea@gold")) as version:
        assert version.info.version == 1
    assert set_tag(home, "gold", 1, fingerprint="f").unchanged


def test_a_tag_moves_only_by_force_and_the_log_says_from_where(home: Path) -> None:
    set_tag(home, "gold", 1, fingerprint="f")

    with pytest.raises(RefError, match="points to sea@1"):
        set_tag(home, "gold", 2, fingerprint="g")
    moved = set_tag(home, "gold", 2, fingerprint="g", force=True)
    remove_tag(home, "gold")

    assert (moved.ref, moved.previous) == ("sea@2", "sea@1")
    assert read_tags(home) == {}
    told = [(line["event"], line["version"], line["previous"]) for line in history(home).lines()]
    assert told == [("tag", 1, None), ("tag", 2, 1), ("untag", 2, 2)]
    assert history(home).problems() == []


@pytest.mark.parametrize("tag", ["3", "3rd", "latest", "Gold", "a/b", "..", ""])
def test_what_would_mean_something_else_is_no_tag(home: Path, tag: str) -> None:
    with pytest.raises(RefError, match=rf"^{tag!r} can be no tag: ") as told:
        set_tag(home, tag, 1, fingerprint="f")
    assert "a lower-case letter, then" in str(told.value.hint)
    assert not list(home.glob("tags/*.json"))


def test_an_unknown_tag_says_which_there_are(home: Path) -> None:
    set_tag(home, "gold", 1, fingerprint="f")

    with pytest.raises(RefError, match="sea has no tag 'golden'") as caught:
        find_version(home.parent, parse_ref("sea@golden"))
    assert "its tags: gold" in (caught.value.hint or "")
    with pytest.raises(RefError, match="has no tag 'golden'"):
        remove_tag(home, "golden")
    with pytest.raises(RefError, match="there is no sea@7"):
        set_tag(home, "silver", 7, fingerprint="f")


def test_a_kill_between_the_log_and_the_file_is_made_good_by_the_next_change(home: Path) -> None:
    set_tag(home, "gold", 1, fingerprint="f")
    before = (home / "tags/gold.json").read_bytes()
    set_tag(home, "gold", 2, fingerprint="g", force=True)
    (home / "tags/gold.json").write_bytes(before)  # as if killed after the log

    set_tag(home, "silver", 1, fingerprint="f")

    assert read_tags(home) == {"gold": 2, "silver": 1}


def test_a_damaged_tag_says_how_to_set_it_again_and_heals_from_the_log(home: Path) -> None:
    set_tag(home, "gold", 1, fingerprint="f")
    (home / "tags/gold.json").write_text(json.dumps({"version": None}))

    with pytest.raises(DataError, match="is damaged") as caught:
        find_version(home.parent, parse_ref("sea@gold"))
    assert "holdfast data tag sea@N gold" in (caught.value.hint or "")
    assert set_tag(home, "gold", 1, fingerprint="f").unchanged
    assert find_version(home.parent, parse_ref("sea@gold")) == 1
