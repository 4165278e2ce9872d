import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from holdfast.serve.tensors import (
    DATATYPES,
    TensorError,
    from_bytes,
    from_json,
    strings_from_bytes,
    strings_from_json,
    strings_to_bytes,
)

ARRAYS = st.sampled_from([np.dtype("u1"), np.dtype("i8")]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_side=4))
)


@given(ARRAYS)
def test_numbers_are_the_same_in_json_and_in_bytes(array: np.ndarray) -> None:
    data = memoryview(array.tobytes())
    nested = json.loads(json.dumps(array.tolist()))

    np.testing.assert_array_equal(from_bytes(data, array.dtype, array.shape), array)
    np.testing.assert_array_equal(from_json(nested, array.dtype, array.shape), array)
    np.testing.assert_array_equal(from_json(array.ravel().tolist(), array.dtype, array.shape), array)


@given(st.lists(st.binary()))
def test_strings_are_written_as_tritons_client_does(strings: list[bytes]) -> None:
    triton = pytest.importorskip("tritonclient.utils")
    theirs = triton.serialize_byte_tensor(np.array(strings, dtype=object))

    assert strings_to_bytes(strings) == (theirs.item() if theirs.size else b"")
    assert strings_from_bytes(memoryview(strings_to_bytes(strings)), len(strings)) == strings


@given(st.binary(max_size=40), st.integers(0, 4))
def test_no_bytes_make_it_stumble(data: bytes, count: int) -> None:
    try:
        found = strings_from_bytes(memoryview(data), count)
    except TensorError:
        return
    assert len(found) == count
    assert strings_to_bytes(found) == data


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(list(DATATYPES.values())), st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_no_json_makes_it_stumble(value: object, dtype: np.dtype, shape: list[int]) -> None:
    for read in (lambda: from_json(value, dtype, shape), lambda: strings_from_json(value, shape)):
        try:
            found = read()
        except TensorError:
            continue
        assert np.shape(found) in (tuple(shape), (int(np.prod(shape)),))


def test_true_is_no_number() -> None:
    with pytest.raises(TensorError, match="holds a bool where whole numbers"):
        from_json([True], np.dtype("u1"), [1])


def test_one_long_string_does_not_make_room_for_as_many_as_there_are_numbers() -> None:
    with pytest.raises(TensorError, match="holds a str where numbers"):
        from_json([0.5] * 100_000 + ["x" * 1_000_000], np.dtype("f4"), [100_001])  # numpy: 400 GB
