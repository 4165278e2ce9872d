"""The command about sweeps. It loads what it needs only when it runs, so that help is quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import show, table, warner
from holdfast.core.workspace import find_workspace

Values = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUES]...", help="Such as optim.lr=interval(1e-5,1e-2); or a sweep.yaml."),
]


def sweep(
    dataset: Annotated[str, typer.Argument(help="A dataset, such as birds or birds@3.")],
    values: Values = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", parser=opt.path, help="A YAML file of settings, or a sweep.yaml of W&B."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the sweep; default: made from what it varies.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="In all; default: 20, or the whole grid.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the trials.")] = 1,
    method: Annotated[
        Literal["grid", "random", "tpe"] | None,
        typer.Option("--method", help="Default: grid for a small one, else tpe."),
    ] = None,
    prune: Annotated[
        Literal["median", "halving", "none"] | None,
        typer.Option("--prune", help="Which trials are cut short; default: median."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same draws.")] = 0,
    register: Annotated[
        bool, typer.Option("--register", help="Train, export and register the best settings at the end.")
    ] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Train on DATASET with many settings and say which did best in validation.

    The same command goes on with a sweep that was cut short; in a second terminal it shares the trials.

    Example: holdfast sweep birds "optim.lr=interval(1e-5,1e-2)" "model.width=choice(16,32)"
    """
    from holdfast.workflows.planning import Options
    from holdfast.workflows.sweeping import sweep as run_sweep

    options = Options(name, trials, workers, method, prune, seed, register)
    result = run_sweep(
        dataset,
        find_workspace(home),
        overrides=values or [],
        config_file=config,
        options=options,
        warn=warner(as_json),
    )
    show(result, as_json, _report)
    if result["best"] is None:
        raise typer.Exit(1)


def _report(result: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in result["counts"].items() if count)
    rows = [
        {
            "trial": row["number"] + 1,
            "state": row["state"],
            **row,
            result["metric"]: row["value"],
            **row["settings"],
        }
        for row in result["trials"]
    ]
    keys = list(result["trials"][0]["settings"]) if result["trials"] else []
    lines = [
        f"sweep     {result['sweep']} on {result['dataset']}: {counts or 'no trials'}",
        *(f"! {note}" for note in result["notes"]),
        "",
        table(rows, ["trial", "state", result["metric"], "epochs", "seconds", *keys, "run"]),
        *(f"✗ trial {row['trial']}: {row['reason']}" for row in rows if row["reason"]),
        "",
        *_best(result),
        f"page      {result['page']}",
    ]
    return "\n".join(lines)


def _best(result: Mapping[str, Any]) -> list[str]:
    best, shares = result["best"], result["importance"]
    if best is None:
        return ["best      none: no trial has finished"]
    lines = [f"best      trial {best['number'] + 1}: validation {result['metric']} {best['value']:.4g}"]
    if shares:
        ordered = sorted(shares.items(), key=lambda item: -item[1])
        lines.append("matters   " + ", ".join(f"{key} {share:.0%}" for key, share in ordered))
    if "registered" in result:
        return [*lines, f"model     {result['registered']['model']}"]
    return [*lines, f"train it  {result['command']}"]
