"""The command that predicts. It loads what it needs only when it runs, so that help is quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from holdfast.cli import options as opt
from holdfast.cli import report
from holdfast.cli.show import show
from holdfast.core.errors import ConfigError
from holdfast.core.workspace import find_workspace

_SOURCES = "Files, folders, archives, @LIST, datasets (birds@3:test) or addresses (s3://, gs://, https://)."


def predict(
    model: Annotated[str, typer.Argument(help="A model, such as birds@champion.")],
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", parser=opt.text_of_path, help=_SOURCES)
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text; may be given again.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=opt.path, help="A folder for the predictions, as Parquet files."),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="Threads, or processes of Ray Data.")
    ] = "local",
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="With --out: threads or processes; default: the cores.")
    ] = 0,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Predict the labels of SOURCES with MODEL. With --out, the same command goes on where it was cut short.

    Example: holdfast predict birds@champion song.ogg

    Example: holdfast predict birds@champion s3://bucket/recordings --out predictions
    """
    workspace = find_workspace(home)
    if out is None:
        if engine != "local" or workers:
            raise ConfigError("--engine and --workers are for many inputs", hint="give --out FOLDER as well")
        from holdfast.workflows.predicting import predict as predict_few

        result = predict_few(model, workspace, sources=sources or [], texts=text or [])
        show(result, as_json, report.predictions)
        if any("error" in item for item in result["predictions"]):
            raise typer.Exit(1)
        return
    if text:
        raise ConfigError(
            "--text is not for --out", hint="write the texts to files, or `holdfast data add` a table"
        )
    from holdfast.workflows.batch import predict_batch

    result = predict_batch(model, workspace, sources or [], out, engine=engine, workers=workers)
    show(result, as_json, _batch)
    if not result["predicted"]:
        raise typer.Exit(1)


def _batch(it: Mapping[str, Any]) -> str:
    parts = f"{it['parts']:,} part" + ("" if it["parts"] == 1 else "s")
    there = f", {it['parts'] - it['made']:,} of them there already" if it["made"] < it["parts"] else ""
    lines = [
        f"model        {it['model']}",
        f"predicted    {it['predicted']:,} of {it['inputs']:,}",
        f"predictions  {it['out']} ({parts}{there})",
    ]
    if it["errors"]:
        lines.append(f"errors       {it['errors']:,}, in the column `error`; the first:")
        lines += [f"             {each['name']}: {each['error']}" for each in it["first_errors"]]
    return "\n".join(lines)
