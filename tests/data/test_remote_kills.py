"""A push or pull may be killed at any moment: nobody sees half a version, and the same command ends it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import RefError
from holdfast.core.refs import parse_ref
from holdfast.data import open_version, remote, versions_of
from holdfast.data.pull import pull
from holdfast.data.push import push
from holdfast.testing.proxy import Proxy
from tests.servers import BUCKET, s3_server, store

SEA = parse_ref("sea")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as it:
        yield it


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return store(tmp_path / "here", versions=2)


@pytest.fixture(params=["folder", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "far")
    request.getfixturevalue("proxy")
    return f"s3://{BUCKET}/{tmp_path.name}"


def samples(root: Path) -> list[bytes]:
    with open_version(root, SEA) as version:
        return [version.read(index) for index in range(len(version))]


def killed_at(nth: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that is killed at its nth step that others could see; whether it was."""
    child = os.fork()
    if child == 0:
        steps = count(1)

        def step(real: Callable[..., Any]) -> Callable[..., Any]:
            def stepped(*args: Any, **options: Any) -> Any:
                if next(steps) == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return stepped

        for name in ("fsync", "replace", "rename"):
            setattr(os, name, step(getattr(os, name)))
        remote.retrying = step(remote.retrying)  # type: ignore[assignment]
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_push_that_is_killed_is_never_seen_half(root: Path, where: str, tmp_path: Path) -> None:
    wanted, kills = samples(root), 0

    for nth in count(1):
        killed = killed_at(nth, lambda: push(root, SEA, where))
        home = tmp_path / f"home{nth}"
        with suppress(RefError):  # there is none yet
            pull(home, SEA, where)
        assert killed or versions_of(home, "sea") == [2]
        assert not versions_of(home, "sea") or samples(home) == wanted
        kills += killed
        if not killed:
            break

    assert kills >= 5
    assert not push(root, SEA, where).new


def test_a_pull_that_is_killed_is_never_seen_half(root: Path, tmp_path: Path) -> None:
    wanted, kills, home, where = samples(root), 0, tmp_path / "home", tmp_path / "far"
    push(root, SEA, where)

    for nth in count(1):
        killed = killed_at(nth, lambda: pull(home, SEA, where))
        if versions_of(home, "sea"):
            assert samples(home) == wanted
        else:
            assert killed
        kills += killed
        if not killed:
            break

    assert kills >= 6
    assert list(home.rglob(".aside-*")) == []


def test_what_a_killed_push_had_sent_is_not_sent_again(root: Path, tmp_path: Path) -> None:
    far = tmp_path / "far"
    nth = next(n for n in count(1) if killed_at(n, lambda: push(root, SEA, far)) and _shards(far) == 1)

    assert nth > 1
    assert push(root, SEA, far).copied == 1


def _shards(far: Path) -> int:
    return len(list(far.glob("sea/shards/[0-9a-f]*.tar")))
