"""What a load test sends: held-out samples of a dataset, files of a folder, or made examples."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from holdfast.core.errors import DataError
from holdfast.core.files import write_bytes, write_json
from holdfast.core.media import Modality, modality_of
from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.serve import openapi

Each = TypeVar("Each", int, Path)

_MOST = 200
"""Samples of a set; of more, so many are drawn."""
_MOST_BYTES = 256 << 20
_SUFFIX: dict[Modality, str] = {"image": ".image", "audio": ".sound", "text": ".txt"}


@dataclass(frozen=True)
class LoadSamples:
    """Bodies of requests.

    Attributes:
        source: where they come from, in words.
        bodies: one sample each.
        modality: of all of them.
    """

    source: str
    bodies: list[bytes]
    modality: Modality

    def write(self, folder: Path, path: str) -> None:
        """Put them where the locustfile looks for them: `samples.json` says how they are sent.

        Args:
            folder: beside the locustfile.
            path: on the server, such as `/predict`.
        """
        names = [f"{number:04}{_SUFFIX[self.modality]}" for number in range(len(self.bodies))]
        for name, body in zip(names, self.bodies, strict=True):
            write_bytes(folder / name, body)
        kind = "text/plain; charset=utf-8" if self.modality == "text" else "application/octet-stream"
        write_json(folder / "samples.json", {"path": path, "type": kind, "files": names})


def made(modality: Modality) -> LoadSamples:
    """One small example: enough to see a server answer, too little to say how fast it is for real samples."""
    return LoadSamples("one small made example", [openapi.example(modality)], modality)


def of_dataset(ref: str, workspace: Workspace, modality: Modality) -> LoadSamples:
    """Held-out samples of a dataset, a few hundred drawn by chance, the same each time.

    Raises:
        RefError: if there is no such dataset.
        DataError: if it has another modality or no samples of the test split.
    """
    from holdfast.data import open_version

    with open_version(workspace.datasets, parse_ref(ref)) as version:
        name = f"{version.info.name}@{version.info.version}"
        if version.info.modality != modality:
            raise DataError(
                f"{name} is of modality {version.info.modality}, but the model takes {modality}",
                hint="name another dataset",
            )
        rows = [int(row) for row in version.indices("test")]
        if not rows:
            raise DataError(f"{name} has no test samples", hint="send files with --samples FOLDER")
        drawn = sorted(_some(rows))
        return LoadSamples(f"held-out samples of {name}", _within(map(version.read, drawn)), modality)


def of_folder(folder: Path, modality: Modality) -> LoadSamples:
    """The files of a folder that are of the modality, a few hundred drawn by chance, the same each time.

    Raises:
        DataError: if there are none.
    """
    paths = sorted(
        path for path in folder.rglob("*") if modality_of(path.name) == modality and path.is_file()
    )
    if not paths:
        raise DataError(f"{folder} has no {modality} files", hint="name a folder that has some")
    drawn = sorted(_some(paths))
    return LoadSamples(f"files of {folder}", _within(path.read_bytes() for path in drawn), modality)


def _some(everything: list[Each]) -> list[Each]:
    return random.Random(0).sample(everything, min(_MOST, len(everything)))  # noqa: S311 - no secret


def _within(bodies: Iterable[bytes]) -> list[bytes]:
    """The first of them, as far as the memory for them reaches; at least one."""
    taken: list[bytes] = []
    for body in bodies:
        if taken and sum(map(len, taken)) + len(body) > _MOST_BYTES:
            break
        taken.append(body)
    return taken
