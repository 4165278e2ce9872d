"""Pictures: JPEG, PNG, WebP, GIF, TIFF and BMP to upright RGB pixels, none of them half read."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np

from holdfast.core.errors import InputError
from holdfast.core.media import Modality
from holdfast.modality.sniff import first_bytes

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Fit = Literal["squash", "crop", "pad"]

_GREY = (128, 128, 128)
_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
_TWELVE_BITS = 4095
_ENDED_EARLY = ("truncated", "incomplete", "requires a buffer", "no more images", "missing dimensions")


@dataclass(frozen=True)
class ImagePreparation:
    """Squares of RGB pixels, uint8, shape (1, size, size, 3)."""

    size: int
    fit: Fit
    max_pixels: int
    draft: bool = False
    """Let large JPEGs be unpacked at a half, a quarter or an eighth, still twice as large as `size`."""

    @property
    def modality(self) -> Modality:
        """Always "image"."""
        return "image"

    def decode(self, data: bytes) -> np.ndarray:
        """The picture, upright, transparent parts on white, resized with antialiasing.

        Raises:
            InputError: if it is not a picture, is damaged, or has more than `max_pixels` pixels.
        """
        rgb, _ = _read(data, self.max_pixels, 2 * self.size if self.draft else 0)
        return np.array(_square(rgb, self.size, self.fit))[None]

    def collate(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures of shape (size, size, 3) as one batch."""
        return np.stack(parts)

    def spans(self, parts: int) -> None:
        """None: a picture has no time."""


def image_facts(data: bytes, max_pixels: int) -> dict[str, int | float | str]:
    """Width and height as a person sees them, the mode and the format of the file; decodes it whole.

    Raises:
        InputError: as `ImagePreparation.decode` does.
    """
    rgb, facts = _read(data, max_pixels)
    return {"width": rgb.width, "height": rgb.height, **facts}


def read_picture(data: bytes, max_pixels: int) -> "Image":
    """The picture, upright and RGB, transparent parts on white.

    Raises:
        InputError: as `ImagePreparation.decode` does.
    """
    return _read(data, max_pixels)[0]


def _read(data: bytes, max_pixels: int, least: int = 0) -> tuple["Image", dict[str, str]]:
    """The upright RGB picture, and mode and format of the file that it came in.

    A JPEG may come smaller, but not under `least` pixels on a side, if that is not 0.
    """
    if not data:
        raise InputError("empty file")
    image_format = _format(data)
    if image_format is None:
        raise InputError(f"not an image (starts with {first_bytes(data)})")
    if image_format == "WEBP":
        _check_webp(data, max_pixels)
    try:
        with _open(data, image_format) as image:
            _check_size(*image.size, max_pixels)
            if least and image_format == "JPEG":
                image.draft(None, (least, least))  # type: ignore[arg-type]  # leaves the mode as it is
            image.load()
            mode = image.mode  # the TIFF reader knows it only now
            return _upright(_rgb(image), image), {"mode": mode, "format": image_format}
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes the readers of Pillow raise almost anything
        raise InputError(_reason(error)) from error


def _format(data: bytes) -> str | None:
    """The format that the first bytes speak of. Only these are read, whatever else Pillow could read."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data.startswith(b"BM"):
        return "BMP"
    return None


def _open(data: bytes, image_format: str) -> "ImageFile":
    """The header is read, the pixels are not yet.

    `Image.open` would do, but it warns of large pictures by a limit that is global to the process.
    """
    from PIL import (
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    readers: dict[str, type[ImageFile]] = {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
    }
    return readers[image_format](BytesIO(data))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise InputError("image without pixels")
    if width * height > max_pixels:
        raise InputError(
            f"image of {width} × {height} pixels, more than {max_pixels:,} in all",
            hint="make the picture smaller",
        )


def _check_webp(data: bytes, max_pixels: int) -> None:
    """Length and size as the header gives them: Pillow makes the canvas before it tells its size."""
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise InputError("truncated image")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = int.from_bytes(data[24:27], "little"), int.from_bytes(data[27:30], "little")
        _check_size(width + 1, height + 1, max_pixels)
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        _check_size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), max_pixels)
    elif kind == b"VP8 ":
        width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        _check_size(width & 0x3FFF, height & 0x3FFF, max_pixels)


def _reason(error: Exception) -> str:
    """A few words. Pillow says in many ways that a file ended too early."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, KeyError):
        text = f"unknown value {text} in its header"
    if isinstance(error, EOFError) or any(words in text.lower() for words in _ENDED_EARLY):
        return "truncated image"
    return f"broken image ({text[:80]})"


def _upright(rgb: "Image", source: "Image") -> "Image":
    """Turned as the EXIF of its source says. EXIF that cannot be read says nothing: no viewer minds it."""
    from PIL.Image import Transpose

    try:
        orientation = source.getexif().get(_ORIENTATION)
    except Exception:  # as in _read
        return rgb
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return rgb if turn is None else rgb.transpose(turn)


def _rgb(image: "Image") -> "Image":
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    elif image.mode in ("I", "F"):
        image = Image.fromarray(_stretched(np.asarray(image)))
    elif image.mode == "LAB":
        raise InputError("image in LAB colours, which are not supported")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if image.mode == "RGB":
        return image  # to convert it would copy it, which takes a quarter as long as to decode a JPEG
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """16-bit greys as 8-bit ones. Scanners write 12 bits into 16: those would all come out black."""
    top = _TWELVE_BITS if values.max() <= _TWELVE_BITS else 65535
    return ((values.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values without a fixed range: floats from 0 to 1 if they all lie there, else from least to largest."""
    if not np.isfinite(values).all():
        raise InputError("image with NaN or infinite pixels")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scale = 255 / (high - low) if high > low else 0.0
    return np.rint((values.astype(np.float64) - low) * scale).astype(np.uint8)


def _square(image: "Image", size: int, fit: Fit) -> "Image":
    """A square. Pillow's bilinear filter widens as it shrinks, so nothing is skipped over."""
    from PIL import Image

    width, height = image.size
    if fit == "squash":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = Image.new("RGB", (size, size), _GREY)
    square.paste(
        image.resize(inner, Image.Resampling.BILINEAR), ((size - inner[0]) // 2, (size - inner[1]) // 2)
    )
    return square
