"""What there is to predict, in columns: files, archives, lists, versions of datasets and addresses."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import csv

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError, RefError
from holdfast.core.media import Modality, is_table, modality_of
from holdfast.core.progress import say
from holdfast.core.refs import Ref, parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SPLITS, open_version, read_info
from holdfast.data.fetch import list_entries, place_of
from holdfast.data.info import find_version
from holdfast.data.listing import Listing
from holdfast.data.source import open_source

SCHEMA = pyarrow.schema(
    {
        "origin": pyarrow.int16(),
        "name": pyarrow.string(),
        "size": pyarrow.int64(),
        "changed": pyarrow.int64(),
        "inode": pyarrow.int64(),
        "row": pyarrow.int64(),
    }
)
"""Of each input: the place of its origin among these, its name there, and what tells that it is still the
same: its size, when it was last written in nanoseconds (0 where nobody knows) and its inode, all as `Listing`
has them. Of a sample of a version, also its row."""
_STAMPS = ["size", "changed", "inode"]


@dataclass(frozen=True)
class Origin:
    """Where inputs are.

    Attributes:
        kind: a folder or an archive on this machine; paths, each by itself; a version; a folder elsewhere.
        root: the folder or archive, what the paths are relative to, the folder of all datasets, the address.
        head: stands before the names where they are told.
        ref: of a version, such as `birds@3`.
        split: of a version; empty for all of it.
        fingerprint: of a version.
    """

    kind: Literal["source", "paths", "version", "place"]
    root: str
    head: str = ""
    ref: str = ""
    split: str = ""
    fingerprint: str = ""

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold; `Origin(**value)` reads it."""
        return dataclasses.asdict(self)


def find_inputs(
    sources: Sequence[str], workspace: Workspace, modality: Modality
) -> tuple[list[Origin], pyarrow.Table]:
    """The origins, and all inputs as `SCHEMA` has them: of folders by name, of lists in their order.

    Args:
        sources: files, folders, zips, tars, `@LIST` (a file with a path or an address in each line), versions
            or splits of them (`birds@3:test`), and addresses (`s3://`, `gs://`, `https://`, `hf://`).
        workspace: has the datasets.
        modality: what the model reads; other files of folders do not count.

    Raises:
        DataError: if there is nothing to predict, or a source is not there.
        RefError: if there is no such version.
    """
    origins: list[Origin] = []
    tables = []
    for origin, columns in _found(sources, workspace, modality):
        count = len(columns["name"])
        columns["origin"] = np.full(count, len(origins), np.int16)
        tables.append(
            pyarrow.table([columns.get(name, pyarrow.nulls(count, kind)) for name, kind in _fields()], SCHEMA)
        )
        origins.append(origin)
    inputs = pyarrow.concat_tables(tables or [SCHEMA.empty_table()])
    if not len(inputs):
        raise DataError(
            "nothing to predict", hint=f"name {modality} files, folders of them, a dataset or an address"
        )
    return origins, inputs.combine_chunks()


def difference(before: pyarrow.Table, now: pyarrow.Table) -> str:
    """How inputs differ from what they were, in words; empty if they do not.

    >>> row = {"origin": 0, "name": "a.png", "size": 1, "changed": 5, "inode": 7, "row": None}
    >>> before = pyarrow.Table.from_pylist([row], SCHEMA)
    >>> difference(before, before), difference(before, before.slice(1))
    ('', '1 removed (a.png)')
    """
    if before.equals(now):
        return ""
    gone = before.filter(pc.invert(pc.is_in(before["name"], now["name"])))
    new = now.filter(pc.invert(pc.is_in(now["name"], before["name"])))
    both = before.select(["name", *_STAMPS]).join(
        now.select(["name", *_STAMPS]), "name", right_suffix=" now", join_type="inner", use_threads=False
    )
    same = np.ones(len(both), bool)
    for stamp in _STAMPS:
        same &= both[stamp].to_numpy() == both[f"{stamp} now"].to_numpy()
    changed = both.filter(pyarrow.array(~same)).sort_by("name")
    told = [
        f"{len(rows):,} {word} ({', '.join(rows['name'][:3].to_pylist())}{', …' if len(rows) > 3 else ''})"
        for rows, word in ((changed, "changed"), (gone, "removed"), (new, "added"))
        if len(rows)
    ]
    return ", ".join(told) or "another order"


def _fields() -> Iterator[tuple[str, Any]]:
    return ((field.name, field.type) for field in SCHEMA)


def _found(
    sources: Sequence[str], workspace: Workspace, modality: Modality
) -> Iterator[tuple[Origin, dict[str, Any]]]:
    """An origin for each source, but one for all single files together, which come first."""
    single = [text for text in sources if _is_single(text, modality)]
    if single:
        yield _paths(pyarrow.array(single, pyarrow.string()))
    for text in sources:
        if _is_single(text, modality):
            continue
        if "://" in text:
            yield _elsewhere(text, modality)
        elif Path(text).exists():
            yield _here(Path(text), modality)
        elif text.startswith("@"):
            yield _paths(_lines(Path(text[1:])))
        else:
            yield _version(text, workspace, modality)


