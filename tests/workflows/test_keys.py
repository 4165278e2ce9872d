"""Keys from the command line to the server."""

import json
from pathlib import Path

import pytest

from holdfast.core.workspace import Workspace
from holdfast.serve.keys import new_key, read_keys, write_keys
from holdfast.testing.bundles import toy_bundle
from holdfast.workflows.serving import find_bundle, serve_config
from tests.journey import holdfast


def test_a_key_is_shown_once_and_alone(tmp_path: Path) -> None:
    done = holdfast(
        "keys", "add", "ann", "--expires", "90d", "--rate", "5", "--concurrency", "2", home=tmp_path
    )

    key = done.stdout.strip()
    assert key.startswith("holdfast_")
    assert "not shown again" in done.stderr
    assert key not in (tmp_path / "keys.json").read_text()
    assert key not in holdfast("keys", "list", home=tmp_path).stdout


def test_keys_are_listed_and_removed(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", [new_key(name)[1] for name in ("ann", "ben", "cat")])

    removed = json.loads(holdfast("keys", "remove", "ann", "cat", "--json", home=tmp_path).stdout)
    left = json.loads(holdfast("keys", "list", "--json", home=tmp_path).stdout)

    assert (removed["removed"], removed["left"]) == (["ann", "cat"], 1)
    assert [(row["name"], row["valid"], row["expires"]) for row in left] == [("ben", True, None)]


def test_the_last_key_that_goes_leaves_the_server_shut(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", [new_key("ann")[1]])

    done = holdfast("keys", "remove", "ann", home=tmp_path)

    assert "nobody is let in" in done.stdout
    assert read_keys(tmp_path / "keys.json") == ()


def test_keys_may_be_kept_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / "etc" / "k.json"

    holdfast("keys", "add", "ann", f"serve.keys={place}", home=tmp_path)

    assert [key.name for key in read_keys(place)] == ["ann"]
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("add", "ann"), "there is a key called 'ann'"),
        (("add", "a b"), "name: "),
        (("add", "ben", "--rate", "0"), "rate: "),
        (("add", "ben", "--expires", "soon"), "'soon' is no time to expire"),
        (("add", "ben", "--expires", "999999w"), "'999999w' is no time to expire"),
        (("add", "ben", "--expires", "2001-01-01"), "'2001-01-01' is not in the future"),
        (("remove", "an"), "did you mean 'ann'?"),
        (("remove", "ann", "ben"), "there is no key called 'ben'"),
    ],
)
def test_what_cannot_be_is_said(args: tuple[str, ...], message: str, tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", [new_key("ann")[1]])

    done = holdfast("keys", *args, home=tmp_path, expect=1)

    assert message in done.stderr
    assert "hint: " in done.stderr
    assert len(read_keys(tmp_path / "keys.json")) == 1


def test_names_and_settings_may_be_mixed_and_a_name_is_needed(tmp_path: Path) -> None:
    write_keys(tmp_path / "k.json", [new_key(name)[1] for name in ("ann", "ben")])
    place = f"serve.keys={tmp_path / 'k.json'}"

    assert "removed ann; 1 left" in holdfast("keys", "remove", "ann", place, home=tmp_path).stdout
    assert "whose key" in holdfast("keys", "remove", place, home=tmp_path, expect=2).stderr


def test_a_workspace_with_keys_serves_with_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    _, bundle = find_bundle(str(toy_bundle(tmp_path / "bundle")), workspace)
    before = serve_config(bundle, workspace).keys
    write_keys(workspace.keys, [new_key("ann")[1]])

    assert before is None
    assert serve_config(bundle, workspace).keys == str(tmp_path / "keys.json")
    assert serve_config(bundle, workspace, ["serve.keys=other"]).keys == "other"
