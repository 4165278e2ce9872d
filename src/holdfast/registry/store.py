"""The versions of one model on disk: bundles that never change, each published in one step."""

import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.bundle import Bundle, open_bundle
from holdfast.bundle.manifest import MANIFEST
from holdfast.core.errors import BundleError
from holdfast.core.files import clear_aside, folder_aside, publish, read_json, write_json

BUNDLE, ENTRY = "bundle", "entry.json"


class Store:
    """Folders `<n>`, each with a bundle and an `entry.json`. Add to it under the lock of its model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> list[int]:
        """The numbers of all versions, ascending."""
        if not self.folder.is_dir():
            return []
        names = [path.name for path in self.folder.iterdir()]
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def bundle(self, version: int) -> Path:
        """The folder of a version's bundle."""
        return self.folder / str(version) / BUNDLE

    def entry(self, version: int) -> dict[str, Any]:
        """Where a version comes from: `version`, `run`, `created` (UTC) and `digest` of its bundle.

        Raises:
            BundleError: if that cannot be read.
        """
        path = self.folder / str(version) / ENTRY
        try:
            entry = dict(read_json(path))
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(f"{path} cannot be read ({error})", hint=_MEND) from None
        missing = [name for name in ("run", "created", "digest") if not isinstance(entry.get(name), str)]
        if missing:
            raise BundleError(f"{path} does not say {', '.join(missing)}", hint=_MEND)
        return entry

    def entries(self) -> dict[int, dict[str, Any]]:
        """The entries of all versions, but for those that cannot be read; `verify` speaks of them."""
        found = {}
        for version in self.versions():
            with suppress(BundleError):
                found[version] = self.entry(version)
        return found

    def add(self, bundle: Bundle, *, run: str, used: Collection[int]) -> int:
        """Copy a bundle, verify the copy, and publish it as the next version.

        Args:
            bundle: its folder stays as it is.
            run: the id of the run that made it.
            used: numbers that were given before, also to versions that are gone.

        Raises:
            BundleError: if it was damaged or changed since it was opened.
        """
        clear_aside(self.folder)
        version = max([0, *used, *self.versions()]) + 1
        with folder_aside(self.folder) as aside:
            (aside / BUNDLE).mkdir()
            for name in (MANIFEST, *bundle.manifest.files):
                shutil.copyfile(bundle.folder / name, aside / BUNDLE / name)
            if open_bundle(aside / BUNDLE).digest != bundle.digest:
                raise BundleError(f"{bundle.folder} changed while it was copied", hint="register it again")
            created = datetime.now(UTC).isoformat(timespec="seconds")
            entry = {"version": version, "run": run, "created": created, "digest": bundle.digest}
            write_json(aside / ENTRY, entry)
            publish(aside, self.folder / str(version))
        return version


_MEND = "put that version's folder back from a copy, or remove it"
