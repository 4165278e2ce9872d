"""One way from a sample's bytes to the input of the graph, the same in training and in serving."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from holdfast.core.media import MAX_CHARS, MAX_PIXELS, MAX_S, Modality
from holdfast.modality.audio import AudioPreparation, audio_facts
from holdfast.modality.image import ImagePreparation, image_facts
from holdfast.modality.text import TextPreparation, text_facts

if TYPE_CHECKING:  # looking at samples needs no settings, which take 0.1 s of CPU to load
    from holdfast.config.prepare import Prepare


class Preparation(Protocol):
    """Turns samples into arrays. The same bytes give the same array; safe to use from many threads."""

    @property
    def modality(self) -> Modality:
        """What it prepares."""
        ...

    def decode(self, data: bytes) -> np.ndarray:
        """The parts of one sample, shape (parts, …); what the graph says of them is averaged.

        Images and texts have one part; a recording has one for each of its windows.

        Raises:
            InputError: if the sample cannot be decoded or is over a limit.
        """
        ...

    def collate(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Single parts, without the axis of parts, as one batch of shape (len(parts), …).

        Raises:
            ValueError: if there are none.
        """
        ...

    def spans(self, parts: int) -> list[tuple[float, float]] | None:
        """Start and end of each of a recording's parts in seconds; None for images and texts."""
        ...


def prepare(config: "Prepare", tokenizer: bytes | None = None) -> Preparation:
    """The preparation that a configuration asks for.

    Args:
        config: names the modality.
        tokenizer: the content of a tokenizer.json; texts need one.

    Raises:
        ConfigError: if the tokenizer cannot be used.
        ValueError: if a text preparation is given no tokenizer.

    >>> from holdfast.config.prepare import ImagePrepare
    >>> prepare(ImagePrepare(size=32)).modality
    'image'
    """
    from holdfast.config.prepare import AudioPrepare, ImagePrepare

    if isinstance(config, ImagePrepare):
        return ImagePreparation(config.size, config.fit, config.max_pixels, config.draft)
    if isinstance(config, AudioPrepare):
        return AudioPreparation(config.rate, config.window_s, config.hop_s, config.max_s)
    if tokenizer is None:
        raise ValueError("a text preparation needs the content of a tokenizer.json")
    return TextPreparation(tokenizer, config.max_tokens, config.max_chars)


def restricted(
    preparation: Preparation, *, max_pixels: int = 0, max_s: float = 0.0, max_chars: int = 0
) -> Preparation:
    """The same preparation for smaller samples; a limit that is 0, or above its own, changes nothing.

    >>> from holdfast.config.prepare import ImagePrepare
    >>> restricted(prepare(ImagePrepare()), max_pixels=1_000_000, max_s=5.0).max_pixels
    1000000
    """
    limits = {"max_pixels": max_pixels, "max_s": max_s, "max_chars": max_chars}
    for name, limit in limits.items():
        own = getattr(preparation, name, None)
        if own is not None and 0 < limit < own:
            return replace(preparation, **{name: limit})  # type: ignore[type-var]
    return preparation


def probe(modality: Modality, data: bytes) -> dict[str, int | float | str]:
    """Decode a sample whole, so that a broken one is found out, and say what it holds.

    Returns:
        For an image its width and height (turned upright), mode and format; for a recording its
        seconds, rate, channels and format; for a text its chars.

    Raises:
        InputError: if it cannot be decoded, or is over the default limits; the message is
            a reason in a few words.

    >>> probe("text", "œuvre".encode())
    {'chars': 5}
    """
    if modality == "image":
        return image_facts(data, MAX_PIXELS)
    if modality == "audio":
        return audio_facts(data, MAX_S)
    return text_facts(data, MAX_CHARS)
