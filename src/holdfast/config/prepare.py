"""The dials of decoding, which a bundle keeps: what a sample's bytes become."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from holdfast.core.media import MAX_CHARS, MAX_PIXELS, MAX_S

Share = Annotated[float, Ge(0), Lt(1)]
Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
NotNegative = Annotated[float, Ge(0)]
_Level = Annotated[float, Ge(0), Le(1)]


def _each_channel(value: object) -> object:
    return [value] * 3 if isinstance(value, int | float) else value


Levels = Annotated[tuple[_Level, _Level, _Level], BeforeValidator(_each_channel)]
"""A number for red, green and blue each; one number stands for all three."""
Spreads = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_each_channel)]


class Settings(BaseModel):
    """A frozen group of settings that knows its own keys and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class ImagePrepare(Settings):
    """From the bytes of a picture to uint8 pixels of shape (1, size, size, 3)."""

    modality: Literal["image"] = "image"
    size: Annotated[int, Ge(8), Le(1024)] = 64
    """Pixels on each side; twice as many cost four times the time and show finer detail."""
    fit: Literal["squash", "crop", "pad"] = "squash"
    """How a picture that is not square becomes square: squashed, cropped in the middle, or padded."""
    mean: Levels | None = None
    """Taken off each channel, as a share of full white, inside the graph: one number or three.

    None: what the pretrained network was trained with, or 0.5.
    """
    std: Spreads | None = None
    """Each channel is divided by this, inside the graph. None: the pretrained network's own, or 0.25."""
    max_pixels: Count = MAX_PIXELS
    """Larger pictures are refused before they are unpacked."""
    draft: bool = False
    """Unpack large JPEGs at a half, a quarter or an eighth, which is faster, and shrink from there.

    They stay at least twice as large as `size`. In training as in serving, so both see the same pixels.
    """


class AudioPrepare(Settings):
    """From the bytes of a recording to float32 windows of shape (windows, rate * window_s)."""

    modality: Literal["audio"] = "audio"
    rate: Annotated[int, Ge(4000), Le(96000)] = 16000
    """Samples a second after resampling; frequencies above half of it are lost."""
    window_s: Positive = 5.0
    """Seconds in one window."""
    hop_s: Positive = 2.5
    """Seconds from the start of a window to the start of the next."""
    n_fft: Annotated[int, Ge(64), Le(8192)] = 1024
    """Audio samples in one frame of the spectrum."""
    hop: Annotated[int, Ge(16)] = 512
    """Audio samples from one frame to the next."""
    mels: Annotated[int, Ge(8), Le(512)] = 64
    """Bands of the mel scale."""
    f_min: NotNegative = 20.0
    """Lowest frequency in Hz."""
    f_max: Positive = 8000.0
    """Highest frequency in Hz; at most half of `rate`."""
    max_s: Positive = MAX_S
    """Longer recordings are refused."""
    min_rms: NotNegative = 0.0
    """Training draws no window softer than this root mean square, where full scale is 1; 0 draws all."""
    min_mel_std: NotNegative = 0.0
    """Training draws no window whose log-mel spectrum deviates by fewer decibels; 0 draws all."""

    @model_validator(mode="after")
    def _consistent(self) -> "AudioPrepare":
        problems = []
        if self.hop_s > self.window_s:
            problems.append(
                f"hop_s ({self.hop_s}) is longer than window_s ({self.window_s}): sound would be skipped"
            )
        if self.f_max > self.rate / 2:
            problems.append(f"f_max ({self.f_max}) is above half of rate ({self.rate})")
        if self.f_min >= self.f_max:
            problems.append(f"f_min ({self.f_min}) is not below f_max ({self.f_max})")
        if self.n_fft > self.rate * self.window_s:
            problems.append(
                f"n_fft ({self.n_fft}) is longer than a window ({self.rate * self.window_s:.0f} samples)"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self


class TextPrepare(Settings):
    """From UTF-8 text to int64 token ids of shape (1, tokens)."""

    modality: Literal["text"] = "text"
    max_tokens: Annotated[int, Ge(4), Le(8192)] = 256
    """Longer texts are cut here."""
    vocab: Annotated[int, Ge(258), Le(200_000)] = 8000
    """Tokens of the byte-pair vocabulary that is learnt from the training split; 258 are the bytes alone."""
    tokenizer: str | None = None
    """Path of a `tokenizer.json` to use instead of the pretrained network's own, or of learning one."""
    max_chars: Count = MAX_CHARS
    """Longer texts are refused."""


Prepare = Annotated[ImagePrepare | AudioPrepare | TextPrepare, Field(discriminator="modality")]
