"""The log of a run's metrics: one JSON line a time, whole after any kill, readable while it grows."""

import errno
import json
import math
from io import FileIO
from pathlib import Path
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.core.files import whole_lines, write_bytes


class MetricsLog:
    """Writes the log. For one process at a time, and one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def append(self, step: int, values: dict[str, Any]) -> None:
        """Add a line. It has left this process when this returns, so that no kill takes it back.

        A number that JSON does not have, such as NaN, becomes null.
        """
        line = json.dumps({"step": step, **{name: _plain(value) for name, value in values.items()}})
        if self._file is None:
            self._drop_torn()
            self._file = self._path.open("ab", buffering=0)
        data = line.encode() + b"\n"
        if self._file.write(data) < len(data):  # in one call: a reader sees all of the line or none
            raise OSError(errno.ENOSPC, "no space left to log to", str(self._path))

    def rewind(self, step: int) -> None:
        """Drop the lines after a step, all at once: what is taken up at that step logs them again."""
        lines = whole_lines(self._path)
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        if len(kept) < len(lines):
            self.close()  # Windows does not replace a file that is open
            write_bytes(self._path, "".join(f"{line}\n" for line in kept).encode())

    def close(self) -> None:
        """Let go of the file. Appending opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop_torn(self) -> None:
        """A power cut or a full disk can leave half a line; the next one must not be glued to it."""
        if self._path.exists():
            data = self._path.read_bytes()
            if data and not data.endswith(b"\n"):
                write_bytes(self._path, data[: data.rfind(b"\n") + 1])


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, oldest first; none if there is no log yet.

    Raises:
        HoldfastError: if a line is damaged.
    """
    rows = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            raise HoldfastError(
                f"{path} is damaged in line {number}", hint="remove that line, or the whole run"
            ) from None
    return rows


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value  # numbers of numpy and torch
    return None if isinstance(value, float) and not math.isfinite(value) else value
