"""A run that is being written: opened or taken up by its key, and held until it ends."""

import dataclasses
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import BaseFileLock

from holdfast.core.errors import HoldfastError
from holdfast.core.files import clear_aside, folder_aside, publish, write_json, write_text
from holdfast.core.locks import locked, try_lock
from holdfast.core.refs import check_name
from holdfast.tracking.environment import environment
from holdfast.tracking.metrics import MetricsLog
from holdfast.tracking.record import (
    CHECKPOINTS,
    CONFIG,
    ENVIRONMENT,
    LOCK,
    METRICS,
    RunInfo,
    RunRecord,
    config_digest,
    now,
    read_info,
    run_ids,
    seconds_worked,
    write_info,
)

_FIXED = {
    "id",
    "name",
    "key",
    "created",
    "started",
    "config_digest",
    "environment_digest",
    "resumes",
    "facts",
}


class Run(RunRecord):
    """A run that this process holds; no other process writes to it until `close`, or until a kill.

    Attributes:
        resumed: whether it was taken up, not begun.
    """

    def __init__(self, folder: Path, info: RunInfo, lock: BaseFileLock, *, resumed: bool) -> None:
        super().__init__(folder, info)
        self.resumed = resumed
        self._lock = lock
        self._log = MetricsLog(folder / METRICS)
        self._is_open = True

    def log(self, step: int, **values: float | int | str | None) -> None:
        """Remember what was measured at a step. No kill takes it back.

        What is not a finite number becomes null, for a log must not end a training.
        """
        self._check_open()
        self._log.append(step, values)

    def rewind(self, step: int) -> None:
        """Forget what was logged after a step: a run that is taken up there logs it again."""
        self._check_open()
        self._log.rewind(step)

    def update(self, **fields: Any) -> None:
        """Put facts into `run.json`, atomically. Those that `RunInfo` has no field for go to its `facts`.

        Raises:
            ValueError: for what a run is known by, such as `id` or `key`.
        """
        self._check_open()
        fixed = sorted(_FIXED & set(fields))
        if fixed:
            raise ValueError(f"a run's {', '.join(fixed)} cannot change")
        known = {part.name for part in dataclasses.fields(RunInfo)}
        facts = {name: value for name, value in fields.items() if name not in known}
        named = {name: value for name, value in fields.items() if name in known}
        self._info = dataclasses.replace(self._info, **named, facts={**self._info.facts, **facts})
        write_info(self.folder, self._info)

    def finish(self, **fields: Any) -> None:
        """Say that the run has done what it was for; it will not be taken up again."""
        self._end("finished", fields)

    def fail(self, reason: str) -> None:
        """Say that the run ended in an error; it will not be taken up again."""
        self._end("failed", {"reason": reason})

    def prune(self, reason: str) -> None:
        """Say that a sweep cut the run short, for others did better; it will not be taken up again."""
        self._end("pruned", {"reason": reason})

    def close(self) -> None:
        """Let go of the run. Unless it has finished or failed, it can be taken up by its key."""
        self._is_open = False
        self._log.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, status: str, fields: dict[str, Any]) -> None:
        began = datetime.fromisoformat(self._info.started).timestamp()
        spent = max(0.0, datetime.now(UTC).timestamp() - began)
        self.update(**{"seconds": self._info.seconds + spent, **fields, "status": status})

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError(f"run {self.id} is closed")


def open_run(runs: Path, *, name: str, key: str, details: dict[str, Any]) -> Run:
    """Take up the run with this key that was cut short, or begin a new one, and hold it.

    A run is taken up only if it neither finished nor failed, no process holds it, and Python,
    platform and packages are what they were: on others it would not end at the same weights. So of
    two processes with the same key, each has its own run.

    Args:
        runs: the folder of all runs.
        name: of the dataset; the id begins with it.
        key: the same for runs that would do the very same.
        details: `config`, stored as `config.yaml`; `dataset` and `fingerprint`; what else there is
            goes to `facts`. All of it must be what JSON can hold.
    """
    check_name(name)
    around = environment()
    with locked(runs / LOCK, what="the runs"):
        clear_aside(runs)
        found = _take_up(runs, name, key, around["digest"])
        return found or _begin(runs, name, key, details, around)


def _take_up(runs: Path, name: str, key: str, environment_digest: str) -> Run | None:
    wanted = (name, key, environment_digest, "running")
    for run in reversed(run_ids(runs)):
        folder = runs / run
        if _signature(folder) != wanted:
            continue
        lock = try_lock(folder / LOCK)
        if lock is None:
            continue
        if _signature(folder) != wanted:  # it ended between the look and the lock
            lock.release()
            continue
        clear_aside(folder)
        clear_aside(folder / CHECKPOINTS)
        info = read_info(folder)
        info = dataclasses.replace(
            info, seconds=seconds_worked(folder, info), started=now(), resumes=info.resumes + 1
        )
        write_info(folder, info)
        return Run(folder, info, lock, resumed=True)
    return None


def _signature(folder: Path) -> tuple[str, str, str | None, str] | None:
    try:
        info = read_info(folder)
    except HoldfastError:
        return None
    return info.name, info.key, info.environment_digest, info.status


def _begin(runs: Path, name: str, key: str, details: dict[str, Any], around: dict[str, Any]) -> Run:
    import yaml

    facts: dict[str, Any] = json.loads(json.dumps(details))  # plain values only, for YAML and for reading
    config = facts.pop("config", {})
    began = now()
    info = RunInfo(
        id=_new_id(runs, name),
        name=name,
        key=key,
        created=began,
        started=began,
        dataset=facts.pop("dataset", None),
        fingerprint=facts.pop("fingerprint", None),
        config_digest=config_digest(config),
        environment_digest=around["digest"],
        facts=facts,
    )
    with folder_aside(runs) as aside:
        write_text(aside / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        write_json(aside / ENVIRONMENT, around)
        write_info(aside, info)
        (aside / CHECKPOINTS).mkdir()
        publish(aside, runs / info.id)
    lock = try_lock(runs / info.id / LOCK)
    assert lock is not None  # whoever looks for runs to take up waits for the lock of all runs
    return Run(runs / info.id, info, lock, resumed=False)


def _new_id(runs: Path, name: str) -> str:
    while True:
        run = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if not (runs / run).exists():
            return run
