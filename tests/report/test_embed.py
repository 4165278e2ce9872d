"""Pictures come into the page decoded and encoded anew, or not at all."""

import base64
import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from holdfast.report import embed
from holdfast.report.embed import Embedder


def decoded(figure: str) -> Image.Image:
    found = re.search(r'src="data:image/(?:png|jpeg);base64,([^"]*)"', figure)
    assert found, figure
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\x00"))
        + chunk(b"IEND", b"")
    )


def test_a_picture_is_put_in_with_its_text(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    maker = Embedder(tmp_path)

    figure = maker.figure("a.png", "a <b>")

    assert decoded(figure).size == (40, 20)
    assert '<span class="caption">a &lt;b&gt;</span>' in figure
    assert (maker.count, maker.left_out) == (1, [])


def test_a_large_picture_is_made_smaller_and_a_photo_becomes_a_jpeg(tmp_path: Path) -> None:
    Image.effect_noise((2000, 1000), 80).save(tmp_path / "a.png")

    image = decoded(Embedder(tmp_path).figure("a.png", ""))

    assert (image.size, image.format) == ((1600, 800), "JPEG")


def test_what_else_a_file_holds_is_gone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    exif[0x0112] = 6  # lying on its side
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"<script>alert(1)</script>")

    image = decoded(Embedder(tmp_path).figure("a.jpg", ""))

    assert image.size == (20, 40)
    assert not image.getexif()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("bomb.png", "it has more than 50 million pixels"),
        ("large.png", "it has more than 50 million pixels"),
        ("cut.png", "it cannot be decoded"),
        ("text.png", "it is no PNG or JPEG, whatever its name says"),
        ("none.png", "it is not there"),
        ("a.svg", "it is not png, jpg or jpeg"),
        ("../a.png", "it lies outside of the report&#x27;s folder"),
        ("https://example.org/a.png", "it is remote, and nothing is fetched"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "what the text holds is no PNG or JPEG"),
        ("data:image/png;base64,????", "what the text holds is no PNG or JPEG"),
        ("data:image/png;base64,AAAA", "it cannot be decoded"),
    ],
)
def test_in_the_place_of_other_pictures_stands_why(target: str, why: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bomb.png").write_bytes(bomb(60_000, 60_000))
    (folder / "large.png").write_bytes(bomb(9_000, 9_999))
    (folder / "cut.png").write_bytes(bomb(40, 40))
    (folder / "text.png").write_text("text")
    (folder / "a.svg").write_text("<svg/>")
    maker = Embedder(folder)

    figure = maker.figure(target, "alt")

    assert f"This picture is not shown: {why}." in figure
    assert "<img" not in figure
    assert (maker.count, len(maker.left_out)) == (0, 1)


def test_a_picture_within_the_text_is_put_in() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 90)).save(out, "PNG")
    target = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"

    image = decoded(Embedder(Path("/nowhere")).figure(target, ""))

    assert (image.size, image.mode) == ((4, 4), "RGBA")


def test_a_page_takes_no_more_than_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    size = len(re.findall('src="([^"]*)"', Embedder(tmp_path).figure("a.png", ""))[0])
    monkeypatch.setattr(embed, "BUDGET_BYTES", 2 * size)
    maker = Embedder(tmp_path)

    figures = [maker.figure("a.png", "") for _ in range(3)]

    assert maker.count == 2
    assert "the page has too many pictures already" in figures[2]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    monkeypatch.setattr(embed, "MAX_BYTES", 10)

    assert "MB, more than" in Embedder(tmp_path).figure("a.png", "")
