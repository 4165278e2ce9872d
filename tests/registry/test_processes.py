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


def start(program: str, *args: object) -> subprocess.Popen[bytes]:
    """A process that has imported everything and begins its work now."""
    command = [sys.executable, "-c", program, *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"ready"
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    process.communicate()
    return process.returncode


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
    both = [start(_PROMOTE, registry.root, 20) for _ in range(2)]

    assert [end(process) for process in both] == [0, 0]
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

    both = [start(_REGISTER, registry.root, bundles) for _ in range(2)]

    assert [end(process) for process in both] == [0, 0]
    assert registry.versions("birds") == list(range(1, 9))
    assert [line["version"] for line in registry.audit("birds")] == list(range(1, 9))
    for version in range(1, 9):
        assert registry.verify(parse_ref(f"birds@{version}")) == []


def test_a_killed_promotion_leaves_a_whole_log_and_can_be_done_again(registry: Registry) -> None:
    for _ in range(6):
        process = start(_PROMOTE, registry.root, 10_000)
        time.sleep(random.random() * 0.3)
        process.kill()
        process.wait()

        assert end(start(_PROMOTE, registry.root, 2)) == 0
        assert registry.verify(parse_ref("birds@champion")) == []
        assert registry.aliases("birds") == {"champion": 2}


def test_a_killed_registration_is_whole_or_not_there_and_can_be_done_again(
    tmp_path: Path, bundles: Path
) -> None:
    registry = Registry(tmp_path / "models")
    for _ in range(6):
        process = start(_REGISTER, registry.root, bundles)
        time.sleep(random.random() * 0.08)
        process.kill()
        process.wait()

    assert end(start(_REGISTER, registry.root, bundles)) == 0

    assert registry.versions("birds") == list(range(1, 9))
    registered = [line for line in registry.audit("birds") if line["event"] == "register"]
    assert [line["version"] for line in registered] == list(range(1, 9))
    for version in range(1, 9):
        assert registry.verify(parse_ref(f"birds@{version}")) == []
    assert not list((registry.root / "birds/versions").glob(".aside-*"))
