"""What is known of a run, and how to read it, while it runs or later."""

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from holdfast.core.errors import HoldfastError, RefError
from holdfast.core.files import digest_bytes, read_json, write_json
from holdfast.core.locks import locked, try_lock
from holdfast.core.refs import did_you_mean
from holdfast.tracking.metrics import read_metrics

INFO, CONFIG, ENVIRONMENT, METRICS, LOCK = (
    "run.json",
    "config.yaml",
    "environment.json",
    "metrics.jsonl",
    ".lock",
)
CHECKPOINTS, BUNDLE = "checkpoints", "bundle"

Status = Literal["running", "finished", "pruned", "failed", "interrupted", "damaged"]


@dataclass(frozen=True)
class RunInfo:
    """The facts of a run, as `run.json` has them.

    Attributes:
        name: of the dataset that it learns from.
        status: on disk running, finished, pruned (cut by a sweep) or failed. A running one whose process
            has ended is shown as interrupted, and one whose `run.json` cannot be read as damaged.
        key: what it shares with the run that may take it up.
        created: UTC, in ISO 8601.
        started: when it was last begun or taken up.
        dataset: the reference, such as `birds@3`.
        fingerprint: of that dataset version.
        config_digest: of the configuration in `config.yaml`.
        environment_digest: of the packages and platform in `environment.json`.
        model: the reference under which its bundle is registered.
        seconds: spent in all, without the time between an interruption and being taken up.
        resumes: how often it was taken up.
        headline: the metric that models are compared by.
        metrics: name → value, low, high, on the held-out split.
        reason: why it failed or was pruned.
        facts: what else was said of it, such as the device.
    """

    id: str
    name: str = ""
    status: Status = "running"
    key: str = ""
    created: str = ""
    started: str = ""
    dataset: str | None = None
    fingerprint: str | None = None
    config_digest: str | None = None
    environment_digest: str | None = None
    model: str | None = None
    seconds: float = 0.0
    resumes: int = 0
    headline: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` gave, of this release or another: what is unknown here is left out."""
        known = {part.name for part in dataclasses.fields(cls)}
        return cls(**{key: value[key] for key in value if key in known})


class RunRecord:
    """A run that is read, not written.

    Attributes:
        folder: `config.yaml`, `environment.json`, `metrics.jsonl`, `checkpoints/` and `bundle/` lie here.
    """

    def __init__(self, folder: Path, info: RunInfo) -> None:
        self.folder = folder
        self._info = info

    @property
    def id(self) -> str:
        """Never used for another run."""
        return self._info.id

    @property
    def info(self) -> RunInfo:
        """The facts."""
        return self._info

    @property
    def checkpoints(self) -> Path:
        """Where training stands, or ended."""
        return self.folder / CHECKPOINTS

    @property
    def bundle(self) -> Path:
        """What it exported; not there until it did."""
        return self.folder / BUNDLE

    def metrics(self) -> list[dict[str, Any]]:
        """What was logged, oldest first: `step` and the values. Half a line at the end is left out."""
        return read_metrics(self.folder / METRICS)

    def config(self) -> dict[str, Any]:
        """Every setting, as it was resolved when the run began.

        Raises:
            HoldfastError: if `config.yaml` is not what the run began with.
        """
        import yaml

        path = self.folder / CONFIG
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise HoldfastError(f"{path} cannot be read ({error})", hint="restore it from a copy") from None
        if config_digest(found) != self.info.config_digest:
            raise HoldfastError(
                f"{path} was changed after the run began: its digest is another one",
                hint="undo the change; to train with other settings, give a copy of it to `train --config`",
            )
        return dict(found)

    def environment(self) -> dict[str, Any]:
        """What the run began on, as `environment` found it then.

        Raises:
            HoldfastError: if `environment.json` cannot be read.
        """
        path = self.folder / ENVIRONMENT
        try:
            return dict(read_json(path))
        except (OSError, ValueError, TypeError) as error:
            raise HoldfastError(f"{path} cannot be read ({error})", hint="restore it from a copy") from None


def read_run(runs: Path, run: str) -> RunRecord:
    """Open a run for reading.

    Args:
        runs: the folder of all runs.
        run: its id.

    Raises:
        RefError: if there is no such run.
        HoldfastError: if its `run.json` is damaged.
    """
    known = run_ids(runs)
    if run not in known:
        raise _unknown(run, known, runs)
    return RunRecord(runs / run, _seen(runs, read_info(runs / run)))


def list_runs(runs: Path) -> list[RunInfo]:
    """All runs, newest first. One that cannot be read is listed as damaged, with the reason."""
    found = []
    for run in run_ids(runs):
        try:
            found.append(_seen(runs, read_info(runs / run)))
        except HoldfastError as error:
            found.append(RunInfo(run, status="damaged", reason=error.message))
    return sorted(found, key=lambda info: (info.created, info.id), reverse=True)


def run_ids(runs: Path) -> list[str]:
    """The ids of all runs that have a `run.json`, in the order of their names."""
    return sorted(path.parent.name for path in runs.glob(f"[!.]*/{INFO}"))


def config_digest(config: Any) -> str:
    """SHA-256 over a configuration of plain values, whatever the order of its keys."""
    return digest_bytes(json.dumps(config, sort_keys=True).encode())


def read_info(folder: Path) -> RunInfo:
    """The facts of a run, as they are on disk.

    Raises:
        HoldfastError: if they cannot be read.
    """
    try:
        return RunInfo.from_json(read_json(folder / INFO))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise HoldfastError(
            f"{folder / INFO} cannot be read ({error})", hint="remove that run's folder, or mend the file"
        ) from None


def write_info(folder: Path, info: RunInfo) -> None:
    """Put the facts of a run on disk, atomically."""
    write_json(folder / INFO, json.loads(json.dumps(info.to_json())))


def seconds_worked(folder: Path, info: RunInfo) -> float:
    """Seconds spent by a run that did not end: up to the last sign of life, which is its last file."""
    files = [folder / INFO, folder / METRICS, *folder.glob(f"{CHECKPOINTS}/*")]
    times = [_changed(path) for path in files]
    return info.seconds + max(0.0, max(times) - datetime.fromisoformat(info.started).timestamp())


def now() -> str:
    """The time in UTC, in ISO 8601, with milliseconds so that runs keep their order."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _seen(runs: Path, info: RunInfo) -> RunInfo:
    """The facts as shown: a run that nobody holds any more is not running."""
    if info.status != "running":
        return info
    seconds = seconds_worked(runs / info.id, info)
    if _is_held(runs, info.id):
        return dataclasses.replace(info, seconds=seconds)
    latest = read_info(runs / info.id)  # it may have ended since the first look
    return dataclasses.replace(latest, status="interrupted", seconds=seconds) if latest == info else latest


def _is_held(runs: Path, run: str) -> bool:
    try:
        # To look is to hold the run's lock for a moment, which must not be the moment in which
        # another process looks for a run to take up.
        with locked(runs / LOCK, what="the runs"):
            lock = try_lock(runs / run / LOCK)
            if lock is not None:
                lock.release()
    except OSError:  # a folder that cannot be written: nobody can tell
        return True
    return lock is None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _unknown(run: str, known: list[str], runs: Path) -> RefError:
    if not known:
        return RefError(f"there is no run {run!r}", hint="there are no runs yet: `holdfast train DATASET`")
    if "@" in run:
        model = f"that is how models are called: `holdfast models show {run}` says which run made one;"
        return RefError(f"there is no run {run!r}", hint=f"{model} `holdfast runs list` shows all")
    near = did_you_mean(run, known)
    hint = f"did you mean {near!r}?" if near else f"the newest is {list_runs(runs)[0].id!r};"
    return RefError(f"there is no run {run!r}", hint=f"{hint} `holdfast runs list` shows all")
