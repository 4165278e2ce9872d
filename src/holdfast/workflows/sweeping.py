"""Many trainings on one dataset version, to find the settings that do best on its validation split.

No test score is computed in a sweep: who picks by it measures nothing any more.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from holdfast.core.cores import cores
from holdfast.core.errors import ConfigError, DataError, HoldfastError, listed
from holdfast.core.files import digest_bytes, write_json
from holdfast.core.locks import locked
from holdfast.core.progress import say
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import Version, open_version
from holdfast.modality import prepare
from holdfast.sweep import Claim, Pruned, Trials, is_wandb, with_settings, write_page
from holdfast.tracking import Run, open_run
from holdfast.tracking.record import CHECKPOINTS
from holdfast.train import fit
from holdfast.workflows.planning import DEFINITION, Definition, Options, define, override
from holdfast.workflows.training import doubts, run_details, run_key, tokenizer_for, train_run

PAGE = "report.html"
_WORKER = "import sys; from holdfast.workflows.sweeping import _worker; _worker(*sys.argv[1:])"


def sweep(
    dataset: str,
    workspace: Workspace,
    *,
    overrides: Sequence[str] = (),
    config_file: Path | None = None,
    options: Options | None = None,
    warn: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train with many settings and say which did best on the validation split.

    The same call goes on with a sweep that was cut short, and several at once share its trials.

    Args:
        dataset: a reference, such as `birds` or `birds@3`.
        overrides: settings in Hydra's grammar; those that name several values are varied. One may be the
            path of a `sweep.yaml` of W&B.
        config_file: a YAML file of settings, or a `sweep.yaml` of W&B.
        warn: is told before the first trial what is wrong or doubtful with the data.

    Raises:
        ConfigError: before the first trial, if a value is not allowed or nothing varies.
        DataError: if there are no validation samples.
        RefError: if there is no such dataset version.
    """
    began, options = time.monotonic(), options or Options()
    with open_version(workspace.datasets, parse_ref(dataset)) as version:
        definition = define(version, workspace, overrides, config_file, options)
        folder = workspace.sweeps / definition.name
        definition = _agree(folder, definition)
        trials = Trials(folder, definition.plan)
        trials.go_on()
        found = doubts(version, warn)
        for note in definition.notes:
            say(note)
        share = max(1, cores() // options.workers)
        threads = share if options.workers > 1 and not definition.config.device.threads else None
        try:
            with ExitStack() as stack:
                for number in range(1, options.workers):
                    stack.enter_context(_process(workspace, definition.name, number, threads))
                _work(trials, definition, version, workspace, threads)
            _work(trials, definition, version, workspace, threads)  # what a killed worker left
        finally:
            result = {**_result(folder, trials, definition, config_file), "findings": found}
            write_page(folder / PAGE, result)
    reason = trials.why_stopped()
    if reason:
        raise ConfigError(reason, hint=f"the trials so far are in {folder / PAGE}")
    if options.register and result["best"]:
        chosen = train_run(
            definition.dataset,
            workspace,
            overrides=_overrides_of_best(definition, result["best"]),
            config_file=None if config_file and is_wandb(config_file) else config_file,
            repeat=False,
        )
        result["registered"] = {name: chosen[name] for name in ("model", "run", "headline", "metrics")}
    return {**result, "seconds": time.monotonic() - began}


def _agree(folder: Path, definition: Definition) -> Definition:
    """Begin the sweep, or check that the one of this name is the same; its number of trials may change."""
    with locked(folder / ".lock", what=f"sweep {definition.name}"):
        if (folder / DEFINITION).exists():
            before, after = (
                json.loads(json.dumps(d.to_json())) for d in (Definition.read(folder), definition)
            )
            different = [
                part for part in ("dataset", "fingerprint", "config", "plan") if before[part] != after[part]
            ]
            if different:
                problems = [f"{part}: not as it was when the sweep began" for part in different]
                raise ConfigError(
                    listed(f"sweep {definition.name}", problems),
                    hint="choose another --name, or leave it out",
                )
        write_json(folder / DEFINITION, definition.to_json())
    return definition


def _work(
    trials: Trials, definition: Definition, version: Version, workspace: Workspace, threads: int | None
) -> None:
    """Do trials until there are enough."""
    while (claim := trials.claim(definition.trials)) is not None:
        try:
            _try(claim, definition, version, workspace, threads)
        except (ConfigError, DataError) as error:
            trials.stop(error.message)
            raise
        except (KeyboardInterrupt, OSError):
            claim.give_back()
            raise
        finally:
            claim.release()
        _tidy(trials, workspace)
        _tell(trials, claim.number, definition)


def _try(
    claim: Claim, definition: Definition, version: Version, workspace: Workspace, threads: int | None
) -> None:
    """One trial: an ordinary training that reports each epoch."""
    config = with_settings(
        definition.config, {**claim.settings, **({"device.threads": threads} if threads else {})}
    )
    metric = definition.plan.metric
    key = digest_bytes(f"{definition.name} {claim.number} {run_key(config, version)}".encode())
    details = {
        **run_details(config, version),
        "sweep": definition.name,
        "trial": claim.number,
        "settings": claim.settings,
    }

    def on_epoch(epoch: int, values: dict[str, float]) -> None:
        if values.get(metric) is not None:
            claim.report(epoch, values[metric])

    with open_run(workspace.runs, name=version.info.name, key=key, details=details) as run:
        claim.note(run=run.id)
        try:
            for row in run.metrics():  # epochs that were measured, but not reported before a kill
                if "epoch" in row:
                    on_epoch(row["epoch"], row)
            preparation = prepare(config.prepare, tokenizer_for(run.folder, config, version))
            done = fit(config, version, preparation, run, on_epoch=on_epoch)
            claim.note(threads=done.threads)
            if done.best.get(metric) is None:
                raise HoldfastError(f"the validation split gives no {metric}")
            run.finish(validation=done.best)
            claim.finish(done.best[metric])
        except Pruned:
            run.prune(f"trial {claim.number} of sweep {definition.name} fell behind the others")
            claim.prune()
        except Exception as error:
            _failed(claim, run, error)


def _failed(claim: Claim, run: Run, error: Exception) -> None:
    """Record what went wrong; raise it again where the next trial would meet it too."""
    if isinstance(error, OSError):  # a full disk: the trial can be taken up again
        raise error
    reason = f"{type(error).__name__}: {error.message if isinstance(error, HoldfastError) else error}"
    run.fail(reason)
    claim.fail(reason)
    # of torch, too little memory is a RuntimeError
    mendable = HoldfastError | MemoryError | RuntimeError | ArithmeticError
    if isinstance(error, ConfigError | DataError) or not isinstance(error, mendable):
        raise error


def _tidy(trials: Trials, workspace: Workspace) -> None:
    """Only the best trial keeps its weights: a sweep of a large network would fill the disk."""
    best = trials.best()
    for trial in trials.all():
        if trial.run and trial.state in ("finished", "pruned", "failed") and trial != best:
            shutil.rmtree(workspace.runs / trial.run / CHECKPOINTS, ignore_errors=True)


def _tell(trials: Trials, number: int, definition: Definition) -> None:
    trial, best = trials.all()[number], trials.best()
    value = "" if trial.value is None else f" {definition.plan.metric} {trial.value:.4g}"
    reached = "" if best is None else f" (best {best.value:.4g})"
    say(f"trial {number + 1} of {definition.trials}: {trial.state}{value}{reached}")


@contextmanager
def _process(workspace: Workspace, name: str, number: int, threads: int | None) -> Iterator[None]:
    """Another process that works on the sweep. It ends when this one does, however this one ends."""
    folder = workspace.sweeps / name
    command = [sys.executable, "-c", _WORKER, str(workspace.home), name, str(threads or 0)]
    with (folder / f"worker-{number}.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603
    try:
        yield
        if process.wait():
            print(f"worker {number} ended with code {process.returncode}: see {log.name}", file=sys.stderr)
    finally:
        if process.stdin:
            process.stdin.close()  # what it waits for, to know that nobody needs it any more
        process.wait()


def _worker(home: str, name: str, threads: str) -> None:
    """What the processes of `--workers` run."""
    _end_with_parent()
    workspace = Workspace(Path(home))
    definition = Definition.read(workspace.sweeps / name)
    with open_version(workspace.datasets, parse_ref(definition.dataset)) as version:
        trials = Trials(workspace.sweeps / name, definition.plan)
        _work(trials, definition, version, workspace, int(threads) or None)


def _end_with_parent() -> None:
    """End at once when the other end of stdin closes. A sweep survives that at any moment."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _result(folder: Path, trials: Trials, definition: Definition, config_file: Path | None) -> dict[str, Any]:
    rows, best, plan = trials.all(), trials.best(), definition.plan
    found = None if best is None else best.to_json()
    return {
        "sweep": definition.name,
        "dataset": definition.dataset,
        "metric": plan.metric,
        "goal": "maximize" if plan.maximize else "minimize",
        "method": plan.method,
        "pruning": plan.pruning.kind,
        "dials": [str(dial) for dial in plan.dials],
        "log_scale": [dial.key for dial in plan.dials if dial.log],
        "notes": list(definition.notes),
        "counts": {
            state: sum(row.state == state for row in rows)
            for state in ("finished", "pruned", "failed", "running")
        },
        "trials": [row.to_json() for row in rows],
        "best": found,
        "importance": trials.importance(),
        "command": None if found is None else _command(definition, found, config_file),
        "page": str(folder / PAGE),
    }


def _overrides_of_best(definition: Definition, best: dict[str, Any]) -> list[str]:
    chosen = [override(key, value) for key, value in best["settings"].items()]
    if not definition.config.device.threads and best["threads"] not in (None, cores()):
        chosen.append(f"device.threads={best['threads']}")  # only these give the same weights
    return [*definition.fixed, *chosen]


def _command(definition: Definition, best: dict[str, Any], config_file: Path | None) -> str:
    parts = ["holdfast", "train", definition.dataset, *_overrides_of_best(definition, best)]
    if config_file and not is_wandb(config_file):
        parts += ["--config", str(config_file)]
    return shlex.join(parts)
