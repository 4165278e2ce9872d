"""The command that makes a model smaller and faster. It loads what it needs only when it runs."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import cell, show, table
from holdfast.core.errors import ConfigError
from holdfast.core.workspace import find_workspace


def optimize(
    model: Annotated[str, typer.Argument(help="A model, such as birds@3.")],
    overrides: opt.Overrides = None,
    int8: Annotated[bool, typer.Option("--int8", help="Eight-bit numbers: faster on a CPU.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Fewer channels, after a short training.")] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="Half precision: faster on a GPU.")] = False,
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="Points of the headline metric to lose; default: 0.5."),
    ] = None,
    config: opt.ConfigFile = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Make a smaller or faster version of MODEL, and register it if it loses no more than the budget.

    Example: holdfast optimize birds@3 --int8 --budget 1
    """
    from holdfast.workflows.optimizing import optimize_model

    result = optimize_model(
        model,
        find_workspace(home),
        way=_way(prune=prune, int8=int8, fp16=fp16),
        overrides=[*(overrides or []), *([] if budget is None else [f"optimize.budget={budget}"])],
        config_file=config,
    )
    show(result, as_json, _told)
    if not result["accepted"]:
        raise typer.Exit(1)


def _way(**asked: bool) -> Any:
    named = [name for name, is_asked in asked.items() if is_asked]
    if "fp16" in named and len(named) > 1:
        raise ConfigError(
            f"--fp16 does not go with --{named[0]}",
            hint="take one of them; --prune and --int8 go together",
        )
    return "+".join(named) or None


def _told(it: Mapping[str, Any]) -> str:
    rows = [{"": name, **pair, "change": _change(name, pair)} for name, pair in it["table"].items()]
    found, apart = it["difference"], it["parity"]
    ends = "" if found["low"] is None else f" ({found['low']:+.2f} to {found['high']:+.2f})"
    points = "not defined" if found["points"] is None else f"{found['points']:+.2f} points{ends}"
    made = it["model"] if it["accepted"] else "nothing"
    lines = [
        f"{made} made from {it['original']}: {it['how']}",
        "",
        table(rows, ["", "original", "optimized", "change"]),
        "",
        f"difference  {it['headline']} {points} on {it['samples']} held-out samples; the budget is "
        f"{it['budget']:g}",
        f"parity      largest difference {apart['max_difference']:.1e}, equal labels "
        f"{apart['equal_labels']:.1%} of {apart['samples']}",
        *(f"! {note}" for note in it["notes"]),
        *([] if it["accepted"] else [f"✗ not registered: {it['reason']}"]),
        "",
        f"tried, with points on {it['tried_on']['samples']} samples of the {it['tried_on']['split']} split:",
        table(it["tried"], ["how", "size_mb", "latency_ms", "times_as_fast", "points", "apart", "failed"]),
    ]
    return "\n".join(lines)


def _change(name: str, pair: Mapping[str, float | None]) -> str:
    before, after = pair["original"], pair["optimized"]
    if before is None or after is None:
        return "-"
    if name in ("size_mb", "latency_ms"):
        better = "smaller" if name == "size_mb" else "faster"
        return f"{cell(before / after)} times {better}" if after else "-"
    return f"{after - before:+.4f}"
