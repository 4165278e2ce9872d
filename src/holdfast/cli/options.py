"""Options and looks that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.core.errors import ConfigError

STYLE: dict[str, Any] = {"rich_markup_mode": None, "no_args_is_help": True, "add_completion": False}
"""Of every group of commands."""


def path(text: str) -> Path:
    """A path that somebody wrote; nothing at all, as an unset variable gives, is none."""
    return Path(text_of_path(text))


def text_of_path(text: str) -> str:
    """As `path`, where it may also be an address or a reference.

    Raises:
        ConfigError: if there is no text.
    """
    if not text:
        raise ConfigError("'' is no path", hint="write . for the folder that you are in")
    return text


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", parser=path, help="The workspace; default: HOLDFAST_HOME, else the nearest one."),
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as optim.lr=3e-4.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", parser=path, help="A YAML file of settings.")]
Force = Annotated[bool, typer.Option("--force", help="Move the alias even where the gate says no.")]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        parser=text_of_path,
        help="A folder, a table, a zip or a tar of labelled samples; here, or at s3://, gs://, https://, "
        "hf://datasets/USER/NAME.",
    ),
]
Version = Annotated[
    str, typer.Argument(metavar="REF", help="A version, such as birds@3 or birds@gold; birds is the latest.")
]
Name = Annotated[str | None, typer.Option("--name", help="Of the dataset; default: the source's name.")]
Label = Annotated[
    str | None, typer.Option("--label", help="The label column, or several with commas between.")
]
Between = Annotated[
    str | None, typer.Option("--between", help="What stands between the labels in a cell, such as '|'.")
]
Group = Annotated[str | None, typer.Option("--group", help="The column whose values never cross splits.")]
GroupName = Annotated[
    str | None,
    typer.Option("--group-name", help="The part of each file's name that is its group, as a pattern."),
]
Text = Annotated[str | None, typer.Option("--text", help="The column that holds the text.")]
File = Annotated[str | None, typer.Option("--file", help="The column that holds file names.")]
Split = Annotated[str | None, typer.Option("--split", help="The column that holds train, valid or test.")]
Time = Annotated[str | None, typer.Option("--time", help="The column of dates or numbers: the newest test.")]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", help="A file or column to leave out; may be given again.")
]
TestShare = Annotated[float, typer.Option("--test", help="Share of the samples to test on.")]
ValidShare = Annotated[float, typer.Option("--valid", help="Share of the samples to validate on.")]


def source_options(
    label: str | None,
    between: str | None,
    group: str | None,
    group_name: str | None,
    text: str | None,
    file: str | None,
    split: str | None,
    time: str | None,
    ignore: list[str] | None,
    test: float,
    valid: float,
) -> Any:
    """What the options of `up` and `data add` say about a source."""
    from holdfast.data import SourceOptions

    labels = tuple(part.strip() for part in label.split(",")) if label and "," in label else label
    return SourceOptions(
        label=labels,
        between=between,
        group=group,
        group_name=group_name,
        text=text,
        file=file,
        split=split,
        time=time,
        ignore=tuple(ignore or ()),
        test_share=test,
        valid_share=valid,
    )
