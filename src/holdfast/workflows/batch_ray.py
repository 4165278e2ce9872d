"""Predicts parts in processes that Ray Data starts and feeds; the extra `ray`."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bundle import open_bundle
from holdfast.core.errors import ConfigError, DataError, HoldfastError
from holdfast.workflows.batch_parts import Plan, read_plan
from holdfast.workflows.batch_worker import Worker

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it would speak on stderr of what is no fault
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on any system: listen on the loopback address alone
}
_STORE_BYTES = 100 * 2**20  # only the numbers of parts go through it
_MOST_BLOCKS = 1024
_RESTARTS, _RETRIES = 100, 3


class RayWorker:
    """A process's engine, with one thread. Ray makes it once for each process and calls it for each part."""

    def __init__(self, folder: str, bundle: str) -> None:
        self._plan = read_plan(Path(folder))
        self._worker = Worker(self._plan, open_bundle(Path(bundle)), threads=1)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Predict the parts that are not done yet (those of a process that died are handed out again).

        Args:
            batch: `part`, the numbers of parts.

        Returns:
            `rows`, how many inputs each has; `error` and `hint`, empty unless no further part can be done.
        """
        rows, error, hint = 0, "", ""
        try:
            for part in batch["part"].tolist():
                if not self._plan.is_done(part):
                    sum(self._worker.run([part]))
                rows += self._plan.rows_of(part)
        except HoldfastError as why:  # Ray would put a page of traces around it
            error, hint = why.message, why.hint or ""
        return {"rows": [rows], "error": [error], "hint": [hint]}


def run_on_ray(plan: Plan, bundle: Path, parts: Sequence[int], *, workers: int) -> Iterator[int]:
    """Predict parts and write them, in `workers` processes on this machine.

    Yields:
        How many more inputs are done, again and again.

    Raises:
        ConfigError: if Ray is not installed.
        DataError: if nothing can be read any more, for want of a login, say.
    """
    with _ray(workers) as ray:
        data = ray.data.from_items(
            [{"part": part} for part in parts], override_num_blocks=min(len(parts), _MOST_BLOCKS)
        )
        done = data.map_batches(
            RayWorker,
            fn_constructor_args=(str(plan.folder.resolve()), str(bundle.resolve())),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(parts))),
            ray_remote_args_fn=lambda: {"max_restarts": _RESTARTS, "max_task_retries": _RETRIES},
        )
        try:
            for row in done.iter_rows():
                if row["error"]:
                    raise DataError(row["error"], hint=row["hint"] or None)
                yield int(row["rows"])
        except ray.exceptions.RayActorError as error:
            raise DataError(
                f"a process of Ray died {_RETRIES + 1} times in a row, without a word",
                hint="look whether memory ran out (fewer --workers need less), or whether a file crashes its "
                "decoder; the same command goes on",
            ) from error


@contextmanager
def _ray(workers: int) -> Iterator[Any]:
    """Ray on this machine alone: no dashboard, no statistics sent, nothing left behind.

    What Ray reads from the environment it reads when it is imported.
    """
    os.environ.update(_ENVIRONMENT)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "ray":
            raise
        raise ConfigError(
            "--engine ray needs Ray, which is not installed",
            hint="pip install 'holdfast[ray]', or leave --engine out: the predictions are the same",
        ) from None
    # Until 2.64 Ray knows no other way to say how often a process may begin anew, but warns of this one; on
    # its import it asks for these warnings, so only now can they be turned down.
    warnings.filterwarnings("ignore", message=".*ray_remote_args")
    scratch = tempfile.mkdtemp(prefix="hf-")  # short: names of sockets may not be long
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        with _hushed():
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_STORE_BYTES,
                _temp_dir=scratch,
            )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing reaches stderr: on its way to being quiet, Ray says there that it will be."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
