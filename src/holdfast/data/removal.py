"""Takes a version out of a dataset. Its bytes stay until they are collected."""

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.files import ASIDE, sync_folder
from holdfast.core.locks import locked
from holdfast.core.refs import Ref
from holdfast.data.info import find_version, read_info, version_folder
from holdfast.data.plan import some
from holdfast.data.tags import TAGS, changing, read_tags


def remove_version(root: Path, ref: Ref, *, used_by: Sequence[str] = (), force: bool = False) -> int:
    """Take a version out of its dataset, also a damaged one. The log keeps that it was there.

    Its number is never given again, and the splits of its samples hold on only in other versions.

    Args:
        root: the folder of all datasets.
        ref: names the version by its number or by a tag.
        used_by: what else needs the version, such as models, in words.
        force: remove it although something needs it; its tags go too.

    Raises:
        RefError: if there is no such version.
        DataError: if something needs it.
    """
    if ref.version is None and ref.alias is None:
        raise DataError(
            f"{str(ref)!r} names no version",
            hint=f"write {ref.name}@N; `holdfast data log {ref.name}` lists them",
        )
    home = root / ref.name
    number = find_version(root, ref)
    with locked(home / ".lock", what=f"dataset {ref.name}"), changing(home) as log:
        number = find_version(root, ref)
        tags = [tag for tag, pointed in read_tags(home).items() if pointed == number]
        needs = [f"tag {ref.name}@{tag}" for tag in tags] + list(used_by)
        if needs and not force:
            raise DataError(
                f"{ref.name}@{number} is needed by {some(needs)}", hint="remove it all the same with --force"
            )
        fingerprint = _fingerprint(root, ref.name, number)
        for tag in tags:
            log.append("untag", tag=tag, version=number, previous=number, fingerprint=fingerprint)
            (home / TAGS / f"{tag}.json").unlink()
        log.append("remove", version=number, fingerprint=fingerprint, forced=bool(needs))
        folder = version_folder(root, ref.name, number)
        aside = folder.with_name(f"{ASIDE}{uuid.uuid4().hex}")
        folder.rename(aside)
        sync_folder(folder.parent)
        shutil.rmtree(aside, ignore_errors=True)
    return number


def _fingerprint(root: Path, name: str, number: int) -> str | None:
    try:
        return read_info(root, name, number).fingerprint
    except HoldfastError:
        return None
