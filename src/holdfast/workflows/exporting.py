"""Show runs in TensorBoard, MLflow or W&B: while they go on, or later from their files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.config import Config
from holdfast.config.schema import TrackConfig
from holdfast.core.errors import HoldfastError
from holdfast.core.progress import say
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.tracking import Run, RunRecord, read_run
from holdfast.tracking.exporters import Helpers, Settings, check_tools, read_sent
from holdfast.workflows.sample_predictions import write_samples
from holdfast.workflows.settings import settings_for


def check_exporters(config: Config, name: str) -> None:
    """See, before anything is trained, that the tools asked for can be used.

    Raises:
        ConfigError: if one is not installed, or has no address.
    """
    check_tools(_tools(config.track), _settings(config.track, name))


@contextmanager
def exported(run: Run, config: Config, version: Version) -> Iterator[None]:
    """While a run is worked on, show it in the tools of its configuration; `run.json` says how that went.

    Whatever goes wrong with a tool is said once, and changes nothing for the run.
    """
    dials = config.track
    tools = _tools(dials)
    if not tools:
        yield
        return
    helpers = Helpers(run.folder, tools, _settings(dials, version.info.name))
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError | MemoryError):  # the run can be taken up
            helpers.abandon()
        else:
            run.update(exporters=helpers.finish("failed"))
        raise
    except BaseException:
        helpers.abandon()
        raise
    _try_samples(run.folder, version, config)
    say(f"send what is left to {', '.join(tools)}")
    run.update(exporters=helpers.finish("finished"))


def export_run(
    run: str, workspace: Workspace, *, to: Sequence[str] = (), overrides: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Send a run that has ended from its files; what a tool has already is not sent again.

    Args:
        run: its id.
        to: some of tensorboard, mlflow and wandb; what the settings say by default.
        overrides: settings, such as `track.mlflow_uri=http://127.0.0.1:5000`.

    Returns:
        For each tool: `tool`, `ok`, `said`.

    Raises:
        RefError: if there is no such run.
        ConfigError: if no tool is named, or one cannot be used.
        HoldfastError: if the run goes on.
    """
    record = read_run(workspace.runs, run)
    asked = [f"track.to=[{','.join(to)}]"] if to else []
    config = settings_for(workspace, [*overrides, *asked]).config
    tools, settings = _tools(config.track), _settings(config.track, record.info.name)
    if not tools:
        raise HoldfastError("no tool to export to", hint="name one: --to tensorboard, mlflow or wandb")
    if record.info.status == "running":
        raise HoldfastError(
            f"{run} is still running", hint="wait for its end, or set track.to when it begins"
        )
    check_tools(tools, settings)
    left = [tool for tool in tools if not _has_all(record, tool, settings)]
    if left:
        _samples_from(record, workspace, config)
        _send(record, left, settings)
    sents = {tool: read_sent(record.folder, tool) for tool in tools}
    return [{"tool": tool, "ok": sent.failed is None, "said": sent.said} for tool, sent in sents.items()]


def _send(record: RunRecord, tools: Sequence[str], settings: Settings) -> None:
    helpers = Helpers(record.folder, tools, settings)
    if record.info.status in ("finished", "failed"):
        helpers.finish(record.info.status)
    else:
        helpers.pause()


def _has_all(record: RunRecord, tool: str, settings: Settings) -> bool:
    sent = read_sent(record.folder, tool)
    return sent.ended and sent.failed is None and sent.target == settings.target(tool)


def _samples_from(record: RunRecord, workspace: Workspace, config: Config) -> None:
    if not record.info.dataset or not (record.folder / "bundle").exists():
        return
    try:
        with open_version(workspace.datasets, parse_ref(record.info.dataset)) as version:
            _try_samples(record.folder, version, config)
    except HoldfastError as error:
        say(f"without sample predictions: {error.message}")


def _try_samples(run: Path, version: Version, config: Config) -> None:
    try:
        write_samples(run, version, config.track.samples, threads=config.serve.threads)
    except Exception as error:  # they are only shown: no reason to lose a training
        say(f"without sample predictions: {error}")


def _tools(dials: TrackConfig) -> list[str]:
    return [tool for tool in dict.fromkeys(dials.to) if tool != "wandb" or dials.wandb_mode != "disabled"]


def _settings(dials: TrackConfig, name: str) -> Settings:
    return Settings(dials.project or name, dials.mlflow_uri, dials.wandb_mode, dials.wait_s)
