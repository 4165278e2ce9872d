"""The commands. Each loads what it needs only when it runs, so that help is quick."""

import sys
from typing import Annotated, Literal

import typer

from holdfast.cli import find, remote, report, signing
from holdfast.cli import options as opt
from holdfast.cli.checklist import checklist
from holdfast.cli.client import client
from holdfast.cli.data import data_app
from holdfast.cli.journal import journal_app
from holdfast.cli.keys import keys_app
from holdfast.cli.loadtest import loadtest
from holdfast.cli.optimize import optimize
from holdfast.cli.predict import predict
from holdfast.cli.reports import report_app
from holdfast.cli.runs import reproduce, runs_app
from holdfast.cli.show import interruptible, show, table, warner
from holdfast.cli.sweep import sweep
from holdfast.core.workspace import Workspace, find_workspace

_HELP = "Take a classifier from a folder of labelled files to a monitored API."

app = typer.Typer(help=_HELP, pretty_exceptions_enable=False, **opt.STYLE)
models_app = typer.Typer(help="Models: list, show, promote, rollback, sign, verify.", **opt.STYLE)
config_app = typer.Typer(help="Settings: show.", **opt.STYLE)
find_app = typer.Typer(help="Find a learning rate or a batch size.", **opt.STYLE)
for _name, _app in (
    ("data", data_app),
    ("runs", runs_app),
    ("models", models_app),
    ("keys", keys_app),
    ("config", config_app),
    ("find", find_app),
    ("journal", journal_app),
    ("report", report_app),
):
    app.add_typer(_app, name=_name)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Take a classifier from a folder of labelled files to a monitored API."""
    if version:
        from holdfast import __version__

        print(f"holdfast {__version__}")
        raise typer.Exit


@app.command()
def up(
    source: opt.Source,
    overrides: opt.Overrides = None,
    name: opt.Name = None,
    label: opt.Label = None,
    between: opt.Between = None,
    group: opt.Group = None,
    group_name: opt.GroupName = None,
    text: opt.Text = None,
    file: opt.File = None,
    split: opt.Split = None,
    time: opt.Time = None,
    ignore: opt.Ignore = None,
    test: opt.TestShare = 0.2,
    valid: opt.ValidShare = 0.1,
    config: opt.ConfigFile = None,
    force: opt.Force = False,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the model afterwards.")] = True,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Take SOURCE all the way: ingest, check, train, evaluate, export, register, serve.

    Example: holdfast up ./birds --group recording_id
    """
    from holdfast.workflows.up import up as go_up

    workspace = find_workspace(home)
    options = opt.source_options(
        label, between, group, group_name, text, file, split, time, ignore, test, valid
    )
    with interruptible():
        result = go_up(
            source,
            workspace,
            name=name,
            options=options,
            overrides=overrides or [],
            config_file=config,
            force=force,
        )
    show(result, as_json, report.up)
    if serve:
        from holdfast.workflows.serving import serve_model

        serve_model(
            result["model"],
            workspace,
            overrides=overrides or [],
            config_file=config,
            on_ready=lambda url: _open_page(result["model"], url),
        )


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="A dataset, such as birds or birds@3.")],
    overrides: opt.Overrides = None,
    config: opt.ConfigFile = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Train on DATASET, export and evaluate the result, and register it.

    Example: holdfast train birds optim.lr=1e-3
    """
    from holdfast.workflows.training import followed, train_run

    if followed():
        return
    with interruptible():
        result = train_run(
            dataset, find_workspace(home), overrides=overrides or [], config_file=config, warn=warner(as_json)
        )
    show(result, as_json, report.training)


app.command()(sweep)
app.command()(checklist)
data_app.command()(remote.push)
data_app.command()(remote.pull)
find_app.command()(find.lr)
find_app.command()(find.batch)
app.command()(reproduce)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model, such as birds@champion.")],
    data: Annotated[str | None, typer.Option("--data", help="A dataset version; default: its own.")] = None,
    split: Annotated[Literal["train", "valid", "test"], typer.Option("--split")] = "test",
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Measure MODEL through the serving engine, beside its baselines.

    Example: holdfast evaluate birds@champion --data birds@4
    """
    from holdfast.workflows.evaluating import evaluate_model

    show(evaluate_model(model, find_workspace(home), dataset=data, split=split), as_json, report.evaluation)


app.command()(predict)
app.command()(optimize)
models_app.command()(signing.sign)
models_app.command()(signing.verify)


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="A model, such as birds@champion, or a bundle's folder.")],
    overrides: opt.Overrides = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Serve MODEL over HTTP, with a page to try it, until interrupted; words without = are more models.

    Example: holdfast serve birds@champion faces@2 serve.port=9000
    """
    _serve(model, find_workspace(home), overrides or [], as_json)


app.command()(loadtest)
app.command()(client)


@models_app.command("list")
def models_list(home: opt.Home = None, as_json: opt.Json = False) -> None:
    """List the models."""
    from holdfast.workflows.models import models_list as models

    workspace = find_workspace(home)
    empty = f"no models yet in {workspace.home}"
    show(models(workspace), as_json, lambda rows: report.models(rows, empty=empty))


@models_app.command("show")
def models_show(ref: str, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """Show one model: its metrics, aliases and history."""
    from holdfast.workflows.models import models_show as facts

    show(facts(ref, find_workspace(home)), as_json, report.model)


@models_app.command("promote")
def models_promote(
    ref: str,
    alias: Annotated[str, typer.Argument()] = "champion",
    force: opt.Force = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Move ALIAS to a model, if it passes the gate."""
    from holdfast.workflows.models import models_promote as promote

    show(promote(ref, find_workspace(home), alias=alias, force=force), as_json, report.promotion)


@models_app.command("rollback")
def models_rollback(
    name: str,
    alias: Annotated[str, typer.Argument()] = "champion",
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Give ALIAS back to the version that had it before."""
    from holdfast.workflows.models import models_rollback as rollback

    show(rollback(name, find_workspace(home), alias=alias), as_json, report.promotion)


@config_app.command("show")
def config_show(
    overrides: opt.Overrides = None,
    config: opt.ConfigFile = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Show each setting with where it came from.

    Example: holdfast config show recipe=audio optim.lr=1e-3
    """
    from holdfast.workflows.settings import config_show as settings

    rows = settings(find_workspace(home), overrides or [], config)
    show(rows, as_json, lambda rows: table(rows, ["key", "value", "source"]))


def _open_page(model: str, url: str) -> None:
    print(f"{model} is served at {url}", file=sys.stderr)
    if sys.stdout.isatty():
        typer.launch(url)


def _serve(model: str, workspace: Workspace, overrides: list[str], as_json: bool = False) -> None:
    from holdfast.workflows.serving import serve_model

    others = [word for word in overrides if "=" not in word and not word.startswith("~")]

    def announce(url: str) -> None:
        facts = {"model": model, **({"others": others} if others else {}), "url": url}
        verb = "are" if others else "is"
        show(facts, as_json, lambda it: f"{', '.join([model, *others])} {verb} served at {it['url']}")

    dials = [word for word in overrides if word not in others]
    serve_model(model, workspace, overrides=dials, others=others, on_ready=announce)
