"""The commands about API keys. Each loads what it needs only when it runs, so that help is quick."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace

keys_app = typer.Typer(help="API keys of a server: add, list, remove.", **opt.STYLE)


@keys_app.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="Who gets it.")],
    overrides: opt.Overrides = None,
    expires: Annotated[str | None, typer.Option(help="Such as 90d, 12h or 2030-01-31.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at once.")] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Make a key for NAME, and show it: this once, as only its digest is kept.

    Example: holdfast keys add alice --expires 90d serve.keys=/etc/holdfast/keys.json
    """
    from holdfast.workflows.keys import keys_add as add

    result = add(
        name,
        find_workspace(home),
        expires=expires,
        rate=rate,
        concurrency=concurrency,
        overrides=overrides or [],
    )
    show(result, as_json, lambda it: str(it["key"]))  # alone, for KEY=$(holdfast keys add NAME)
    if not as_json:
        print(f"It is not shown again: {result['file']} keeps its digest only.", file=sys.stderr)


@keys_app.command("list")
def keys_list(overrides: opt.Overrides = None, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """List the keys: whose they are, since when and until when; not the keys themselves."""
    from holdfast.workflows.keys import keys_list as keys

    columns = ["name", "created", "expires", "valid", "rate", "concurrency"]
    rows = keys(find_workspace(home), overrides=overrides or [])
    show(rows, as_json, lambda rows: table(rows, columns, empty="no keys yet"))


@keys_app.command("remove")
def keys_remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Whose keys; and settings.")],
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Take the key of NAME away, or those of several; servers that run refuse them within two seconds.

    Example: holdfast keys remove alice bob serve.keys=/etc/holdfast/keys.json
    """
    from holdfast.workflows.keys import keys_remove as remove

    overrides = [word for word in names if "=" in word]  # which no name can hold
    given = [word for word in names if "=" not in word]
    if not given:
        raise typer.BadParameter("whose key is to be removed?", param_hint="NAME")
    result = remove(given, find_workspace(home), overrides=overrides)
    show(result, as_json, _removed)


def _removed(result: Mapping[str, Any]) -> str:
    left = f"{result['left']} left" if result["left"] else "none is left, and so nobody is let in"
    return f"removed {', '.join(result['removed'])}; {left}"
