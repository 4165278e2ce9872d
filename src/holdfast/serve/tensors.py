"""Tensors as the Open Inference Protocol writes them: in JSON, or as bytes behind it."""

import struct
from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any

import numpy as np

DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("u1"),
    "INT64": np.dtype("<i8"),
    "FP32": np.dtype("<f4"),
    "BOOL": np.dtype("?"),
}
"""The protocol's names of what graphs take and give; BYTES, beside them, are strings of any bytes."""
NAMES = {dtype.newbyteorder("="): name for name, dtype in DATATYPES.items()}
"""The same the other way round."""
_LENGTH = struct.Struct("<I")


class TensorError(ValueError):
    """What is sent is not the tensor that it is said to be; the message goes behind the tensor's name."""


def from_bytes(data: memoryview, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """The array over the same memory.

    Raises:
        TensorError: if there are not as many bytes as the shape needs.

    >>> from_bytes(memoryview(bytes([1, 2])), np.dtype("u1"), [1, 2])
    array([[1, 2]], dtype=uint8)
    """
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        raise TensorError(f"is {len(data):,} bytes long, but its shape {list(shape)} needs {needed:,}")
    return np.frombuffer(data, dtype).reshape(shape)


def strings_from_bytes(data: memoryview, count: int) -> list[bytes]:
    """The strings of a BYTES tensor: each has its length in four bytes before it.

    Raises:
        TensorError: if there are not so many.

    >>> strings_from_bytes(memoryview(bytes([2, 0, 0, 0, 104, 105])), 1)
    [b'hi']
    """
    found: list[bytes] = []
    place = 0
    while place < len(data) and len(found) <= count:
        start = place + _LENGTH.size
        if start > len(data) or (end := start + _LENGTH.unpack_from(data, place)[0]) > len(data):
            raise TensorError(f"ends within its string {len(found)}")
        found.append(bytes(data[start:end]))
        place = end
    if len(found) != count:
        more = "more than " if len(found) > count else ""
        raise TensorError(f"holds {more}{min(len(found), count)} strings, but its shape says {count}")
    return found


def from_json(data: Any, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """The array of numbers in nested lists, or in one flat list.

    Raises:
        TensorError: if they do not fit the shape, are no numbers, or outside what the datatype holds.

    >>> from_json([[1, 2]], np.dtype("u1"), [1, 2])
    array([[1, 2]], dtype=uint8)
    """
    flat = _flat(data, shape)
    kinds = (int,) if dtype.kind in "iu" else (int, float)
    if wrong := set(map(type, flat)).difference(kinds):
        kind = min(it.__name__ for it in wrong)
        raise TensorError(f"holds a {kind} where {'whole ' * (kinds == (int,))}numbers are asked for")
    try:
        with np.errstate(over="ignore"):  # infinity is refused where it does not belong
            return np.array(flat, dtype).reshape(shape)
    except OverflowError:
        raise TensorError(f"holds a number that is none of datatype {NAMES[dtype]}") from None


def strings_from_json(data: Any, shape: Sequence[int]) -> list[str]:
    """The strings in nested lists, or in one flat list.

    Raises:
        TensorError: if they do not fit the shape, or are no strings.

    >>> strings_from_json([["hi"]], [1, 1])
    ['hi']
    """
    flat = _flat(data, shape)
    if wrong := set(map(type, flat)).difference({str}):
        raise TensorError(f"holds a {min(it.__name__ for it in wrong)} where strings are asked for")
    return flat


def strings_to_bytes(strings: Sequence[bytes]) -> bytes:
    """A BYTES tensor's bytes; the other way round than `strings_from_bytes`."""
    return b"".join(part for it in strings for part in (_LENGTH.pack(len(it)), it))


def _flat(data: Any, shape: Sequence[int]) -> list[Any]:
    """What nested lists hold, if they are nested as the shape says; a flat list may have any shape.

    By hand, not by numpy: that would make room for the longest string as often as there are numbers.
    """
    if type(data) is not list:
        raise TensorError("has no list of data")
    flat, depth = data, 1
    while flat and type(flat[0]) is list:
        if depth >= len(shape) or set(map(type, flat)) != {list} or set(map(len, flat)) != {shape[depth]}:
            raise TensorError(f"has lists in it that are not nested as its shape {list(shape)} says")
        flat, depth = list(chain.from_iterable(flat)), depth + 1
    if len(flat) != prod(shape):
        raise TensorError(f"holds {len(flat):,} values, but its shape {list(shape)} needs {prod(shape):,}")
    if depth not in (1, len(shape)):
        raise TensorError(f"has lists in it that are not nested as its shape {list(shape)} says")
    return flat
