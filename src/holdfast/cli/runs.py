"""The commands about runs. Each loads what it needs only when it runs, so that help is quick."""

from typing import Annotated

import typer

from holdfast.cli import options as opt
from holdfast.cli import report
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace

runs_app = typer.Typer(help="Runs: list, show, export.", **opt.STYLE)


@runs_app.command("list")
def runs_list(home: opt.Home = None, as_json: opt.Json = False) -> None:
    """List the runs."""
    from holdfast.workflows.runs import runs_list as runs

    columns = ["id", "status", "dataset", "model", "seconds", "created"]
    workspace = find_workspace(home)
    empty = f"no runs yet in {workspace.home}"
    show(runs(workspace), as_json, lambda rows: table(rows, columns, empty=empty))


@runs_app.command("show")
def runs_show(run: str, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """Show one run: its facts and its metrics per epoch."""
    from holdfast.workflows.runs import runs_show as facts

    show(facts(run, find_workspace(home)), as_json, report.run)


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
