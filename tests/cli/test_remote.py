"""The commands push and pull: what they print, and what they say where something is missing."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli import main
from holdfast.cli.app import app
from tests.servers import store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store(tmp_path)
    (tmp_path / "home").mkdir()
    return (tmp_path / "store").rename(tmp_path / "home/datasets").parent


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["data", *words])
    assert done.exception is None
    return done.stdout.strip()


def test_people_read_what_was_copied(home: Path, tmp_path: Path) -> None:
    far, other = tmp_path / "far", tmp_path / "other"

    assert run("push", "sea", str(far), "--home", str(home)).startswith(
        f"sea@1 pushed to {far}: 1 of 1 shards"
    )
    assert run("push", "sea", str(far), "--home", str(home)).startswith(f"sea@1 was already at {far}: 0 of 1")
    assert run("pull", "sea", str(far), "--home", str(other)).startswith(f"sea@1 pulled from {far}: 1 of 1")


def test_programs_read_json(home: Path, tmp_path: Path) -> None:
    found = json.loads(run("push", "sea@1", str(tmp_path / "far"), "--home", str(home), "--json"))

    assert (found["ref"], found["new"], found["shards"], found["copied"]) == ("sea@1", True, 1, 1)


def test_a_package_that_is_not_installed_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setattr(
        sys, "argv", ["holdfast", "data", "push", "sea", "s3://bucket/x", "--home", str(home)]
    )

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert "pip install 'holdfast[s3]'" in capsys.readouterr().err
