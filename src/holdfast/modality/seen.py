"""A sample as a person would see or hear it, before anything is resized or cut for a model."""

from typing import Any

from holdfast.core.media import MAX_CHARS, MAX_PIXELS, MAX_S, Modality
from holdfast.modality.audio import read_sound
from holdfast.modality.image import read_picture
from holdfast.modality.text import read_text


def seen(modality: Modality, data: bytes) -> Any:
    """The whole sample within the default limits.

    Returns:
        An upright RGB picture of Pillow; a mono recording, float32 of shape (frames,), with its rate in
        frames a second; or a text.

    Raises:
        InputError: if it cannot be decoded, or is over the default limits.

    >>> seen("text", "œuvre".encode())
    'œuvre'
    """
    if modality == "image":
        return read_picture(data, MAX_PIXELS)
    if modality == "audio":
        return read_sound(data, MAX_S)
    return read_text(data, MAX_CHARS)
