"""The commands about a server's journal of predictions. Each loads what it needs only when it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show, table

journal_app = typer.Typer(help="What a server predicted: show, export, compact, prune.", **opt.STYLE)
_Where = Annotated[str, typer.Argument(metavar="WHERE", help="What the server has as serve.journal.where.")]


@journal_app.command("show")
def journal_show(
    where: _Where,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20,
    as_json: opt.Json = False,
) -> None:
    """Show the newest predictions, and what people said of them.

    Example: holdfast journal show ./journal
    """
    from holdfast.workflows.journal import journal_show as newest

    columns = ["time", "model", "name", "predicted", "uncertainty", "true", "id"]
    empty = "no predictions that are not compacted"
    show(newest(where, limit=limit), as_json, lambda rows: table(map(_row, rows), columns, empty=empty))


@journal_app.command("export")
def journal_export(
    where: _Where,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", parser=opt.path, help="What is made.")],
    model: Annotated[str | None, typer.Option(help="Only what this model was asked.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Make a dataset of what has a true label and was kept; `holdfast data add FOLDER` takes it.

    Example: holdfast journal export ./journal ./labelled
    """
    from holdfast.workflows.journal import journal_export as export

    show(export(where, folder, model=model), as_json, _exported)


@journal_app.command("compact")
def journal_compact(
    where: _Where,
    days: Annotated[float, typer.Option(help="Leave what is younger.", min=0.0)] = 0.0,
    as_json: opt.Json = False,
) -> None:
    """Turn finished files into Parquet, a folder for each day. Run it anywhere, as often as you like.

    Example: holdfast journal compact s3://bucket/journal --days 7
    """
    from holdfast.workflows.journal import journal_compact as compact

    show(compact(where, days=days), as_json, _compacted)


@journal_app.command("prune")
def journal_prune(
    where: _Where,
    days: Annotated[float, typer.Option(help="Remove the days that ended longer ago.", min=0.0)],
    as_json: opt.Json = False,
) -> None:
    """Remove what is old: records, inputs and labels of whole days.

    Example: holdfast journal prune ./journal --days 30
    """
    from holdfast.workflows.journal import journal_prune as prune

    show(prune(where, days=days), as_json, lambda it: f"{len(it['removed'])} files removed")


def _row(record: dict[str, Any]) -> dict[str, Any]:
    truth = record["truth"]
    return {
        **record,
        "time": record["time"][:19].replace("T", " "),
        "name": record["name"] or "",
        "predicted": ", ".join(record["labels"]) or "(none)",
        "true": (", ".join(truth["labels"]) or "(none)") if truth else "",
    }


def _exported(it: dict[str, Any]) -> str:
    left = ", ".join(f"{count} {why}" for why, count in it["left_out"].items())
    lines = [f"{it['samples']} samples in {it['folder']}; left out: {left}"]
    if it["labels_without_prediction"]:
        lines.append(
            f"{it['labels_without_prediction']} labels are of predictions that are not in this journal"
        )
    if len(it["labels"]) == 1:
        lines.append(
            f"! {it['labels'][0]!r} is the only label so far: `holdfast data add` asks for two or more"
        )
    return "\n".join(lines)


def _compacted(it: dict[str, Any]) -> str:
    told = (
        f"{it['segments']} files with {it['predictions']} predictions and {it['feedback']} labels compacted"
    )
    return told + (f"; {it['torn']} lines had been cut short" if it["torn"] else "")
