"""What the last look at a folder ended with, told again at once for as long as nothing at all has changed.

Neither pyarrow nor numpy is loaded for it: they take longer to load than a folder takes to be listed.
"""

import json
import os
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from holdfast import __version__
from holdfast.core.errors import DataError
from holdfast.core.files import ASIDE, digest_bytes, read_json
from holdfast.data.info import VersionInfo
from holdfast.data.litter import is_hidden, is_ignored
from holdfast.data.plan import SourceOptions
from holdfast.data.walk import FileColumns, Walk


class Stamp:
    """What `ingest` found, beside all that it hung on: a file that may be deleted at any time.

    Args:
        root: the folder of all datasets.
        name: of the dataset.
        source: what was taken in.
        options: what the user says about it.
        apart: folders that are no part of it.
    """

    def __init__(
        self, root: Path, name: str, source: str | Path, options: SourceOptions, apart: Sequence[Path]
    ) -> None:
        self._home, self._source, self._apart = root / name, Path(source), (root, *apart)
        self._ignore = options.ignore
        key = digest_bytes(str(self._source.resolve()).encode("utf-8", "backslashreplace"))[:16]
        self._record, self._path = (self._home / "scans" / f"{key}{end}" for end in (".parquet", ".json"))
        asked = (__version__, str(self._source.resolve()), sorted(map(str, self._apart)), options)
        self._asked = digest_bytes(repr(asked).encode("utf-8", "backslashreplace"))

    def answer(self) -> VersionInfo | None:
        """What a look at the source would end with; None unless the same was asked before, the store is as it
        was left then, and each file has the size, time and inode that it had."""
        try:
            told = read_json(self._path)
            if told["asked"] != self._asked or told["store"] != self._store() or not self._source.is_dir():
                return None
            walk = Walk(
                self._source,
                skip=is_hidden,
                ignored=lambda name: is_ignored(name, self._ignore),
                apart=self._apart,
            )
            marks = walk.folders(_pass_by)
            same = all(mark == before for mark, before in zip_longest(marks, told["marks"]))
            return VersionInfo.from_json(told["answer"]) if same else None
        except (OSError, ValueError, KeyError, TypeError, DataError):  # none, cut short, or a folder is shut
            return None

    def keep(self, marks: Sequence[str], answer: VersionInfo) -> None:
        """Keep what was found. Call it under the dataset's lock; fails in silence.

        Args:
            marks: of the walk in which the files were seen that the answer is about.
            answer: what another look at just these files and this store would end with.
        """
        aside = self._path.with_name(f"{ASIDE}{uuid.uuid4().hex}")
        with suppress(OSError):
            told = {"asked": self._asked, "store": self._store(), "marks": marks, "answer": answer.to_json()}
            aside.write_text(json.dumps(told), encoding="utf-8")
            aside.replace(self._path)

    def _store(self) -> str:
        """A digest of what the store consists of, by what the file system says, times of renaming included;
        and of what killed writers left, which a look clears away."""
        found: list[object] = []
        for folder in (self._home, self._path.parent):
            found += sorted(entry.name for entry in os.scandir(folder) if entry.name.startswith(ASIDE))
        files, folders = [self._record], [self._home / "versions", self._home / "shards"]
        for folder in folders:
            for entry in os.scandir(folder):
                (folders if entry.is_dir() else files).append(Path(entry.path))
        for path in sorted(files):
            it = path.stat()
            found.append((str(path), it.st_size, it.st_mtime_ns, it.st_ctime_ns, it.st_ino))
        return digest_bytes(repr((found, sorted(map(str, folders)))).encode("utf-8", "backslashreplace"))


def _pass_by(_: str, files: Iterable[FileColumns]) -> None:
    deque(files, maxlen=0)
