"""The commands about datasets. Each loads what it needs only when it runs, so that help is quick."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from holdfast.cli import options as opt
from holdfast.cli import report, report_versions
from holdfast.cli.pyarrow import load_pyarrow
from holdfast.cli.show import show
from holdfast.core.workspace import find_workspace

data_app = typer.Typer(
    help="Datasets: add, show, check, compare, tag, give back, clean up, push, pull.", **opt.STYLE
)


_LIGHT = ("add", "list", "show", "tag")
"""Commands that mostly do without pyarrow."""


@data_app.callback()
def start(context: typer.Context) -> None:
    """Before each of the commands."""
    if context.invoked_subcommand not in _LIGHT:
        load_pyarrow()


@data_app.command("add")
def data_add(
    source: opt.Source,
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
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything again, and check every stored byte.")
    ] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Take SOURCE in as a version of a dataset. Files that have not changed are not read again.

    Example: holdfast data add ./birds --group recording_id
    """
    from holdfast.workflows.datasets import data_add as add
    from holdfast.workflows.datasets import data_unchanged

    options = opt.source_options(
        label, between, group, group_name, text, file, split, time, ignore, test, valid
    )
    workspace = find_workspace(home)
    added = None if verify else data_unchanged(source, workspace, name=name, options=options)
    if added is None:
        load_pyarrow()
        added = add(source, workspace, name=name, options=options, verify=verify)
    show(added, as_json, report.version)


@data_app.command("list")
def data_list(home: opt.Home = None, as_json: opt.Json = False) -> None:
    """List the datasets."""
    from holdfast.workflows.datasets import data_list as datasets

    workspace = find_workspace(home)
    empty = f"no datasets yet in {workspace.home}"
    show(datasets(workspace), as_json, lambda rows: report_versions.datasets(rows, empty=empty))


@data_app.command("show")
def data_show(ref: opt.Version, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """Show one version of a dataset: labels, splits, quarantine."""
    from holdfast.workflows.datasets import data_show as facts

    show(facts(ref, find_workspace(home)), as_json, report.version)


@data_app.command("check")
def data_check(
    ref: opt.Version,
    quick: Annotated[
        bool, typer.Option("--quick", help="Decode nothing: no near duplicates, no blank samples.")
    ] = False,
    against: Annotated[
        str | None, typer.Option("--against", help="Another version; say what has drifted since.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", parser=opt.path, help="Write a page that shows the samples.")
    ] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Say what is wrong or doubtful with a dataset; ends with 1 where it finds an error.

    Example: holdfast data check birds --html birds.html
    """
    from holdfast.workflows.checking import data_check as check

    found = check(ref, find_workspace(home), quick=quick, against=against, html=html)
    show(found, as_json, report.findings)
    if any(finding["level"] == "error" for finding in found["findings"]):
        raise typer.Exit(1)


@data_app.command("log")
def data_log(
    name: Annotated[str, typer.Argument(help="A dataset, such as birds.")],
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many versions.")] = None,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """List the versions of a dataset with what each changed, and what happened to its tags."""
    from holdfast.workflows.versions import data_log as log

    show(log(name, find_workspace(home), last=last), as_json, report_versions.log)


@data_app.command("diff")
def data_diff(
    one: Annotated[str, typer.Argument(metavar="A", help="A version, such as birds@1.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another, such as birds@gold or birds.")],
    html: Annotated[
        Path | None, typer.Option("--html", parser=opt.path, help="Write a page that shows the samples.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Names to print of each kind.")] = 10,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Say what changed from A to B: samples added, removed, relabelled, regrouped, moved, renamed.

    Example: holdfast data diff birds@1 birds --html changes.html
    """
    from holdfast.workflows.versions import data_diff as compare

    result = compare(one, other, find_workspace(home), html=html)
    show(result, as_json, report_versions.comparison(limit))


@data_app.command("tag")
def data_tag(
    ref: opt.Version,
    tag: Annotated[str, typer.Argument(help="A name, such as gold; then birds@gold means this version.")],
    force: Annotated[bool, typer.Option("--force", help="Move the tag if it is another version's.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Take the tag away.")] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Give a version a name that every command understands; the audit log keeps each move.

    Example: holdfast data tag birds@3 gold
    """
    from holdfast.workflows.versions import data_tag as set_tag

    result = set_tag(ref, tag, find_workspace(home), force=force, delete=delete)
    show(result, as_json, report_versions.tagged)


@data_app.command("checkout")
def data_checkout(
    ref: opt.Version,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", parser=opt.path, help="Where the files go; made if it is not there."
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite other files that are there.")] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Give the files of a version back, byte for byte under their names, with their labels beside.

    Example: holdfast data checkout birds@2 ./birds
    """
    from holdfast.workflows.versions import data_checkout as checkout

    show(checkout(ref, folder, find_workspace(home), force=force), as_json, report_versions.checked_out)


@data_app.command("export")
def data_export(
    ref: opt.Version,
    to: Annotated[
        Path,
        typer.Argument(metavar="TO", parser=opt.path, help="A new file (.tar, .zip, .parquet) or folder."),
    ],
    kind: Annotated[
        Literal["folder", "tar", "zip", "webdataset", "parquet"] | None,
        typer.Option("--format", help="The form; default: what the suffix says."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Write a version for other programs: a folder, a tar, a zip, WebDataset tars, or one Parquet.

    Example: holdfast data export birds birds-wds --format webdataset
    """
    from holdfast.workflows.versions import data_export as export

    result = export(ref, to, find_workspace(home), kind=kind, force=force)
    show(result, as_json, lambda it: f"{it['ref']}: {it['samples']:,} samples in {it['to']} ({it['format']})")


@data_app.command("remove")
def data_remove(
    ref: opt.Version,
    force: Annotated[
        bool, typer.Option("--force", help="Although a tag, a run or a model refers to it.")
    ] = False,
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Take one version out of its dataset; `data gc` frees its bytes then.

    Example: holdfast data remove birds@1
    """
    from holdfast.workflows.versions import data_remove as remove

    show(remove(ref, find_workspace(home), force=force), as_json, report_versions.removed)


@data_app.command("gc")
def data_gc(
    name: Annotated[str, typer.Argument(help="A dataset, such as birds.")],
    home: opt.Home = None,
    as_json: opt.Json = False,
) -> None:
    """Free the bytes that no version of a dataset refers to."""
    from holdfast.workflows.versions import data_gc as collect

    show(collect(name, find_workspace(home)), as_json, report_versions.collected)


@data_app.command("verify")
def data_verify(ref: opt.Version, home: opt.Home = None, as_json: opt.Json = False) -> None:
    """Read every byte of a version, and name what is damaged; ends with 1 if anything is."""
    from holdfast.workflows.versions import data_verify as verify

    result = verify(ref, find_workspace(home))
    show(result, as_json, report_versions.verification)
    if not result["ok"]:
        raise typer.Exit(1)