def _is_single(text: str, modality: Modality) -> bool:
    """Whether a source is one file: here, of any name but an archive's; elsewhere, of a fitting one."""
    if "://" in text:
        return modality_of(text) == modality
    return Path(text).is_file() and not is_table(text) and not _is_archive(text)


def _is_archive(text: str) -> bool:
    return any(suffix in (".zip", ".tar", ".tgz") for suffix in Path(text.lower()).suffixes[-2:])


def _here(path: Path, modality: Modality) -> tuple[Origin, dict[str, Any]]:
    if is_table(path.name):
        raise DataError(
            f"{path} is a table, whose columns have to be told apart first",
            hint=f"add it with `holdfast data add {path} --name NAME`, and predict NAME; or give @LIST, "
            "a file with a path in each line",
        )
    with open_source(path) as source:
        listing = source.listing
        for note in source.notes:
            say(note)
    return Origin("source", str(path.resolve()), f"{path.as_posix()}/"), _columns(listing, modality)


def _elsewhere(uri: str, modality: Modality) -> tuple[Origin, dict[str, Any]]:
    if masked(uri) != uri:
        raise DataError(
            f"{masked(uri)!r} holds credentials, which would end up in files",
            hint="leave them out: they are taken from the environment, or from where the login put them",
        )
    place, whole = place_of(uri)
    if whole:
        raise DataError(
            f"{whole} is an archive or a table: it cannot be read in place from afar",
            hint=f"add it with `holdfast data add {uri} --name NAME`, and predict NAME; or fetch it first",
        )
    return Origin("place", uri, uri.rstrip("/") + "/"), _columns(list_entries(place.entries()), modality)


def _columns(listing: Listing, modality: Modality) -> dict[str, Any]:
    listing = listing.where(listing.of(modality))
    order = pc.sort_indices(listing.names).to_numpy()
    stamps = {"size": listing.size, "changed": listing.changed, "inode": listing.inode}
    return {"name": listing.names.take(order)} | {name: column[order] for name, column in stamps.items()}


def _lines(path: Path) -> Any:
    """The lines of a list that are not empty."""
    options = csv.ParseOptions(delimiter="\x1f", quote_char=False)
    kinds = csv.ConvertOptions(column_types={"name": pyarrow.string()}, strings_can_be_null=False)
    try:
        found = csv.read_csv(path, csv.ReadOptions(column_names=["name"]), options, kinds)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise DataError(
            f"cannot read the list {path}: {error}", hint="give a file with one path or address in each line"
        ) from None
    return pc.utf8_trim_whitespace(found["name"].combine_chunks())


def _paths(names: Any) -> tuple[Origin, dict[str, Any]]:
    """Paths with what the file system says of each; of those that are not there, zeros."""
    stamps = np.zeros((3, len(names)), np.int64)
    for index, name in enumerate(names):
        text = name.as_py()
        if "://" not in text:
            try:
                status = Path(text).stat()
            except OSError:  # said when it is read
                continue
            stamps[:, index] = status.st_size, status.st_mtime_ns, status.st_ino
    return Origin("paths", str(Path.cwd())), {"name": names, **dict(zip(_STAMPS, stamps, strict=True))}


def _version(text: str, workspace: Workspace, modality: Modality) -> tuple[Origin, dict[str, Any]]:
    name, _, split = text.partition(":")
    if split and split not in SPLITS:
        raise DataError(f"{text}: {split!r} is no split", hint=f"there are {', '.join(SPLITS)}")
    try:
        ref = parse_ref(name)
        ref = Ref(ref.name, find_version(workspace.datasets, ref))
    except RefError as error:
        if "@" in text:
            raise
        raise DataError(
            f"no such file or dataset: {text}", hint=f"check the spelling; {error.hint or error.message}"
        ) from None
    info = read_info(workspace.datasets, ref.name, ref.version or 0)
    if info.modality != modality:
        raise DataError(
            f"the model does not read {info.modality} samples, as {ref} has them",
            hint=f"give {modality} samples",
        )
    with open_version(workspace.datasets, ref) as version:
        version.refuse_altered()
        rows = np.arange(len(version))
        if split:
            rows = np.flatnonzero(pc.equal(version.table["split"], split).to_numpy())
        names, lengths = (
            version.table[column].take(pyarrow.array(rows)).combine_chunks() for column in ("name", "length")
        )
    origin = Origin("version", str(workspace.datasets.resolve()), "", str(ref), split, info.fingerprint)
    still = np.zeros(len(rows), np.int64)
    return origin, {"name": names, "size": lengths, "changed": still, "inode": still, "row": rows}
