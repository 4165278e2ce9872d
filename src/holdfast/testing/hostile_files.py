"""Files that no decoder should stumble over: cut, bent, lying about their size, two kinds at once."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from holdfast.core.media import Modality
from holdfast.testing.bundles import toy_item

if TYPE_CHECKING:
    from PIL.Image import Image


def hostile_file(modality: Modality, rng: random.Random) -> bytes:
    """A file that may be good, or broken in some way; mostly the latter.

    >>> len({hostile_file("image", random.Random(seed)) for seed in range(20)}) > 10
    True
    """
    kind = rng.random()
    if kind < 0.08:
        return rng.choice(_ANYTHING)
    data = rng.choice(good_files(modality))
    if kind < 0.16:
        return data
    if kind < 0.3 and modality != "text":
        return rng.choice(_LIES[modality])()
    if kind < 0.36:
        other: Modality = rng.choice(["image", "audio", "text"])
        return _spliced(data, rng.choice(good_files(other)), rng)
    for _ in range(rng.randint(1, 3)):
        data = rng.choice((_cut, _bent, _bent, _grown, _twice, _sized))(data, rng)
    return data


@cache
def good_files(modality: Modality) -> list[bytes]:
    """Good files of many kinds, some of them rare."""
    if modality == "text":
        texts = [
            "the sea",
            "œuvre 𝒳 👩‍👩‍👧",
            "[PAD] [UNK]",
            "\u202eabc",
            "a" * 3000,
            "\ufeffx\r\ny",
            "　",
            "0",
        ]
        return [toy_item("text", 1), *(text.encode() for text in texts)]
    return _pictures() if modality == "image" else _sounds()


def _pictures() -> list[bytes]:
    from PIL import Image

    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (24, 20, 3), dtype=np.uint8))
    found = []
    for mode in ("RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB"):
        image = rgb.convert("L").convert(mode) if mode in ("I;16", "I", "F") else _converted(rgb, mode)
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
            file = io.BytesIO()
            try:
                image.save(file, kind)
            except (OSError, ValueError, KeyError):
                continue
            found.append(file.getvalue())
    others = [rgb.rotate(90 * turn) for turn in range(3)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):  # that move
        file = io.BytesIO()
        rgb.save(file, kind, save_all=True, append_images=others)
        found.append(file.getvalue())
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(file, "JPEG", exif=exif, progressive=True, quality=30)
    return [*found, file.getvalue()]


def _converted(image: "Image", mode: str) -> "Image":
    from PIL import ImageCms

    if mode != "LAB":
        return image.convert(mode)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    found = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert found is not None
    return found


def _sounds() -> list[bytes]:
    import soundfile

    sound = (0.4 * np.sin(np.arange(6000) / 7)).astype(np.float32)
    found = []
    for kind, subtype in (
        ("WAV", "PCM_16"),
        ("WAV", "PCM_U8"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "PCM_24"),
        ("RF64", "DOUBLE"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ):
        for channels in (1, 2):
            file = io.BytesIO()
            soundfile.write(file, np.stack([sound] * channels, axis=1), 16000, format=kind, subtype=subtype)
            found.append(file.getvalue())
    return found


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _bent(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, more often near the start, where the headers are."""
    bent = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 40))):
        if bent:
            place = min(rng.randrange(len(bent)), rng.choice((32, 200, len(bent) - 1)))
            bent[place] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
    return bytes(bent)


def _grown(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.choice((1, 10, 1000))) + data[place:]


