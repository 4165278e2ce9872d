"""What somebody else decoded: checked before it comes near a graph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from holdfast.core.errors import InputError
from holdfast.modality.audio import AudioPreparation, check_levels
from holdfast.modality.image import ImagePreparation
from holdfast.modality.text import TextPreparation

if TYPE_CHECKING:
    from holdfast.modality.preparation import Preparation


@dataclass(frozen=True)
class Form:
    """What decoded samples look like, many of them in one array.

    Attributes:
        dtype: of the array.
        shape: its axes; None where any length may be.
        words: the same for a person.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]
    words: str


def form_of(preparation: "Preparation") -> Form:
    """The form in which `accept` takes samples.

    >>> form_of(ImagePreparation(64, "squash", 10_000)).shape
    (None, 64, 64, 3)
    """
    if isinstance(preparation, ImagePreparation):
        side = preparation.size
        words = f"RGB pixels from 0 to 255, {side} × {side} of them a picture"
        return Form(np.dtype(np.uint8), (None, side, side, 3), words)
    if isinstance(preparation, AudioPreparation):
        words = f"sound in one channel, {preparation.rate} numbers a second, full scale from -1 to 1"
        return Form(np.dtype(np.float32), (None, None), words)
    assert isinstance(preparation, TextPreparation)
    words = f"at most {preparation.max_tokens} token ids a text, filled up with {preparation.pad}"
    return Form(np.dtype(np.int64), (None, None), words)


def accept(preparation: "Preparation", samples: np.ndarray) -> list[np.ndarray]:
    """Each sample as `decode` would have given it, shape (parts, …).

    A recording is cut into windows as a file's would be; a text loses the padding at its end.

    Args:
        samples: of the dtype and shape of `form_of`; the first axis counts them.

    Raises:
        InputError: if a sample is nothing that the graph was made for; names its index.
        ValueError: if the dtype or the shape is another one.

    >>> accept(ImagePreparation(8, "squash", 10_000), np.zeros((2, 8, 8, 3), np.uint8))[0].shape
    (1, 8, 8, 3)
    """
    form = form_of(preparation)
    if samples.dtype != form.dtype or not fits(samples.shape, form.shape):
        raise ValueError(f"samples of {samples.dtype}, shape {samples.shape}, where {form} was asked for")
    if isinstance(preparation, AudioPreparation):
        return [_sound(preparation, row, index) for index, row in enumerate(samples)]
    if isinstance(preparation, TextPreparation):
        return [_tokens(preparation, row, index) for index, row in enumerate(samples)]
    return [samples[index : index + 1] for index in range(len(samples))]


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is one of those wanted.

    >>> fits((2, 8), (None, 8)), fits((2, 8, 1), (None, 8))
    (True, False)
    """
    return len(shape) == len(wanted) and all(
        size is None or size == given for given, size in zip(shape, wanted, strict=True)
    )


def _sound(preparation: AudioPreparation, row: np.ndarray, index: int) -> np.ndarray:
    seconds = len(row) / preparation.rate
    try:
        if seconds > preparation.max_s:
            raise InputError(f"recording of {seconds:,.0f} s, longer than {preparation.max_s:,.0f} s")
        check_levels(row)
    except InputError as error:
        raise InputError(f"item {index}: {error.message}") from None
    return preparation.windows(row)


def _tokens(preparation: TextPreparation, row: np.ndarray, index: int) -> np.ndarray:
    used = np.flatnonzero(row != preparation.pad)
    if not len(used):
        raise InputError(f"item {index}: text without a single token")
    row = row[: used[-1] + 1]
    if len(row) > preparation.max_tokens:
        raise InputError(f"item {index}: text of {len(row):,} tokens, more than {preparation.max_tokens:,}")
    if row.min() < 0 or row.max() >= preparation.vocab_size:
        wrong = row[(row < 0) | (row >= preparation.vocab_size)][0]
        raise InputError(f"item {index}: token {wrong}, outside 0 to {preparation.vocab_size - 1}")
    return row[None]
