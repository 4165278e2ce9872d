"""The commands about runs. Each loads what it needs only when it runs, so that help is quick."""

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli import report, report_runs
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace

runs_app = typer.Typer(help="Runs: list, show, compare, export.", **opt.STYLE)


@runs_app.command("list")
def runs_list(home: opt.Home = None, as_json: opt.Json = False) -> None:
    """List the runs."""
    from holdfast.workflows.runs import runs_list as runs

    columns = ["id", "status", "dataset", "model", "seconds", "created"]
    workspace = find_workspace(home)
    empty = f"no runs yet in {workspace.home}"
    show(runs(workspace), as_json, lambda rows: table(map(_row, rows), columns, empty=empty))


@runs_app.command("show")
def runs_show(run: str, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """Show one run: its facts and its metrics per epoch."""
    from holdfast.workflows.runs import runs_show as facts

    show(facts(run, find_workspace(home)), as_json, report.run)


@runs_app.command("compare")
def runs_compare(
    names: Annotated[
        list[str], typer.Argument(metavar="A B...", help="Runs, or models such as birds@3; two or more.")
    ],
    every: Annotated[bool, typer.Option("--all", help="List the settings that are the same too.")] = False,
    samples: Annotated[int, typer.Option(help="Most samples to list for each pair.", min=0)] = 24,
    html: Annotated[
        Path | None, typer.Option("--html", parser=opt.path, help="Write all of it as one page.")
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Lay runs or models side by side: settings, data, metrics, curves, samples on which they differ.

    Example: holdfast runs compare birds@3 birds@champion --html compared.html
    """
    from holdfast.workflows.comparing import compare_runs

    workspace = find_workspace(home)
    result = compare_runs(names, workspace, every_setting=every, samples=samples, page=html)
    show(result, as_json, report_runs.comparison)


@runs_app.command("export")
def runs_export(
    run: str,
    overrides: opt.Overrides = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="tensorboard, mlflow or wandb; may be given again.")
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Send a run that has ended to TensorBoard, MLflow or W&B; what is there is not sent again.

    Example: holdfast runs export birds-20260101-120000-a1b2 --to tensorboard
    """
    from holdfast.workflows.exporting import export_run

    rows = export_run(run, find_workspace(home), to=to or [], overrides=overrides or [])
    show(rows, as_json, lambda rows: table(rows, ["tool", "said"]))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def reproduce(
    run: Annotated[str, typer.Argument(help="A finished run; `holdfast runs list` shows them.")],
    tolerance: Annotated[
        float | None,
        typer.Option(help="Largest difference of a weight that will do; default: none.", min=0.0),
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Train RUN again, and compare the weights bit for bit; exit code 1 if they are others.

    Example: holdfast reproduce birds-20260101-120000-a1b2
    """
    from holdfast.workflows.reproducing import reproduce_run

    result = reproduce_run(run, find_workspace(home), tolerance=tolerance)
    show(result, as_json, report_runs.reproduction)
    if not result["ok"]:
        raise typer.Exit(1)


def _row(run: dict[str, Any]) -> dict[str, Any]:
    """A run with, in place of the model that it does not register, what it reproduces."""
    origin = run["facts"].get("reproduces")
    return {**run, "model": f"reproduces {origin}" if origin else run["model"]}