def _twice(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * rng.choice((1, 2, 30)) + data[end:]


def _sized(data: bytes, rng: random.Random) -> bytes:
    """Four bytes that may be a length, made the largest there is, or negative."""
    place = rng.randrange(max(1, min(len(data), 80)))
    value = rng.choice(
        (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x80")
    )
    return data[:place] + value + data[place + 4 :]


def _spliced(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The head of one file with the tail of another, or one behind the other."""
    if rng.random() < 0.5:
        return data + other
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _png(
    width: int, height: int, packed: bytes = b"", *, depth: int = 8, colour: int = 2, extra: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), extra, _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def _gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\x80\0\0"
        + bytes(6)
        + b"\x2c"
        + struct.pack("<HHHH", 0, 0, width, height)
        + b"\0\2\2\x4c\1\0;"
    )


def _bmp(width: int, height: int, bits: int = 24) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 100, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    )


def _tiff(width: int, height: int) -> bytes:
    tags = (
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, 2**31),
    )
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def _webp(width: int, height: int) -> bytes:
    body = (
        b"WEBPVP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _wav(rate: int, channels: int, bits: int, size: int, *, kind: int = 1) -> bytes:
    each = channels * bits // 8 & 0xFFFF
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * each & 0xFFFFFFFF, each, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + 400 & 0xFFFFFFFF)
        + b"WAVEfmt \x10\0\0\0"
        + head
        + b"data"
        + struct.pack("<I", size)
        + bytes(400)
    )


def _flac(samples: int, rate: int = 44100) -> bytes:
    word = rate << 44 | 1 << 41 | 15 << 36 | samples
    return (
        b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + word.to_bytes(8, "big") + bytes(16)
    )


def _loud() -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file, np.array([1e30, -3e38, 0, np.nan] * 500, np.float32), 8000, format="WAV", subtype="FLOAT"
    )
    return file.getvalue()


_LIES: dict[str, list[Callable[[], bytes]]] = {
    "image": [
        lambda: _png(100_000, 100_000),
        lambda: _png(2**31 - 1, 2**31 - 1),
        lambda: _png(0, 7),
        lambda: _png(7000, 7000, _zeros(1000)),
        lambda: _png(20, 20, _zeros(10_000_000)),
        lambda: _png(20, 20, b"\0", depth=16, colour=6),
        lambda: _png(20, 20, _zeros(2000), extra=_chunk(b"zTXt", b"a\0\0" + _zeros(100_000_000))),
        lambda: _png(20, 20, _zeros(2000), extra=_chunk(b"iCCP", b"a\0\0" + _zeros(10_000_000))),
        lambda: _png(20, 20, _zeros(2000), extra=_chunk(b"tEXt", b"a\0" + bytes(100_000))),
        lambda: _gif(65535, 65535),
        lambda: _gif(0, 0),
        lambda: _bmp(2**31 - 1, 2**31 - 1),
        lambda: _bmp(40_000, -40_000),
        lambda: _bmp(20, 20, bits=1),
        lambda: _tiff(2**32 - 1, 2**32 - 1),
        lambda: _tiff(20, 20),
        lambda: _webp(2**24, 2**24),
        lambda: _webp(20, 20),
    ],
    "audio": [
        lambda: _wav(8000, 1, 16, 0xFFFFFFFF),
        lambda: _wav(8000, 65535, 16, 400),
        lambda: _wav(1, 1, 8, 400),
        lambda: _wav(2**32 - 1, 1, 8, 400),
        lambda: _wav(0, 0, 0, 0),
        lambda: _wav(8000, 1, 64, 400, kind=3),
        lambda: _wav(8000, 2, 4, 400, kind=0x11),
        lambda: _flac(2**36 - 1),
        lambda: _flac(0, 1),
        _loud,
    ],
}
_ANYTHING = [
    b"",
    b"\0",
    b"\n",
    bytes(1000),
    b"\xff" * 1000,
    b"\xff\xfe",
    b"\xff\xfea\0",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    b"%PDF-1.4\n%\xe2\xe3",
    b"PK\x03\x04" + bytes(26),
    b"\x1f\x8b\x08" + bytes(20),
    b"MZ" + bytes(60),
    b"GIF89a",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"OggS" + bytes(50),
    b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    b"fLaC",
    b"BM",
    b"II*\0\x08\0\0\0\xff\xff",
    b"MM\0*" + b"\xff" * 40,
]
