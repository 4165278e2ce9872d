"""Starts the other processes of a training on this machine, and sees to it that none outlives the others.

The processes meet at a store on loopback. The lead starts the others with a pipe to their input, which
they watch: it closes when the lead ends, however it ends. Where torchrun has started all of them, they
meet where it says, and it watches them.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import IO

import torch
import torch.distributed as dist
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from holdfast.core.errors import ConfigError, HoldfastError, TeamError
from holdfast.train.device import Device
from holdfast.train.job import Job
from holdfast.train.team import ALONE, Team

_PATIENCE = timedelta(minutes=10)
"""Without a sign of life for so long, a process is taken for lost."""
_GRACE_S = 10.0
"""For a process that is about to end to do so."""
_OUTSIDE = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Where torchrun says what a process shall be."""
_JOB = "job"
_AGAIN = "run the same command again: it goes on from the last checkpoint"


def outside() -> Team | None:
    """The team that torchrun has started, and the place of this process in it; None without torchrun.

    Raises:
        ConfigError: if it spans several machines.
    """
    if not all(name in os.environ for name in _OUTSIDE):
        return None
    team = Team(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if int(os.environ.get("LOCAL_WORLD_SIZE", team.size)) != team.size:
        raise ConfigError(
            f"of {team.size} processes only {os.environ['LOCAL_WORLD_SIZE']} are on this machine",
            hint="one training runs on one machine; start torchrun with --nnodes=1",
        )
    return team


@contextmanager
def launched(job: Job) -> Iterator[Team]:
    """The team that does a job, of which this process is the lead; a team of one needs nobody else.

    Raises:
        ConfigError: if torchrun has started another number of processes.
        TeamError: if a process ends before its time, or does not answer for ten minutes.
        HoldfastError: if a process ends by one, such as a sample that it cannot decode.
    """
    processes, given = job.config.launch.processes, outside()
    if given and given.size != processes and (given.size > 1 or processes > 1):
        raise ConfigError(
            f"launch.processes is {processes}, but WORLD_SIZE says that {given.size} were started",
            hint=f"write launch.processes={given.size}, or start `holdfast` without torchrun",
        )
    if processes == 1:
        yield ALONE
    elif given:
        store = _meet()
        store.set(_JOB, job.to_json())
        with _group(store, given, job.device):
            yield given
    else:
        with _loopback(), _Others(processes) as others:
            others.store.set(_JOB, job.to_json())
            try:
                others.await_all()
                with _group(others.store, Team(0, processes), job.device):
                    yield Team(0, processes)
            except TeamError as error:
                raise others.reason(error) from error


class Seat:
    """A place in a team that another process leads; made in each process that follows.

    Attributes:
        team: with this process's rank.
        job: what the lead has handed to `launched`, as it is written.
    """

    def __init__(self) -> None:
        team = outside()
        if team is None or team.leads:
            raise ValueError("this process was not started to follow another one")
        self.team = team
        self._store = _meet()
        try:
            self.job: str = self._store.get(_JOB).decode()
        except RuntimeError as error:
            raise TeamError(f"process {team.rank + 1} of {team.size} waited in vain: {error}") from error

    @contextmanager
    def taken(self, device: Device) -> Iterator[Team]:
        """Within it, this process is one of the team; it has a device of the lead's kind."""
        self._store.set(_joined(self.team.rank), "")
        with _group(self._store, self.team, device):
            yield self.team


def own_device(device: Device, team: Team) -> Device:
    """That of one process of a team: of GPUs one of its own, as far as there are enough of them."""
    if device.torch.type != "cuda" or team.size == 1:
        return device
    return replace(device, torch=torch.device("cuda", team.rank % torch.cuda.device_count()))


class _Others:
    """The processes that this one has started, and the store where they meet."""

    def __init__(self, processes: int) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.store = TCPStore(
            "127.0.0.1",
            port,
            is_master=True,
            timeout=_PATIENCE,
            wait_for_workers=False,
            master_listen_fd=listener.detach(),
        )
        around = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        around |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        self._size = processes
        self._words: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(1, processes)]  # noqa: SIM115 - till the end
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "holdfast.train"],
                env={**around, "RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=subprocess.STDOUT,
            )
            for rank, words in enumerate(self._words, 1)
        ]

    def await_all(self) -> None:
        """Return when all have joined."""
        names = [_joined(rank) for rank in range(1, self._size)]
        waiting_until = time.monotonic() + _PATIENCE.total_seconds()
        while not self.store.check(names):
            if any(process.poll() is not None for process in self._processes):
                raise TeamError("a process of this training ended before it began")
            if time.monotonic() > waiting_until:
                raise TeamError("the processes of this training did not come together", hint=_AGAIN)
            time.sleep(0.05)

    def reason(self, error: TeamError) -> HoldfastError:
        """Why a process was lost: its own error, or how it ended."""
        waiting_until = time.monotonic() + _GRACE_S
        while all(process.poll() is None for process in self._processes):
            if time.monotonic() > waiting_until:
                return TeamError(error.message, hint=_AGAIN)
            time.sleep(0.05)
        ends = []
        for rank, (process, words) in enumerate(zip(self._processes, self._words, strict=True), 1):
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            words.seek(0)
            lines = words.read().decode(errors="replace").strip().splitlines()
            if lines and (told := _told(lines[-1])):
                return told
            if process.returncode:
                ends.append(_end(f"process {rank + 1} of {self._size}", process.returncode, lines))
        return TeamError(min(ends)[1] if ends else error.message, hint=_AGAIN)

    def __enter__(self) -> "_Others":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process, words in zip(self._processes, self._words, strict=True):
            with suppress(subprocess.TimeoutExpired):
                if kind is None:
                    process.wait(_GRACE_S)
            assert process.stdin is not None
            process.stdin.close()  # it ends when it sees this
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
            process.kill()
            process.wait()
            words.close()


