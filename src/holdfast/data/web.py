"""Files on a web server, found by the links between its pages."""

from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError
from holdfast.data.remote import Entry
from holdfast.data.remote_faults import retrying


class OnWeb:
    """Files on a web server that lists its folders, as Apache, nginx and Python's own do; or one file."""

    def __init__(self, url: str, query: str = "") -> None:
        import aiohttp  # noqa: F401  # fsspec would say less well that it is missing
        import fsspec

        self._url, self._query, self.uri = url.rstrip("/") + "/", query, masked(url)
        self._fs = fsspec.filesystem("https", skip_instance_cache=True)

    def entries(self) -> list[Entry]:
        """All files that can be reached from the address by links to what is below it."""
        found, waiting, seen = [], [""], {""}
        while waiting:
            folder = waiting.pop()
            for name in self._links(folder):
                if not name.endswith("/"):
                    found.append(Entry(name, 0, 0, ""))
                elif name not in seen:
                    seen.add(name)
                    waiting.append(name)
        if not found:
            raise DataError(
                f"{self.uri} lists no files",
                hint="give the address of a folder that the server lists, or of one zip, tar or table",
            )
        return sorted(found)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; all of it where parts are not given, or where the server gives none."""
        url = self._url + quote(name) + (f"?{self._query}" if self._query else "")
        span = {} if length is None else {"start": offset, "end": offset + length}
        get: Callable[[], bytes] = lambda: self._fs.cat_file(url, **span)  # noqa: E731
        return retrying(get, uri=url, doing="reading", permission="a login")

    def _links(self, folder: str) -> list[str]:
        """What a page links to below the address, as names; those of folders end with a slash."""
        parser = _Links()
        try:
            parser.feed(self.read(folder).decode("utf-8", "replace"))
        except FileNotFoundError:
            raise DataError(f"there is nothing at {self.uri}/{folder}", hint="check the address") from None
        targets = (urljoin(self._url + quote(folder), link).partition("#")[0] for link in parser.links)
        below = (target for target in targets if target.startswith(self._url) and "?" not in target)
        return sorted({unquote(target.removeprefix(self._url)) for target in below} - {""})


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for key, value in attrs if key == "href" and value]
