"""Several processes at once, and processes that are killed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.refs import parse_ref
from holdfast.registry import Registry
from holdfast.testing.bundles import toy_bundle, toy_evaluation

_SETUP = """
import sys
from pathlib import Path
from holdfast.config.schema import GateConfig
from holdfast.core.refs import Ref
from holdfast.registry import Registry

registry, gate = Registry(Path(sys.argv[1])), GateConfig()
print("ready", flush=True)
sys.stdin.readline()
"""
_PROMOTE = (
    _SETUP
    + """
for turn in range(int(sys.argv[2])):
    registry.promote(Ref("birds", version=turn % 2 + 1), gate=gate)
"""
)
_REGISTER = (
    _SETUP
    + """
for folder in sorted(Path(sys.argv[2]).iterdir()):
    registry.register("birds", folder, run=folder.name)
"""
)


def start(program: str, *args: object, count: int = 1) -> list[subprocess.Popen[bytes]]:
    """Processes that have imported everything and begin their work now, all at once."""
    command = [sys.executable, "-c", program, *map(str, args)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    return started


def end(processes: list[subprocess.Popen[bytes]]) -> set[int]:
    """Wait until all have ended; their exit codes."""
    for process in processes:
        process.communicate()
    return {process.returncode for process in processes}


def kill(processes: list[subprocess.Popen[bytes]], after_s: float) -> None:
    time.sleep(after_s)
    for process in processes:
        process.kill()
    end(processes)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for seed in range(8):
        bundle = toy_bundle(folder / str(seed), seed=seed, evaluation=toy_evaluation())
        assert bundle.is_dir()
    return folder


@pytest.fixture
def registry(tmp_path: Path, bundles: Path) -> Registry:
    """birds with versions 1 and 2."""
    registry = Registry(tmp_path / "models")
    for seed in range(2):
        registry.register("birds", bundles / str(seed), run=str(seed))
    return registry


def test_two_processes_that_promote_at_once_lose_nothing(registry: Registry) -> None:
    assert end(start(_PROMOTE, registry.root, 20, count=2)) == {0}

    lines = registry.audit("birds")
    assert registry.verify(parse_ref("birds@champion")) == []
    moves = [line for line in lines if line["event"] == "promote"]
    assert 20 <= len(moves) <= 40
    at = None
    for move in moves:  # each began where the one before had ended, and truly moved
        assert move["previous"] == at != move["version"]
        at = move["version"]
    assert registry.aliases("birds") == {"champion": at}


def test_two_processes_that_register_at_once_agree(tmp_path: Path, bundles: Path) -> None:
    registry = Registry(tmp_path / "models")

    assert end(start(_REGISTER, registry.root, bundles, count=2)) == {0}

    assert registry.versions("birds") == list(range(1, 9))
    assert [line["version"] for line in registry.audit("birds")] == list(range(1, 9))
    for version in range(1, 9):
        assert registry.verify(parse_ref(f"birds@{version}")) == []


def test_a_killed_promotion_leaves_a_whole_log_and_can_be_done_again(registry: Registry) -> None:
    for _ in range(6):
        kill(start(_PROMOTE, registry.root, 10_000), after_s=random.random() * 0.2)

        assert end(start(_PROMOTE, registry.root, 2)) == {0}
        assert registry.verify(parse_ref("birds@champion")) == []
        assert registry.aliases("birds") == {"champion": 2}


def test_a_killed_registration_is_whole_or_not_there_and_can_be_done_again(
    tmp_path: Path, bundles: Path
) -> None:
    registry = Registry(tmp_path / "models")
    for _ in range(6):
        kill(start(_REGISTER, registry.root, bundles), after_s=random.random() * 0.08)

    assert end(start(_REGISTER, registry.root, bundles)) == {0}

    assert registry.versions("birds") == list(range(1, 9))
    registered = [line for line in registry.audit("birds") if line["event"] == "register"]
    assert [line["version"] for line in registered] == list(range(1, 9))
    for version in range(1, 9):
        assert registry.verify(parse_ref(f"birds@{version}")) == []
    assert not list((registry.root / "birds/versions").glob(".aside-*"))
