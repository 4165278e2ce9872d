from pathlib import Path

import pytest

from holdfast.core.workspace import find_workspace


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_HOME", raising=False)


def test_is_dot_holdfast_here_when_nothing_else_is_said(tmp_path: Path) -> None:
    assert find_workspace(start=tmp_path).home == tmp_path / ".holdfast"


def test_is_the_nearest_folder_upwards_with_settings(tmp_path: Path) -> None:
    (tmp_path / "holdfast.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)

    workspace = find_workspace(start=tmp_path / "a" / "b")

    assert workspace.home == tmp_path
    assert workspace.settings == tmp_path / "holdfast.yaml"


def test_is_what_the_environment_says_unless_home_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holdfast.yaml").touch()
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "env"))

    assert find_workspace(start=tmp_path).home == tmp_path / "env"
    assert find_workspace(tmp_path / "given", start=tmp_path).home == tmp_path / "given"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    find_workspace(start=tmp_path)

    assert list(tmp_path.iterdir()) == []
