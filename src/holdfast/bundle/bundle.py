"""A bundle: the folder that training writes and serving reads, with a digest for every file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.bundle.abstention import read_abstention
from holdfast.bundle.golden import Golden, read_golden
from holdfast.bundle.manifest import (
    ABSTENTION,
    EVALUATION,
    GOLDEN,
    MANIFEST,
    MODEL,
    REFERENCE,
    SIGNATURE,
    TOKENIZER,
    Manifest,
    is_plain,
    read_manifest,
    write_manifest,
)
from holdfast.core.errors import BundleError, listed
from holdfast.core.files import digest_bytes, digest_file, write_bytes
from holdfast.evaluate.conformal import Conformal


@dataclass(frozen=True)
class Bundle:
    """An opened bundle, whose files were what its manifest says when it was opened.

    Attributes:
        digest: SHA-256 of `manifest.json`; as that holds all other digests, it names the whole bundle.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def model(self) -> Path:
        """The graph: decoded input → probabilities, embedding."""
        return self.folder / MODEL

    @property
    def tokenizer(self) -> bytes | None:
        """The content of `tokenizer.json`; None unless the modality is text."""
        return (self.folder / TOKENIZER).read_bytes() if TOKENIZER in self.manifest.files else None

    @property
    def alone(self) -> bool:
        """Whether its graph must see one sample at a time, as it takes its ranges from what it sees."""
        return bool(self.manifest.provenance.get("alone"))

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """Every metric on the held-out split, if the bundle has been evaluated."""
        if EVALUATION not in self.manifest.files:
            return None
        found = json.loads((self.folder / EVALUATION).read_text(encoding="utf-8"))
        return dict(found)

    @property
    def golden(self) -> Golden | None:
        """Samples that it must answer as it did when it was made, if it carries any.

        Raises:
            BundleError: if they cannot be read.
        """
        if GOLDEN not in self.manifest.files:
            return None
        return read_golden(self.folder / GOLDEN, len(self.manifest.labels))

    @property
    def abstention(self) -> Conformal | None:
        """When it is not sure, if it knows that.

        Raises:
            BundleError: if it cannot be read.
        """
        if ABSTENTION not in self.manifest.files:
            return None
        return read_abstention(self.folder / ABSTENTION, self.manifest.task, len(self.manifest.labels))

    @property
    def reference(self) -> Path | None:
        """What the bundle remembers of its data, for `read_reference`."""
        return self.folder / REFERENCE if REFERENCE in self.manifest.files else None


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Take the digest of every file in the folder and write `manifest.json`, atomically, as the last file.

    Seal again after any change. Files whose names begin with a dot are left out of the bundle.

    Returns:
        The manifest as written, with its digests.

    Raises:
        ValueError: if a file that serving needs is missing, or the folder holds what cannot be in a bundle.
    """
    content = _content(folder)
    strange = [name for name in content if not is_plain(name) or not (folder / name).is_file()]
    missing = [name for name in manifest.needs if name not in content]
    if strange or missing:
        raise ValueError(f"cannot seal {folder}: not plain files {strange}, missing {missing}")
    files = {name: digest_file(folder / name) for name in content}
    sealed = Manifest.model_validate({**manifest.model_dump(), "files": files})
    write_bytes(folder / MANIFEST, write_manifest(sealed))
    return sealed


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle after comparing every file with its digest; nothing is parsed before that.

    Raises:
        BundleError: if it is no bundle, or of a protocol from the future; or if files are missing,
            damaged, or not in its manifest. All such files are named at once.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(
            f"{folder} is no bundle: it has no {MANIFEST}", hint="a run exports one to its folder `bundle`"
        ) from None
    manifest = read_manifest(data, f"{folder / MANIFEST}")
    problems = _problems(folder, manifest)
    if problems:
        raise BundleError(
            listed(f"bundle {folder}", problems),
            hint="take another copy, such as the one in the folder of its run, or train again",
        )
    return Bundle(folder, manifest, digest_bytes(data))


def _problems(folder: Path, manifest: Manifest) -> list[str]:
    content = _content(folder)
    found = [f"{name}: not in the manifest" for name in manifest.needs if name not in manifest.files]
    for name, digest in manifest.files.items():
        if not (folder / name).is_file():
            found.append(f"{name}: missing")
        elif digest_file(folder / name) != digest:
            found.append(f"{name}: damaged, its digest is not the one in the manifest")
    # A file without a digest could be read all the same, by a graph that keeps its weights beside it.
    found += [f"{name}: not part of the bundle, remove it" for name in content if name not in manifest.files]
    return found


def _content(folder: Path) -> list[str]:
    """All but the manifest, its signature, and what systems drop into folders, such as `.DS_Store`."""
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name not in (MANIFEST, SIGNATURE) and not name.startswith(".")]
