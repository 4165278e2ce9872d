"""Which samples must stay together, with numbers in place of texts so that a million of them are light."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

Ints = npt.NDArray[np.signedinteger[Any]]
Places = npt.NDArray[np.int8]
"""Indices into SPLITS; -1 for none."""


def texts(values: Any) -> pyarrow.ChunkedArray:
    """A column of texts from whatever holds it (pyarrow, numpy or a list); what is missing is empty."""
    if not isinstance(values, pyarrow.Array | pyarrow.ChunkedArray):
        values = pyarrow.array(values, pyarrow.string())
    if pyarrow.types.is_dictionary(values.type) or pyarrow.types.is_null(values.type):
        values = values.cast(pyarrow.string())
    values = pc.fill_null(values, "") if values.null_count else values
    return values if isinstance(values, pyarrow.ChunkedArray) else pyarrow.chunked_array([values])


def ranks(values: pyarrow.ChunkedArray) -> Ints:
    """The place of each value among the different values in their order. Sorted values cost next to nothing.

    >>> ranks(texts(["b", "a", "b"])).tolist()
    [1, 0, 1]
    """
    if len(values) == 0:
        return np.zeros(0, np.int32)
    order = None
    if not pc.all(pc.less_equal(values.slice(0, len(values) - 1), values.slice(1))).as_py():
        order = pc.sort_indices(values)
        values = values.take(order)
    rank = np.zeros(len(values), np.int32)
    np.cumsum(_flags(pc.not_equal(values.slice(0, len(values) - 1), values.slice(1))), out=rank[1:])
    if order is None:
        return rank
    ranked = np.empty_like(rank)
    ranked[order.to_numpy()] = rank
    return ranked


def codes(values: pyarrow.ChunkedArray) -> Ints:
    """A number for each value, from 0 up, in the order in which they first appear.

    >>> codes(texts(["b", "a", "b"])).tolist()
    [0, 1, 0]
    """
    encoded = pc.dictionary_encode(values)
    return _joined([chunk.indices.to_numpy() for chunk in encoded.chunks], np.int32)


def index_of(values: Any, keys: Any) -> npt.NDArray[np.int64]:
    """Which of the keys each value equals, as an index, or -1. No key comes twice.

    >>> index_of(texts(["b", "c"]), texts(["a", "b"])).tolist()
    [1, -1]
    """
    values, keys = texts(values), texts(keys)
    if len(keys) == 0:
        return np.full(len(values), -1, np.int64)
    if len(keys) == len(values) and values.equals(keys):  # as where nothing has changed: no table of hashes
        return np.arange(len(keys))
    at = pc.index_in(values, value_set=keys)
    return _joined([chunk.to_numpy(zero_copy_only=False) for chunk in at.fill_null(-1).chunks], np.int64)


def looked_up(values: pyarrow.ChunkedArray, keys: pyarrow.ChunkedArray, places: Places) -> Places:
    """The place of the key that each value equals, or -1. No key comes twice."""
    if len(keys) == 0:
        return np.full(len(values), -1, np.int8)
    found = index_of(values, keys)
    return np.where(found >= 0, places[found], np.int8(-1)).astype(np.int8, copy=False)


def units_of(digests: Ints, groups: Ints) -> Ints:
    """The unit of each sample: units share neither a group nor a digest.

    Args:
        digests: a number from 0 up for each sample's content; equal for exact copies.
        groups: likewise for its group.

    A copy in two groups ties them together:

    >>> units_of(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [0, 0, 0, 1]
    """
    different = int(digests.max(initial=-1)) + 1
    if different == len(digests):
        return groups
    if int(groups.max(initial=-1)) + 1 == len(groups) or np.array_equal(digests, groups):
        return digests
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    nodes = different + int(groups.max()) + 1
    edges = coo_matrix((np.ones(len(digests), np.int8), (digests, groups + different)), shape=(nodes, nodes))
    _, unit = connected_components(edges, directed=False)
    return np.asarray(np.unique(unit[digests], return_inverse=True)[1], np.int32)


def first_rows(digests: Ints, units: Ints, count: int) -> npt.NDArray[np.int64]:
    """The row of the smallest digest of each of `count` units; which of equal ones does not matter."""
    first = np.zeros(count, np.int64)
    backwards = np.argsort(digests, kind="stable")[::-1]
    first[units[backwards]] = backwards  # the last to be written stays
    return first


def _flags(values: pyarrow.ChunkedArray) -> npt.NDArray[np.bool_]:
    return _joined([chunk.to_numpy(zero_copy_only=False) for chunk in values.chunks], np.bool_)


def _joined(parts: list[npt.NDArray[Any]], kind: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind, copy=False)
