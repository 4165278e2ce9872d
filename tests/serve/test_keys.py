"""API keys, their file, and a server's view of it."""

import asyncio
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import ConfigError
from holdfast.serve import keys
from holdfast.serve.keys import Key, KeyFile, new_key, read_keys, write_keys


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_EVERY_S", 0.0)


def found(file: KeyFile, given: str) -> str | None:
    key = asyncio.run(file.find(given.encode()))
    return key and key.name


def test_a_key_is_random_and_can_be_recognised() -> None:
    made = {new_key("ann")[0] for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch(r"holdfast_[A-Za-z0-9]{40}", key) for key in made)


def test_the_file_does_not_hold_the_key(tmp_path: Path) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "keys.json", [kept])

    text = (tmp_path / "keys.json").read_text()

    assert key not in text
    assert key.removeprefix("holdfast_")[:8] not in text
    assert read_keys(tmp_path / "keys.json") == (kept,)


def test_a_file_knows_its_keys_and_no_others(tmp_path: Path) -> None:
    (ann, kept_ann), (ben, kept_ben), (eve, _) = new_key("ann"), new_key("ben"), new_key("eve")
    write_keys(tmp_path / "k", [kept_ann, kept_ben])
    file = KeyFile(tmp_path / "k", pytest.fail)

    assert [found(file, key) for key in (ann, ben, eve)] == ["ann", "ben", None]
    for near in ("", ann[:-1], ann + "a", ann.swapcase(), f" {ann}", kept_ann.sha256, "x" * 100_000):
        assert found(file, near) is None


@pytest.fixture(scope="module")
def two_keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    path = tmp_path_factory.mktemp("keys") / "k"
    write_keys(path, [new_key("ann")[1], new_key("ben")[1]])
    return KeyFile(path, pytest.fail)


@settings(max_examples=30)
@given(st.binary(max_size=300) | st.from_regex(rb"holdfast_[A-Za-z0-9]{40}", fullmatch=True))
def test_what_is_guessed_is_no_key(two_keys: KeyFile, given: bytes) -> None:
    assert asyncio.run(two_keys.find(given)) is None


def test_an_expired_key_is_none(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    key, kept = new_key("ann", expires=soon)
    write_keys(tmp_path / "k", [kept])
    file = KeyFile(tmp_path / "k", pytest.fail)
    before = found(file, key)

    time.sleep(0.25)

    assert (before, found(file, key)) == ("ann", None)


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    (old, kept_old), (new, kept_new) = new_key("ann"), new_key("ann")
    write_keys(tmp_path / "k", [kept_old])
    file = KeyFile(tmp_path / "k", pytest.fail)

    write_keys(tmp_path / "k", [kept_new])

    assert [found(file, key) for key in (old, new)] == [None, "ann"]


def test_a_file_that_did_not_change_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    file = KeyFile(tmp_path / "k", pytest.fail)
    monkeypatch.setattr(keys, "read_keys", pytest.fail)

    assert [found(file, key) for _ in range(3)] == ["ann"] * 3


def test_between_two_looks_the_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    file = KeyFile(tmp_path / "k", pytest.fail)
    monkeypatch.setattr(keys, "_EVERY_S", 60.0)
    monkeypatch.setattr(keys, "_state", pytest.fail)

    assert found(file, key) == "ann"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"protocol": 2, "keys": []}', '{"keys": [{}]}', None])
def test_a_damaged_file_leaves_the_keys_as_they_were_and_says_so_once(
    content: str | None, tmp_path: Path
) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    said: list[str] = []
    file = KeyFile(tmp_path / "k", said.append)

    if content is None:
        (tmp_path / "k").unlink()
    else:
        (tmp_path / "k").write_text(content)
    still = [found(file, key) for _ in range(3)]
    write_keys(tmp_path / "k", [])

    assert still == ["ann"] * 3
    assert len(said) == 1
    assert str(tmp_path / "k") in said[0]
    assert found(file, key) is None


def test_a_disk_that_does_not_answer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, kept = new_key("ann")
    write_keys(tmp_path / "k", [kept])
    said: list[str] = []
    file = KeyFile(tmp_path / "k", said.append)
    answer = threading.Event()
    monkeypatch.setattr(keys, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(keys, "_state", lambda _: answer.wait(10))

    async def both() -> Key | None:
        try:
            return await file.find(key.encode())
        finally:
            answer.set()

    assert asyncio.run(both()) == kept
    assert "cannot be reached" in said[0]


def test_a_file_that_is_wrong_at_the_start_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    secret = new_key("ann")[0]
    rows = [{"name": "a b", "sha256": secret, "created": "2030-01-01T00:00:00Z"}, {"name": "ben", "rate": -1}]
    (tmp_path / "k").write_text(json.dumps({"protocol": 1, "keys": rows}))

    with pytest.raises(ConfigError) as error:
        KeyFile(tmp_path / "k", pytest.fail)

    for part in ("keys.0.name", "keys.0.sha256", "keys.1.sha256", "keys.1.created", "keys.1.rate"):
        assert part in str(error.value)
    assert secret not in str(error.value)  # somebody wrote the key itself there


def test_names_are_told_apart(tmp_path: Path) -> None:
    write_keys(tmp_path / "k", [new_key("ann")[1], new_key("ann")[1]])

    with pytest.raises(ConfigError, match="several keys are called ann"):
        read_keys(tmp_path / "k")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyFile(tmp_path / "k", pytest.fail)
