"""The commands that find a learning rate or a batch size, with a plot."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.plot import curve
from holdfast.cli.show import show, table
from holdfast.core.workspace import find_workspace

Dataset = Annotated[str, typer.Argument(help="A dataset, such as birds or birds@3.")]


def lr(
    dataset: Dataset,
    overrides: opt.Overrides = None,
    steps: Annotated[int, typer.Option("--steps", min=10, help="Each at a higher rate.")] = 100,
    config: opt.ConfigFile = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Raise the learning rate from step to step and plot the loss.

    Example: holdfast find lr birds model.width=32
    """
    from holdfast.workflows.finding import find_lr

    found = find_lr(dataset, find_workspace(home), overrides=overrides or [], config_file=config, steps=steps)
    show(found, as_json, _rates)


def batch(
    dataset: Dataset,
    overrides: opt.Overrides = None,
    largest: Annotated[int, typer.Option("--largest", min=2, help="Size to stop at.")] = 1024,
    config: opt.ConfigFile = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Double the batch until memory ends and plot the samples a second.

    Example: holdfast find batch birds
    """
    from holdfast.workflows.finding import find_batch_size

    found = find_batch_size(
        dataset, find_workspace(home), overrides=overrides or [], config_file=config, largest=largest
    )
    show(found, as_json, _batches)


def _rates(found: Mapping[str, Any]) -> str:
    if not found["losses"]:
        return "the loss was no number at the very first step: look at the data and at device.precision"
    top = 2 * found["losses"][0]  # a burst at the end would flatten what matters
    plot = curve(found["rates"], [min(loss, top) for loss in found["losses"]], log=True)
    lines = [f"loss by learning rate, {found['dataset']} (now optim.lr={found['now']:g})", plot]
    if found["setting"] and found["losses"][-1] == min(found["losses"]):
        return "\n".join([*lines, f"suggested: at least {found['setting']}; the loss still fell at the end"])
    if found["setting"]:
        return "\n".join([*lines, f"suggested: {found['setting']}, a tenth of where the loss is smallest"])
    return "\n".join([*lines, "the loss never fell: look at the data, or try more --steps"])


def _batches(found: Mapping[str, Any]) -> str:
    costs = found["costs"]
    lines = [
        f"samples a second by batch size, {found['dataset']} (now train.batch={found['now']})",
        curve([cost["batch"] for cost in costs], [cost["samples_s"] for cost in costs], log=True),
        table(costs, ["batch", "seconds", "samples_s", "memory_mb"]),
        f"suggested: {found['setting']}, the smallest that is nearly as fast as any; then find lr again",
    ]
    return "\n".join(lines)
