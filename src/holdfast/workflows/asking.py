"""Asking a running server for predictions of files."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from holdfast.client import Client, Failure, Input, Job, Prediction
from holdfast.core.errors import HoldfastError, ServerError
from holdfast.core.media import is_table, modality_of
from holdfast.core.progress import progress


def ask(
    url: str,
    sources: Sequence[Path],
    *,
    texts: Sequence[str] = (),
    model: str | None = None,
    top: int | None = None,
    as_jobs: bool = False,
) -> Iterator[dict[str, Any]]:
    """What a server says of each file, as it comes; JSON-ready.

    Args:
        url: of the server; its key comes from HOLDFAST_API_KEY.
        sources: files, and folders, of which those files are taken whose names speak of the model's modality.
        texts: for a model of texts, more of them.
        model: which of several.
        top: of how many labels there are probabilities.
        as_jobs: send each as a job, for recordings that are longer than a request may be.

    Raises:
        HoldfastError: if there is nothing to send.
        ServerError: if the server cannot be reached, or refuses everything.
    """
    with Client(url, model=model) as client:
        modality = client.info().modality
        items: list[Input] = [*chain.from_iterable(_files(source, modality) for source in sources), *texts]
        if texts and modality != "text":
            raise HoldfastError(f"the model takes no texts: it is for {modality}", hint="give files")
        if not items:
            raise HoldfastError("nothing to send", hint="give files, or a folder that holds some")
        yield from _jobs(client, items, top) if as_jobs else _told(client, items, top)


def _told(client: Client, items: Sequence[Input], top: int | None) -> Iterator[dict[str, Any]]:
    if len(items) == 1:
        yield _one(client, items[0], top)
        return
    with progress("asking", len(items), unit="items") as bar:
        for item, found in zip(items, client.predict_each(items, top=top), strict=True):
            yield _entry(item, found)
            bar.advance()


def _one(client: Client, item: Input, top: int | None) -> dict[str, Any]:
    """Asked at once, as a person's request."""
    try:
        return _entry(item, client.predict(item, top=top))
    except ServerError as error:
        if error.status is None or error.status in (401, 403, 404):
            raise
        return _entry(item, Failure(error.message, error.hint))
    except OSError as error:
        return _entry(item, Failure(error.strerror or str(error), "check the path, and who may use it"))


def _jobs(client: Client, items: Sequence[Input], top: int | None) -> Iterator[dict[str, Any]]:
    for item in items:
        with progress(_name(item), 100, unit="%") as bar:
            done = 0

            def tell(job: Job) -> None:
                nonlocal done
                now = round(100 * (job.progress or 0))
                bar.advance(now - done, note=f"{job.seconds:,.0f} s heard" if job.seconds else job.state)
                done = now

            try:
                yield _entry(item, client.job(item, top=top, on_progress=tell))
            except ServerError as error:
                if error.status is None:
                    raise
                yield _entry(item, Failure(error.message, error.hint))


def _files(source: Path, modality: str) -> list[Path]:
    if not source.is_dir():
        if modality == "text" and is_table(source.name):
            raise HoldfastError(
                f"{source} is a table, and would be read as one text",
                hint="send each text with --text; or add it as a dataset, and predict that: "
                f"`holdfast data add {source}`",
            )
        return [source]  # what it is, its bytes say
    return sorted(path for path in source.rglob("*") if modality_of(path.name) == modality and path.is_file())


def _name(item: Input) -> str:
    return str(item) if isinstance(item, Path) else "text"


def _entry(item: Input, found: Prediction | Failure) -> dict[str, Any]:
    file = {"file": str(item)} if isinstance(item, Path) else {"text": str(item)}
    if isinstance(found, Failure):
        hint = found.hint
        if hint and "job" in hint:  # which the server says in words of its routes, or our client of its calls
            hint = f"{hint}: add --job"
        return {**file, "error": found.error, "hint": hint}
    return {**file, **{key: value for key, value in found.whole.items() if key not in ("name", "index")}}
