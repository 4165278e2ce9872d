"""The command that loads a server. It loads what it needs only when it runs, so that help is quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace


def loadtest(
    url: Annotated[str, typer.Argument(help="A server of Holdfast, such as http://127.0.0.1:8000.")],
    model: Annotated[str | None, typer.Option("--model", help="Which of several, such as birds.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Send held-out samples of it, such as birds or birds@3.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option("--samples", parser=opt.path, help="Send the files of this folder.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, help="For all steps together; more make surer numbers.")
    ] = 30.0,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", min=0.01, help="Try this many requests a second; may be given again."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=opt.path, help="A folder for numbers, page, samples and locustfile."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="The server is on another machine, and yours.")] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Load the server at URL step by step: answers a second, percentiles, errors, and the knee.

    The key of a server that wants one comes from HOLDFAST_API_KEY.

    Example: holdfast loadtest http://127.0.0.1:8000 --dataset birds --out load
    """
    from holdfast.workflows.loadtest import loadtest as load

    result = load(
        url,
        find_workspace(home),
        model=model,
        dataset=dataset,
        samples=samples,
        seconds=seconds,
        rates=rate or [],
        out=out,
        allow_remote=yes,
    )
    show(result, as_json, _report)


def _report(result: Mapping[str, Any]) -> str:
    from holdfast.workflows.load_page import load_name

    columns = ("requests", "throughput", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
    rows = [
        {
            "load": load_name(step),
            **{name: step[name] for name in columns},
            "errors": ", ".join(f"{status}: {count}" for status, count in step["errors"].items()) or None,
        }
        for step in result["steps"]
    ]
    knee, most = result["knee"], result["saturation"]
    lines = [
        f"server    {result['url']}, {result['model']}",
        f"sent      {result['samples']}",
        "",
        table(rows, ["load", *columns, "errors"]),
        "",
        f"at most   {most['throughput']:,.4g} answers a second",
        "knee      "
        + (f"{knee['rate']:,.4g} a second, p95 {knee['p95_ms']:.4g} ms" if knee else "none was found"),
        *(f"! {note}" for note in result["notes"]),
        *([f"page      {result['page']}"] if "page" in result else []),
    ]
    return "\n".join(lines)