@contextmanager
def _group(store: Store, team: Team, device: Device) -> Iterator[None]:
    """Within it, the processes of a team can sum. Those that share a GPU do so on the CPU."""
    own_gpu = device.torch.type == "cuda" and torch.cuda.device_count() >= team.size
    if own_gpu:
        torch.cuda.set_device(own_device(device, team).torch)
    try:
        dist.init_process_group(
            "nccl" if own_gpu else "gloo",
            store=store,
            rank=team.rank,
            world_size=team.size,
            timeout=_PATIENCE,
        )
    except RuntimeError as error:
        raise TeamError(f"the processes of this training did not come together: {error}") from error
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _loopback() -> Iterator[None]:
    """Within it, and in the processes that are started there, sums go over loopback only."""
    name = "GLOO_SOCKET_IFNAME"
    own = [interface for _, interface in socket.if_nameindex() if interface.startswith("lo")]
    if name in os.environ or not own:
        yield
        return
    os.environ[name] = own[0]
    try:
        yield
    finally:
        del os.environ[name]


def _meet() -> Store:
    store: Store
    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    return store


def _joined(rank: int) -> str:
    return f"joined-{rank}"


def _end(name: str, code: int, lines: list[str]) -> tuple[int, str]:
    """How a process ended, and before it how little that says: most of them end because of another one."""
    if code < 0:
        return 0, f"{name} was killed by signal {-code}"
    if lines:
        return 1, f"{name} ended: {lines[-1]}"
    return 2, f"{name} ended with code {code}"


def tell(error: HoldfastError) -> None:
    """Say to the lead why this process ends; the last line of its output."""
    print(json.dumps({"error": error.message, "hint": error.hint}), flush=True)


def _told(line: str) -> HoldfastError | None:
    try:
        words = json.loads(line)
        return HoldfastError(words["error"], hint=words["hint"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
