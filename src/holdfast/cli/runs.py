"""The commands about runs. Each loads what it needs only when it runs, so that help is quick."""

import typer

from holdfast.cli import options as opt
from holdfast.cli import report
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace

runs_app = typer.Typer(help="Runs: list, show.", **opt.STYLE)


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
