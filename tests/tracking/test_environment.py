import json
import os
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from holdfast.core.files import digest_bytes
from holdfast.tracking import environment


def git(folder: Path, *args: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *args]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("a = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_digest_is_over_what_can_change_a_number(tmp_path: Path) -> None:
    found = environment(tmp_path)

    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["processors"] >= 1
    parts = {name: found[name] for name in ("python", "platform", "packages")}
    assert found["digest"] == digest_bytes(json.dumps(parts, sort_keys=True).encode())


def test_no_environment_variable_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-hunter2")

    assert "hunter2" not in json.dumps(environment(tmp_path))


def test_a_clean_checkout_has_a_commit_and_no_difference(checkout: Path) -> None:
    assert environment(checkout)["git"] == {
        "commit": git(checkout, "rev-parse", "HEAD"),
        "dirty": False,
        "diff_digest": None,
    }


def test_a_changed_checkout_has_the_digest_of_its_difference(checkout: Path) -> None:
    (checkout / "code.py").write_text("a = 2\n")
    two = environment(checkout)["git"]
    (checkout / "code.py").write_text("a = 3\n")
    three = environment(checkout)["git"]

    assert two["dirty"]
    assert two["commit"] == three["commit"]
    assert len({two["diff_digest"], three["diff_digest"], None}) == 3
    assert environment(checkout)["git"] == three


def test_there_may_be_no_checkout_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(tmp_path)["git"] is None

    monkeypatch.setenv("PATH", "")
    assert environment(Path(__file__).parent)["git"] is None


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
def test_a_checkout_cannot_make_git_start_its_programs(checkout: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    git(checkout, "config", "diff.external", str(program))
    git(checkout, "config", "core.fsmonitor", str(program))
    (checkout / "code.py").write_text("a = 2\n")

    assert environment(checkout)["git"]["dirty"]
    assert not (tmp_path / "started").exists()
