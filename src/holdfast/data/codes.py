"""The columns of a version as numbers, to reckon with a million samples at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow

from holdfast.data.plan import SPLITS
from holdfast.data.version import Version


@dataclass(frozen=True)
class Codes:
    """The columns of a version, each of shape (n,).

    >>> from types import SimpleNamespace
    >>> table = pyarrow.table({"split": ["train", "test"], "digest": ["a", "b"], "group": ["g", "b"]})
    >>> codes = Codes(SimpleNamespace(table=table))
    >>> codes.split.tolist(), codes.alone.tolist()
    ([0, 2], [False, True])
    """

    version: Version

    @cached_property
    def digest(self) -> np.ndarray:
        """Equal where the bytes are."""
        return encoded(self.version.table.column("digest"))[0]

    @cached_property
    def group(self) -> np.ndarray:
        """Equal where the groups are."""
        return encoded(self.version.table.column("group"))[0]

    @cached_property
    def alone(self) -> np.ndarray:
        """Whether the source gave the sample no group: it then goes by its own digest."""
        from pyarrow import compute

        table = self.version.table
        return np.asarray(compute.equal(table.column("digest"), table.column("group")))

    @cached_property
    def split(self) -> np.ndarray:
        """Places in `SPLITS`: 0 train, 1 valid, 2 test."""
        from pyarrow import compute

        places = compute.index_in(self.version.table.column("split"), value_set=pyarrow.array(SPLITS))
        return np.asarray(places).astype(np.int8)

    @cached_property
    def labels(self) -> np.ndarray:
        """Equal where all labels are."""
        targets = self.version.targets
        if targets.ndim == 1:
            return np.asarray(targets)
        packed = np.packbits(targets.astype(bool), axis=1)
        return np.unique(packed, axis=0, return_inverse=True)[1].ravel()

    def rows(self, split: str) -> np.ndarray:
        """Indices of the samples of a split."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def counted(self, split: str) -> np.ndarray:
        """Indices of a split's samples that headline scores count: no copies of training samples."""
        return np.flatnonzero((self.split == SPLITS.index(split)) & ~self.version.twins)


def names_of(version: Version, rows: np.ndarray) -> list[str]:
    """The names of a few samples."""
    return [str(name) for name in version.table.column("name").take(rows).to_pylist()]


def encoded(column: pyarrow.ChunkedArray) -> tuple[np.ndarray, pyarrow.Array]:
    """A number for each value, shape (n,), and the values that the numbers stand for.

    >>> numbers, words = encoded(pyarrow.chunked_array([["b", "a"], ["b"]]))
    >>> numbers.tolist(), words.to_pylist()
    ([0, 1, 0], ['b', 'a'])
    """
    found = column.dictionary_encode().combine_chunks()
    if isinstance(found, pyarrow.ChunkedArray):
        found = pyarrow.concat_arrays(found.unify_dictionaries().chunks or [pyarrow.array([], found.type)])
    return np.asarray(found.indices), found.dictionary
