"""Loads pyarrow without what none of our own commands needs: pandas, and the text of its documentation."""

import gc
import os
import sys
from collections import defaultdict
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCS = "pyarrow.vendored.docscrape"


def load_pyarrow() -> None:
    """Load it, and numpy, unless that was done, in three quarters of the time. For processes of our own."""
    if "pyarrow.compute" in sys.modules:
        return
    # Nothing here multiplies matrices, and threads that wait for that cost a tenth of a short command.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # it would look through a hundred thousand new objects again and again, and find nothing
    try:
        leave_pandas()
        with _documentation_unread():
            import pyarrow.compute
        import pyarrow.parquet  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


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


@contextmanager
def _documentation_unread() -> "Iterator[None]":
    """Let pyarrow.compute take the documentation of its options for empty: it would read all of it, 0.02 s of
    CPU, to write that of its functions."""
    empty: Any = ModuleType(_DOCS)
    empty.NumpyDocString = lambda _: defaultdict(list)
    sys.modules.setdefault(_DOCS, empty)
    try:
        yield
    finally:
        if sys.modules[_DOCS] is empty:
            del sys.modules[_DOCS]
