"""Keeps pyarrow from loading pandas where nobody asked for it."""

import sys
from typing import Any


def leave_pandas() -> None:
    """Let pyarrow settle now, for the rest of this process, that it is not given columns of pandas.

    The first `pyarrow.array` of a process imports pandas where it is installed, 0.2 s of CPU, only to ask
    whether what it got is one of its columns. Ours never are. `import pandas` and `to_pandas` work as before.
    For our own commands; in a process of somebody else it is theirs to say.
    """
    import pyarrow

    refuse = _Refuse()
    sys.meta_path.insert(0, refuse)
    try:
        pyarrow.array([None])
    finally:
        sys.meta_path.remove(refuse)


class _Refuse:
    """A finder of modules that knows one which is not to be loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002
        if name == "pandas":
            raise ModuleNotFoundError(f"{name} is left alone for now", name=name)
