"""Predict the labels of files and texts with a registered model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError, InputError
from holdfast.core.media import Modality, is_table, modality_of
from holdfast.core.progress import progress
from holdfast.core.workspace import Workspace
from holdfast.serve.answers import tell
from holdfast.serve.engine import Engine
from holdfast.workflows.serving import find_bundle, serve_config

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")
_ROWS = 1024
_Sample = tuple[str, Callable[[], bytes]]


def predict(
    ref: str, workspace: Workspace, *, sources: Sequence[str] = (), texts: Sequence[str] = ()
) -> dict[str, Any]:
    """What a model says of each sample, in the words of `POST /predict`.

    A file that cannot be decoded has an `error` in place of a prediction; the others are answered.

    Args:
        ref: a reference, such as `birds@champion`, or the path of a bundle's folder.
        sources: files, or folders whose files of the model's modality are taken, in order of their names; and
            what else `batch_inputs.find_inputs` takes.
        texts: for a model of texts.

    Raises:
        DataError: if there is nothing to predict, or a file is not there.
    """
    name, bundle = find_bundle(ref, workspace)
    config = serve_config(bundle, workspace)
    engine = Engine(bundle, threads=config.threads, batch=config.batch)
    if texts and engine.manifest.modality != "text":
        raise DataError(f"{name} does not read texts", hint=f"give it {engine.manifest.modality} files")
    if not sources and not texts:
        raise DataError("nothing to predict", hint="name files or folders, or for texts --text 'some text'")
    with ExitStack() as stack:
        count, samples = _samples(sources, workspace, engine.manifest.modality, stack)
        if not count and not texts:
            raise DataError("nothing to predict", hint=f"there are no {engine.manifest.modality} files")
        bar = stack.enter_context(progress("predict", count + len(texts), unit="samples"))
        answers = []
        for each, read in chain(samples, ((text, text.encode) for text in texts)):
            answers.append(_answer(engine, each, read))
            bar.advance()
    return {"model": name, "predictions": answers}


def _samples(
    sources: Sequence[str], workspace: Workspace, modality: Modality, stack: ExitStack
) -> tuple[int, Iterator[_Sample]]:
    """How many samples there are, and each with its name and what reads it. Files need no pyarrow."""
    paths = [Path(source) for source in sources]
    if all(path.is_dir() or (path.exists() and _is_sample(path)) for path in paths):
        found = list(_files(paths, modality))
        return len(found), ((str(path), partial(_read, path)) for path in found)
    if missing := [str(path) for path in paths if modality_of(path.name) and _is_missing(path)]:
        raise DataError(f"no such file: {', '.join(missing)}", hint="check the spelling")
    from holdfast.workflows.batch_inputs import find_inputs
    from holdfast.workflows.batch_reader import Reader

    origins, inputs = find_inputs(sources, workspace, modality)
    reader = stack.enter_context(Reader(origins))
    rows = (row for batch in inputs.to_batches(_ROWS) for row in batch.to_pylist())
    return len(inputs), (
        (origins[row["origin"]].head + row["name"], partial(reader.read, row)) for row in rows
    )


def _is_sample(path: Path) -> bool:
    """Neither an archive nor a table, which hold many."""
    return path.suffix.lower() not in _ARCHIVES and not is_table(path.name)


def _is_missing(path: Path) -> bool:
    """Not there, and neither an address nor a list."""
    return not path.exists() and ":/" not in str(path) and not str(path).startswith("@")


def _files(paths: Sequence[Path], modality: str) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = (each for each in path.rglob("*") if modality_of(each.name) == modality)
            yield from sorted(each for each in found if each.is_file())
        else:
            yield path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint="check who may read it") from None


def _answer(engine: Engine, name: str, read: Callable[[], bytes]) -> dict[str, Any]:
    try:
        said = engine.predict([read()])
    except InputError as error:
        return {"name": name, "error": error.message}
    (labels,) = engine.labels_of(said.probabilities)
    return tell(engine, name, said.probabilities[0], said.parts[0], labels)
