"""The command that asks a running server. It loads what it needs only when it runs, so that help is quick."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options as opt
from holdfast.cli.show import complain, harmless, show_line, table

_MOST_NAMED = 5


def client(
    url: Annotated[str, typer.Argument(help="A server of Holdfast, such as http://127.0.0.1:8000.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", parser=opt.path, help="Files, and folders of them."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text; may be given again.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Which of several, such as birds.")] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Of how many labels to give probabilities.")
    ] = None,
    job: Annotated[
        bool, typer.Option("--job", help="Send each file as a job: recordings of up to hours.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each file.")] = False,
) -> None:
    """Ask the server at URL for the labels of FILEs.

    The key of a server that wants one comes from HOLDFAST_API_KEY.

    Example: holdfast client http://127.0.0.1:8000 owl.jpg gull.jpg
    """
    from holdfast.workflows.asking import ask

    found = ask(url, files or [], texts=text or [], model=model, top=top, as_jobs=job)
    failed = _lines(found) if as_json else _table(found)
    if failed:
        names = ", ".join(failed[:_MOST_NAMED])
        more = f", and {len(failed) - _MOST_NAMED} more" if len(failed) > _MOST_NAMED else ""
        complain(f"no prediction of {names}{more}", "what to do is beside the names")


def _lines(found: Iterable[dict[str, Any]]) -> list[str]:
    """Print each as it comes; gives the names of those that failed."""
    failed = []
    for entry in found:
        show_line(entry)
        if "error" in entry:
            failed.append(_name(entry))
    return failed


def _table(found: Iterable[dict[str, Any]]) -> list[str]:
    rows, failed = [], []
    for entry in found:
        if "error" in entry:
            failed.append(_name(entry))
            told = {"error": entry["error"], "hint": entry["hint"]}
            rows.append({"item": _name(entry), "label": None, "probability": None, **told})
            continue
        odds = entry["probabilities"]
        labels = sorted(entry["labels"], key=lambda label: -odds[label])
        rows.append(
            {
                "item": _name(entry),
                "label": ", ".join(labels) or "none",
                "probability": ", ".join(f"{odds[label]:.3f}" for label in labels) or None,
                "error": None,
                "hint": None,
            }
        )
    columns = ["item", "label", "probability", *(["error", "hint"] if failed else [])]
    print(table(harmless(rows), columns), flush=True)
    return failed


def _name(entry: dict[str, Any]) -> str:
    text = str(entry.get("file") or json.dumps(entry["text"], ensure_ascii=False))
    return text if len(text) <= 60 or "file" in entry else f"{text[:57]}…"
