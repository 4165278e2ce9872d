"""Predict any number of inputs into a folder of Parquet files; a run that was cut short is gone on with."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.bundle import Bundle
from holdfast.core.cores import cores
from holdfast.core.errors import DataError
from holdfast.core.files import clear_aside
from holdfast.core.locks import try_lock
from holdfast.core.progress import progress
from holdfast.core.workspace import Workspace
from holdfast.workflows.batch_inputs import find_inputs
from holdfast.workflows.batch_parts import Plan, begin
from holdfast.workflows.serving import find_bundle, serve_config

RunsOn = Literal["local", "ray"]
_SHOWN = 3


def predict_batch(
    ref: str,
    workspace: Workspace,
    sources: Sequence[str],
    out: Path,
    *,
    engine: RunsOn = "local",
    workers: int = 0,
) -> dict[str, Any]:
    """Predict all inputs; those that cannot be read or decoded have an `error` in place of a prediction.

    The predictions are the same, bit for bit, whatever the engine, the number of workers, or kills before.

    Args:
        ref: a reference, such as `birds@champion`, or the path of a bundle's folder.
        sources: as `find_inputs` takes them.
        out: a folder that is new, or has some of these predictions.
        engine: threads of this process, or processes of Ray.
        workers: threads or processes; 0 takes `serve.threads`, and if that is 0 too, one a core.

    Raises:
        DataError: if there is nothing to predict, a source is not there, the folder holds something else, or
            the inputs are others than when they were begun.
    """
    name, bundle = find_bundle(ref, workspace)
    config = serve_config(bundle, workspace)
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file", hint="name a folder, which need not exist yet")
    origins, inputs = find_inputs(sources, workspace, bundle.manifest.modality)
    lock = try_lock(out / ".lock")
    if lock is None:
        raise DataError(
            f"another process is predicting into {out}", hint="wait for it, or name another --out"
        )
    with lock:
        clear_aside(out)
        plan = begin(
            out, model=name, bundle=bundle.digest, batch=config.batch, origins=origins, inputs=inputs
        )
        del inputs  # as much memory as all names take
        missing = [part for part in range(plan.parts) if not plan.is_done(part)]
        _predict(plan, bundle, missing, engine=engine, workers=workers or config.threads or cores())
    return {"model": name, "out": str(out), "parts": plan.parts, "made": len(missing), **_sums(plan)}


def _predict(plan: Plan, bundle: Bundle, missing: Sequence[int], *, engine: RunsOn, workers: int) -> None:
    done = plan.rows - sum(map(plan.rows_of, missing))
    with progress("predict", plan.rows, done=done, unit="samples") as bar:
        for count in _run(plan, bundle, missing, engine, workers) if missing else ():
            bar.advance(count)


def _run(plan: Plan, bundle: Bundle, missing: Sequence[int], engine: RunsOn, workers: int) -> Iterator[int]:
    if engine == "ray":
        from holdfast.workflows.batch_ray import run_on_ray

        return run_on_ray(plan, bundle.folder, missing, workers=workers)
    from holdfast.workflows.batch_worker import Worker

    return Worker(plan, bundle, threads=workers).run(missing)


def _sums(plan: Plan) -> dict[str, Any]:
    """How many inputs were predicted, how many not, and the first of these."""
    errors, first = 0, list[dict[str, str]]()
    for part in range(plan.parts):
        with parquet.ParquetFile(plan.path(part)) as file:
            place = file.schema_arrow.get_field_index("error")
            found = [file.metadata.row_group(group).column(place) for group in range(file.num_row_groups)]
            count = sum(it.num_values - it.statistics.null_count for it in found)
            if count and len(first) < _SHOWN:
                rows = file.read(["name", "error"])
                first += rows.filter(pc.is_valid(rows["error"])).slice(0, _SHOWN - len(first)).to_pylist()
            errors += count
    return {"inputs": plan.rows, "predicted": plan.rows - errors, "errors": errors, "first_errors": first}
