"""The dials of who may ask a server, and how much."""

from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from annotated_types import Ge
from pydantic import BeforeValidator, field_validator, model_validator

from holdfast.config.prepare import NotNegative, Positive, Settings

Many = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
_OrNone = Annotated[int, Ge(0)]


class LimitConfig(Settings):
    """How often callers may ask, where 0 sets no limit, and how long they may take."""

    rate: NotNegative = 0.0
    """Requests a second of each key, unless the key has a rate of its own."""
    burst: _OrNone = 0
    """Requests that may come at once after a pause; 0 takes those of one second, at least one."""
    concurrency: _OrNone = 0
    """Requests at once of each key, unless the key has a number of its own."""
    by_address: bool = False
    """Hold callers without a key to these limits by their address.

    Behind a proxy all have the same one.
    """
    head_s: Positive = 10.0
    """Seconds in which the head of a request must arrive."""
    body_s: Positive = 120.0
    """Seconds in which a whole body must arrive; 25 MB then take 1.7 Mbit/s."""
    max_pixels: _OrNone = 0
    """Larger pictures are refused before they are unpacked; 0: those that training refused too."""
    max_s: NotNegative = 0.0
    """Longer recordings are refused; 0: those that training refused too."""
    max_chars: _OrNone = 0
    """Longer texts are refused; 0: those that training refused too."""
    connections: Annotated[int, Ge(16)] = 2000
    """Most connections; beyond, those are closed that have waited longest without a whole request."""


class OidcConfig(Settings):
    """Which bearer tokens of an OpenID Connect provider are taken."""

    issuer: str | None = None
    """Its address as it stands in the tokens, such as `https://accounts.example.com`."""
    audience: Annotated[tuple[str, ...], Many] = ()
    """For whom a token must be made; one of several will do."""
    leeway_s: NotNegative = 30.0
    """Seconds that the clocks of the issuer and of this machine may differ by."""
    timeout_s: Positive = 5.0
    """Seconds at most for one answer of the issuer."""
    refresh_s: Positive = 3600.0
    """Seconds after which the issuer's keys are asked for again, while the old ones go on."""

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, issuer: str | None) -> str | None:
        if issuer is not None and not is_safe(issuer):
            raise ValueError(
                f"{issuer!r} is no address that can be trusted; write https://…, "
                "or http:// for this machine alone"
            )
        return issuer

    @model_validator(mode="after")
    def _whole(self) -> "OidcConfig":
        if (self.issuer is None) != (not self.audience):
            missing = "audience" if self.issuer else "issuer"
            raise ValueError(f"{missing} is missing: tokens that were made for others would be taken")
        return self


def is_safe(address: str) -> bool:
    """Whether nobody on the way can change what is read from an address.

    >>> is_safe("https://example.com/a"), is_safe("http://127.0.0.1:80"), is_safe("http://example.com")
    (True, True, False)
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached from nowhere else.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("10.0.0.1")
    (True, True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin_of(text: Any) -> str:
    """An origin as browsers write it.

    Raises:
        ValueError: if it is none, or stands for several.

    >>> origin_of("https://App.example.com/")
    'https://app.example.com'
    """
    try:
        parts = urlsplit(str(text))
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or "*" in host or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        raise ValueError(f"{text!r} is no origin; write each one, such as https://app.example.com")
    host = f"[{host}]" if ":" in host else host
    usual = port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"
