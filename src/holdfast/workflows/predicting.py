"""Predict the labels of files and texts with a registered model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError, InputError
from holdfast.core.media import modality_of
from holdfast.core.progress import progress
from holdfast.core.workspace import Workspace
from holdfast.serve.answers import tell
from holdfast.serve.engine import Engine
from holdfast.workflows.serving import find_bundle, serve_config


def predict(
    ref: str, workspace: Workspace, *, files: Sequence[Path] = (), texts: Sequence[str] = ()
) -> dict[str, Any]:
    """What a model says of each sample, in the words of `POST /predict`.

    A file that cannot be decoded has an `error` in place of a prediction; the others are answered.

    Args:
        ref: a reference, such as `birds@champion`, or the path of a bundle's folder.
        files: files, or folders whose files of the model's modality are taken, in order of their names.
        texts: for a model of texts.

    Raises:
        DataError: if there is nothing to predict, or a file is not there.
    """
    name, bundle = find_bundle(ref, workspace)
    config = serve_config(bundle, workspace)
    engine = Engine(bundle, threads=config.threads, batch=config.batch)
    found = list(_files(files, engine.manifest.modality))
    if texts and engine.manifest.modality != "text":
        raise DataError(f"{name} does not read texts", hint=f"give it {engine.manifest.modality} files")
    if not found and not texts:
        raise DataError("nothing to predict", hint="name files or folders, or for texts --text 'some text'")
    answers = []
    with progress("predict", len(found) + len(texts), unit="samples") as bar:
        for path in found:
            answers.append(_answer(engine, str(path), _read(path)))
            bar.advance()
        for text in texts:
            answers.append(_answer(engine, text, text.encode()))
            bar.advance()
    return {"model": name, "predictions": answers}


def _files(paths: Sequence[Path], modality: str) -> Iterator[Path]:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"no such file: {', '.join(missing)}", hint="check the spelling")
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


def _answer(engine: Engine, name: str, data: bytes) -> dict[str, Any]:
    try:
        said = engine.predict([data])
    except InputError as error:
        return {"name": name, "error": error.message}
    (labels,) = engine.labels_of(said.probabilities)
    return tell(engine, name, said.probabilities[0], said.parts[0], labels)
