"""Pictures: what a person sees is what the graph gets, and half a picture is an error."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from holdfast.config.schema import ImagePrepare
from holdfast.core.errors import InputError
from holdfast.modality import prepare, probe
from holdfast.modality.image import ImagePreparation

KINDS: dict[str, dict[str, Any]] = {
    "jpeg": {"format": "JPEG"},
    "progressive jpeg": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF"},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF"},
    "tiff lzw": {"format": "TIFF", "compression": "tiff_lzw"},
    "tiff deflate": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    "webp": {"format": "WEBP"},
    "webp lossless": {"format": "WEBP", "lossless": True},
}


def encoded(image: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, **options)
    return file.getvalue()


def pixels(data: bytes, **settings: Any) -> np.ndarray:
    """What the graph gets, without the axis of parts."""
    array = prepare(ImagePrepare(**settings)).decode(data)
    assert array.dtype == np.uint8
    assert array.shape == (1, array.shape[1], array.shape[1], 3)
    return array[0]


def outcome(data: bytes, **settings: Any) -> np.ndarray | str:
    """What the graph gets, or the reason why it gets nothing."""
    try:
        return pixels(data, **settings)
    except InputError as error:
        return error.message


def noise(height: int = 24, width: int = 24, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@cache
def sample(kind: str) -> bytes:
    smooth = Image.fromarray(noise(6, 9)).resize((27, 18), Image.Resampling.BICUBIC)
    return encoded(smooth, **KINDS[kind])


class TestColours:
    def test_a_square_picture_of_the_right_size_keeps_its_pixels(self) -> None:
        array = noise()

        assert np.array_equal(pixels(encoded(Image.fromarray(array), format="PNG"), size=24), array)

    def test_what_is_transparent_becomes_white(self) -> None:
        rgba = np.zeros((8, 8, 4), dtype=np.uint8)
        rgba[:, 4:] = (200, 0, 0, 255)
        rgba[0, 0] = (0, 0, 0, 128)

        got = pixels(encoded(Image.fromarray(rgba), format="PNG"), size=8)

        assert got[4, 2].tolist() == [255, 255, 255]
        assert got[4, 6].tolist() == [200, 0, 0]
        assert got[0, 0].tolist() == [127, 127, 127]

    def test_grey_with_alpha_becomes_grey_on_white(self) -> None:
        grey = Image.merge("LA", [Image.new("L", (8, 8), 50), Image.new("L", (8, 8), 0)])

        assert (pixels(encoded(grey, format="PNG"), size=8) == 255).all()

    def test_a_palette_gives_its_colours_and_its_transparent_entry_white(self) -> None:
        image = Image.new("P", (8, 8), 1)
        image.putpalette([9, 9, 9, 10, 20, 30, 40, 50, 60])
        image.paste(2, (4, 0, 8, 8))

        opaque = pixels(encoded(image, format="PNG"), size=8)
        holed = pixels(encoded(image, format="PNG", transparency=1), size=8)

        assert opaque[0, 0].tolist() == [10, 20, 30]
        assert holed[0, 0].tolist() == [255, 255, 255]
        assert opaque[0, 7].tolist() == holed[0, 7].tolist() == [40, 50, 60]

    def test_sixteen_bits_are_scaled_and_not_clipped(self) -> None:
        values = np.array([[0, 257 * 10], [257 * 128, 65535]], dtype=np.uint16).repeat(4, 0).repeat(4, 1)

        got = pixels(encoded(Image.fromarray(values), format="PNG"), size=8)

        assert got[[0, 0, 7, 7], [0, 7, 0, 7], 0].tolist() == [0, 10, 128, 255]

    def test_twelve_bits_in_sixteen_use_the_whole_range(self) -> None:
        values = np.array([[0, 2048], [4095, 4095]], dtype=np.uint16).repeat(4, 0).repeat(4, 1)

        for image_format in ("PNG", "TIFF"):
            got = pixels(encoded(Image.fromarray(values), format=image_format), size=8)
            assert got[[0, 0, 7], [0, 7, 0], 1].tolist() == [0, 128, 255]

    @pytest.mark.parametrize(
        ("low", "high", "expected"), [(0.0, 1.0, [0, 255]), (0.2, 0.6, [51, 153]), (-1000, 3000, [0, 255])]
    )
    def test_floats_from_0_to_1_are_taken_as_they_are_and_others_stretched(
        self, low: float, high: float, expected: list[int]
    ) -> None:
        values = np.full((8, 8), low, dtype=np.float32)
        values[:, 4:] = high

        got = pixels(encoded(Image.fromarray(values), format="TIFF"), size=8)

        assert got[0, [0, 7], 0].tolist() == expected

    def test_a_cmyk_jpeg_has_the_colours_that_pillow_gives_it(self) -> None:
        red = Image.new("RGB", (16, 16), (200, 30, 40))

        got = pixels(encoded(red.convert("CMYK"), format="JPEG", quality=95), size=16)

        assert np.abs(got.astype(int) - [200, 30, 40]).max() <= 6

    @pytest.mark.parametrize("mode", ["1", "L", "YCbCr"])
    def test_other_modes_become_rgb(self, mode: str) -> None:
        image = Image.new("RGB", (8, 8), "white").convert(mode)

        got = pixels(encoded(image, format="TIFF"), size=8)

        assert (got >= 254).all()

    @pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
    def test_of_an_animation_the_first_frame_is_taken(self, image_format: str) -> None:
        first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))

        data = encoded(first, format=image_format, save_all=True, append_images=[second])

        assert np.abs(pixels(data, size=8).astype(int) - [255, 0, 0]).max() <= 2

    def test_nan_is_an_error(self) -> None:
        data = encoded(Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)), format="TIFF")

        with pytest.raises(InputError, match=r"^image with NaN or infinite pixels$"):
            probe("image", data)


class TestShape:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
    def test_pictures_are_turned_upright(self, orientation: int, image_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options: dict[str, Any] = {"lossless": True} if image_format == "WEBP" else {}
        data = encoded(Image.fromarray(noise(10, 30)), format=image_format, exif=exif, **options)
        upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))

        facts = probe("image", data)

        expected = upright.convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(pixels(data, size=16), np.asarray(expected))
        assert (facts["width"], facts["height"]) == ((30, 10) if orientation <= 4 else (10, 30))

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    def test_exif_that_cannot_be_read_is_no_reason_to_refuse_a_picture(self) -> None:
        whole = encoded(Image.fromarray(noise()), format="JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")

        assert probe("image", whole)["width"] == 24

    def test_squash_takes_all_of_the_picture(self) -> None:
        image = Image.fromarray(noise(40, 90))

        got = pixels(encoded(image, format="PNG"), size=16)

        assert np.array_equal(got, np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR)))

    def test_crop_takes_the_middle(self) -> None:
        array = np.zeros((16, 48, 3), dtype=np.uint8)
        array[:, 16:32] = 200

        got = pixels(encoded(Image.fromarray(array), format="PNG"), size=8, fit="crop")

        assert (got[:, 1:-1] == 200).all()  # at the edge the filter looks one pixel further
        assert (got[:, [0, -1]] > 150).all()

    def test_pad_adds_grey_above_and_below(self) -> None:
        array = np.full((16, 32, 3), 200, dtype=np.uint8)

        got = pixels(encoded(Image.fromarray(array), format="PNG"), size=16, fit="pad")

        assert (got[:4] == 128).all()
        assert (got[12:] == 128).all()
        assert (got[4:12] == 200).all()

    @pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
    def test_a_line_of_one_pixel_is_a_picture_too(self, fit: str) -> None:
        assert pixels(encoded(Image.new("RGB", (900, 1)), format="PNG"), size=8, fit=fit).shape == (8, 8, 3)

    def test_shrinking_averages_so_that_fine_lines_become_grey(self) -> None:
        array = np.zeros((64, 64, 3), dtype=np.uint8)
        array[:, ::2] = 255

        got = pixels(encoded(Image.fromarray(array), format="PNG"), size=8)

        assert np.abs(got[:, 1:-1].astype(int) - 127).max() <= 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "empty file"),
            (b"%PDF-1.7 and so on", "not an image (starts with '%PDF-1.7')"),
            (b"\x00\x01\x02\x03", "not an image (starts with 00 01 02 03)"),
            (b"\x89PNG\r\n\x1a\n", "truncated image"),
            (sample("jpeg")[:-200], "truncated image"),
            (sample("webp")[:-1], "truncated image"),
            (b"BM\x00\x00", "truncated image"),
        ],
    )
    def test_the_reason_is_short_and_exact(self, data: bytes, message: str) -> None:
        with pytest.raises(InputError) as error:
            probe("image", data)

        assert str(error.value) == message

    @pytest.mark.parametrize("kind", KINDS)
    def test_too_many_pixels_are_refused(self, kind: str) -> None:
        with pytest.raises(InputError, match=r"^image of 27 × 18 pixels, more than 400 in all\b"):
            pixels(sample(kind), max_pixels=400)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("bomb", ["png", "gif", "bmp", "webp", "webp lossless"])
    def test_a_bomb_is_refused_by_its_header_alone(self, bomb: str) -> None:
        # Nothing follows the headers, so whoever unpacked first would say "truncated".
        side = 16000
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        size = (side - 1).to_bytes(3, "little") * 2
        bombs = {
            "png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""),
            "gif": b"GIF89a"
            + struct.pack("<HHBBB", side, side, 0, 0, 0)
            + b","
            + struct.pack("<HHHHB", 0, 0, side, side, 0)
            + b"\x08\x00",
            "bmp": b"BM"
            + struct.pack("<IHHI", 54, 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0),
            "webp": riff(b"VP8X" + struct.pack("<IB3x", 10, 0) + size),
            "webp lossless": riff(b"VP8L" + struct.pack("<IBI", 5, 0x2F, (side - 1) | (side - 1) << 14)),
        }

        with pytest.raises(InputError) as error:
            probe("image", bombs[bomb])

        assert error.value.message == "image of 16000 × 16000 pixels, more than 50,000,000 in all"

    def test_the_limit_of_pillow_is_left_as_it_was(self) -> None:
        before = Image.MAX_IMAGE_PIXELS

        probe("image", sample("png"))

        assert before == Image.MAX_IMAGE_PIXELS == 1024 * 1024 * 1024 // 4 // 3

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_file_cut_anywhere_is_an_error_or_loses_no_pixel(self, kind: str) -> None:
        data = sample(kind)
        whole, facts = pixels(data, size=16), probe("image", data)

        for length in range(len(data)):
            cut = outcome(data[:length], size=16)
            if isinstance(cut, str):
                assert len(cut) < 120
            else:
                assert np.array_equal(cut, whole), length
                assert probe("image", data[:length]) == facts

    @pytest.mark.filterwarnings("ignore::UserWarning")
    @settings(deadline=None)
    @given(st.sampled_from(sorted(KINDS)), st.data())
    def test_damage_gives_a_picture_or_an_input_error(self, kind: str, draw: st.DataObject) -> None:
        data = bytearray(sample(kind))
        places = st.lists(
            st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), min_size=1, max_size=6
        )
        for place, byte in draw.draw(places):
            data[place] = byte

        result = outcome(bytes(data), size=8, max_pixels=100_000)

        assert not isinstance(result, str) or "\n" not in result

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_give_a_picture_or_an_input_error(self, data: bytes) -> None:
        with pytest.raises(InputError):
            probe("image", data)


def test_facts_name_the_mode_and_format_of_the_file() -> None:
    image = Image.new("P", (6, 4))

    assert probe("image", encoded(image, format="PNG")) == {
        "width": 6,
        "height": 4,
        "mode": "P",
        "format": "PNG",
    }


def test_threads_give_the_same_pixels_as_one_thread() -> None:
    samples = [sample(kind) for kind in KINDS] * 20
    preparation = prepare(ImagePrepare(size=32))
    alone = [preparation.decode(data) for data in samples]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(preparation.decode, samples))

    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_collate_stacks_and_spans_say_nothing() -> None:
    preparation = prepare(ImagePrepare(size=16))
    part = preparation.decode(sample("png"))[0]

    assert preparation.collate([part, part, part]).shape == (3, 16, 16, 3)
    assert preparation.spans(1) is None


REAL = Path(__file__).resolve().parents[3] / "shared/data"


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="no real data here")
@pytest.mark.parametrize("name", ["brain_mri", "animals", "faces"])
def test_real_pictures_decode(name: str) -> None:
    paths = sorted((REAL / name).rglob("*.jpg"))[::50]

    for path in paths:
        assert probe("image", path.read_bytes())["format"] == "JPEG"


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def riff(content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content


def _photograph(side: int, file_format: str = "JPEG", mode: str = "RGB") -> bytes:
    """Smooth shapes with edges, as pictures of the world have them."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(9 * x + k) * np.cos(7 * y - k) + (x > 0.4 + 0.1 * k) for k in range(3)]
    pixels = np.stack([np.interp(wave, (-1, 2), (0, 255)) for wave in waves], axis=-1).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_draft_of_a_large_jpeg_is_nearly_the_same_picture(
    fit: Literal["squash", "crop", "pad"], mode: str
) -> None:
    data = _photograph(1000, mode=mode)
    whole = ImagePreparation(64, fit, 10**7).decode(data).astype(int)

    draft = ImagePreparation(64, fit, 10**7, draft=True).decode(data).astype(int)

    assert draft.shape == whole.shape
    assert abs(draft - whole).mean() < 1.0
    assert (draft != whole).any()  # it was unpacked in another way


@pytest.mark.parametrize("data", [_photograph(120), _photograph(1000, "PNG")], ids=["small", "PNG"])
def test_what_is_small_or_no_jpeg_is_unpacked_whole(data: bytes) -> None:
    whole, draft = (ImagePreparation(64, "squash", 10**7, draft=it).decode(data) for it in (False, True))

    assert (whole == draft).all()


def test_a_draft_is_refused_by_the_size_of_the_whole_picture() -> None:
    with pytest.raises(InputError, match="1000 × 1000"):
        ImagePreparation(64, "squash", 999_999, draft=True).decode(_photograph(1000))
