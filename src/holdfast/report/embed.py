"""Puts a report's pictures into a page: decoded, made smaller, and encoded anew."""

import base64
import binascii
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

from holdfast.core.markup import Markup, tag
from holdfast.report.pictures import find

MAX_BYTES = 30_000_000
"""Of a picture's file."""
MAX_PIXELS = 50_000_000
SIDE = 1600
"""Pixels of the longer side in the page."""
BUDGET_BYTES = 40_000_000
"""Of all pictures in a page."""
_FIGURES = 300
"""Different pictures in a page."""
_MANY = "the page has too many pictures already"
_PLAIN_PNG_BYTES = 400_000
"""A PNG without transparency that is larger becomes a JPEG."""
_KINDS = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/jpg;base64,")
_SHOWN = 90
_WHY = {
    "missing": "it is not there",
    "elsewhere": "it is not there",
    "outside": "it lies outside of the report's folder",
    "format": "it is not png, jpg or jpeg",
    "damaged": "it is no PNG or JPEG, whatever its name says",
    "remote": "it is remote, and nothing is fetched",
}


class Embedder:
    """Makes figures for a page.

    Attributes:
        count: pictures that were put in.
        left_out: those that were not, and why.
    """

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self.left_out: list[tuple[str, str]] = []
        self._folder = folder
        self._made: dict[str, tuple[str, int, int] | str] = {}
        self._bytes = 0

    def figure(self, target: str, alt: str) -> Markup:
        """A picture with its text below; or in its place a note why it is not shown."""
        if target not in self._made and len(self._made) <= _FIGURES:
            self._made[target] = self._picture(target)
        made = self._made.get(target, _MANY)
        if not isinstance(made, str) and self._bytes + len(made[0]) > BUDGET_BYTES:
            made = _MANY
        if isinstance(made, str):
            self.left_out.append((target[:_SHOWN], made))
            name = target if len(target) <= _SHOWN else f"{target[: _SHOWN - 1]}…"
            link = (
                tag("a", name, href=target, rel="noopener noreferrer nofollow") if _is_web(target) else name
            )
            told = tag("span", f"This picture is not shown: {made}.", class_="why")
            return tag(
                "span", tag("b", alt or "Picture"), told, tag("span", link, class_="target"), class_="absent"
            )
        data, width, height = made
        self._bytes += len(data)
        self.count += 1
        text = tag("span", alt, class_="caption") if alt and alt.lower() not in ("image", "alt text") else ""
        image = tag("img", src=data, alt=alt, width=width, height=height)
        return tag("span", image, text, class_="figure")

    def _picture(self, target: str) -> tuple[str, int, int] | str:
        """A picture as an address that holds it, with its size; or why there is none."""
        found = find(target, self._folder)
        if found.state == "embedded":
            data = _decoded(target)
            return _encoded(data) if data else "what the text holds is no PNG or JPEG"
        if found.state != "here" or found.path is None:
            return _WHY[found.state]
        size = found.path.stat().st_size
        if size > MAX_BYTES:
            return f"its file has {size / 1e6:,.0f} MB, more than {MAX_BYTES / 1e6:.0f}"
        return _encoded(found.path.read_bytes())


def _is_web(target: str) -> bool:
    return target.lower().startswith(("https://", "http://"))


def _decoded(target: str) -> bytes | None:
    kind = next((it for it in _KINDS if target.lower().startswith(it)), None)
    if kind is None or len(target) > MAX_BYTES:
        return None
    try:
        return base64.b64decode(target[len(kind) :], validate=True)
    except binascii.Error:
        return None


def _encoded(data: bytes) -> tuple[str, int, int] | str:
    """A picture, decoded and encoded anew: what else its file holds, such as where it was taken, is gone."""
    from PIL import Image, ImageOps

    many = f"it has more than {MAX_PIXELS / 1e6:.0f} million pixels"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count for ourselves
            opened = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        with opened:
            if opened.width * opened.height > MAX_PIXELS:
                return many
            is_png = opened.format == "PNG"
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            picture = ImageOps.exif_transpose(opened)
            has_alpha = "A" in picture.getbands() or "transparency" in picture.info
            picture = picture.convert("RGBA" if has_alpha else "RGB")
            picture.thumbnail((SIDE, SIDE))
    except Image.DecompressionBombError:
        return many
    except (OSError, ValueError, SyntaxError):
        return "it cannot be decoded"
    png = _saved(picture, "PNG") if is_png or has_alpha else b""
    if png and (has_alpha or len(png) <= _PLAIN_PNG_BYTES):
        kind, written = "png", png
    else:
        kind, written = "jpeg", _saved(picture.convert("RGB"), "JPEG")
    return f"data:image/{kind};base64,{base64.b64encode(written).decode()}", picture.width, picture.height


def _saved(picture: "Image.Image", kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=85, optimize=False)
    return out.getvalue()
