"""Bearer tokens of an OpenID Connect provider, checked against the keys that it publishes."""

import asyncio
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from holdfast.config.protection import LimitConfig, OidcConfig, is_safe
from holdfast.core.errors import ConfigError
from holdfast.serve.callers import Caller, Refusal
from holdfast.serve.rates import Allowance

_KINDS = {"RS256": "RSA", "ES256": "EC"}
"""Algorithm → kind of key. Nothing symmetric: its key would be what is published. Never `none`."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_LARGEST = 1_000_000
_MOST_KEYS = 64
_REMEMBERED = 1000
_ASK_AGAIN_S = 30.0
"""The issuer is asked for a key that it may have added no more often than this."""
_AFTER_FAILURE_S = 5.0
_RSA_BITS = 2048


class UnreachableError(Exception):
    """The issuer did not answer, or not with its keys."""


@dataclass(frozen=True)
class _Remembered:
    caller: Caller
    expires_s: float


class TokenCheck:
    """Takes the tokens of one issuer. Used from one event loop.

    The issuer is asked for its keys when the server starts, again when they are old or when a token
    names one that is not among them, and always in a thread. While it does not answer, the keys that are
    there go on.
    """

    def __init__(self, config: OidcConfig, limits: LimitConfig, warn: Callable[[str], None]) -> None:
        """Ask nobody yet.

        Args:
            config: the issuer, and what its tokens must say.
            limits: for each subject.
            warn: is told when the issuer cannot be reached; never of a token.

        Raises:
            ConfigError: if the packages for it are not installed.
        """
        _check_packages()
        assert config.issuer is not None
        self._config, self._issuer, self._warn = config, config.issuer, warn
        self._allowed = Allowance(limits.rate, limits.burst, limits.concurrency)
        self._keys: Mapping[str | None, Any] | None = None
        self._asked_s = self._got_s = -float("inf")
        self._asking: asyncio.Task[None] | None = None
        self._known: OrderedDict[bytes, _Remembered] = OrderedDict()

    def begin(self) -> None:
        """Ask for the keys now: whoever starts the server hears at once if they cannot be had."""
        self._asked_s = time.monotonic()
        self._asking = asyncio.create_task(self._fetch())

    async def caller(self, credential: bytes) -> Caller | None:
        """Whose token it is; None if it is none, or not valid.

        Raises:
            Refusal: 503, if the issuer's keys are not known yet and cannot be had.
        """
        digest = hashlib.sha256(credential).digest()
        known = self._known.get(digest)
        if known and time.time() < known.expires_s and not self._is_old():
            self._known.move_to_end(digest)
            return known.caller
        header = self._header(credential)
        if header is None:
            return None
        key = await self._key(header)
        claims = self._claims(credential, header["alg"], key) if key else None
        if claims is None:
            return None
        caller = Caller(f"token {_subject(claims)}", self._allowed)
        self._known[digest] = _Remembered(caller, claims["exp"] + self._config.leeway_s)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return caller

    def _header(self, credential: bytes) -> dict[str, Any] | None:
        """What the token says of itself, if a key is worth being looked for."""
        import jwt

        if credential.count(b".") != 2:
            return None
        try:
            said = jwt.decode_complete(credential, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        header = dict(said["header"])
        good = (
            str(header.get("alg")) in _KINDS
            and "crit" not in header
            and said["payload"].get("iss") == self._issuer
        )
        return header if good and isinstance(header.get("kid"), str | None) else None

    def _claims(self, credential: bytes, algorithm: str, key: Any) -> dict[str, Any] | None:
        import jwt

        config = self._config
        try:
            claims = dict(
                jwt.decode(
                    credential,
                    key,
                    algorithms=[algorithm],
                    audience=list(config.audience),
                    issuer=self._issuer,
                    leeway=config.leeway_s,
                    options={"require": ["exp", "iss", "aud"]},
                )
            )
            return {**claims, "exp": float(claims["exp"])}
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            return None

    async def _key(self, header: Mapping[str, Any]) -> Any:
        """The public key that a token names; None if there is none of this name and kind."""
        if self._keys is None:
            await self._ask(wait=True)
        elif self._is_old():
            await self._ask(wait=False)
        found = self._named(header)
        if found is None and self._keys is not None and _ago(self._asked_s) > _ASK_AGAIN_S:
            await self._ask(wait=True)
            found = self._named(header)
        if self._keys is None:
            raise Refusal(
                503,
                "tokens cannot be checked now, as their issuer does not answer",
                "come again in some seconds",
                {"Retry-After": str(round(_AFTER_FAILURE_S))},
            )
        return found

    def _named(self, header: Mapping[str, Any]) -> Any:
        """A token that names no key can only mean the one that there is."""
        keys, kid = self._keys or {}, header.get("kid")
        if kid is None and len(keys) == 1:
            kid = next(iter(keys))
        kind, key = keys.get(kid, ("", None))
        return key if kind == _KINDS[header["alg"]] else None

    def _is_old(self) -> bool:
        return _ago(self._got_s) > self._config.refresh_s

    async def _ask(self, *, wait: bool) -> None:
        """Ask the issuer for its keys, once for all who want to know, and not soon after it has failed."""
        if self._asking is None or self._asking.done():
            if _ago(self._asked_s) < _AFTER_FAILURE_S:
                return
            self.begin()
        if wait and self._asking:
            await asyncio.wait({self._asking}, timeout=2 * self._config.timeout_s)

    async def _fetch(self) -> None:
        try:
            keys = await asyncio.to_thread(keys_of, self._issuer, self._config.timeout_s)
        except UnreachableError as error:
            meanwhile = (
                "until it answers, tokens are refused with 503; is serve.oidc.issuer right, and may this "
                "machine reach it?"
                if self._keys is None
                else "the keys from before go on"
            )
            self._warn(f"the issuer {self._issuer} cannot be asked for its keys ({error}); {meanwhile}")
            return
        self._keys, self._got_s = keys, time.monotonic()
        self._known.clear()  # a key may have been taken away


def keys_of(issuer: str, timeout_s: float) -> dict[str | None, tuple[str, Any]]:
    """The public keys that an issuer publishes: name → kind and key. Others than RSA and P-256 are left out.

    Raises:
        UnreachableError: if it does not answer in time, or not with its keys.
    """
    about = _fetched(issuer.rstrip("/") + _WELL_KNOWN, timeout_s)
    if about.get("issuer") != issuer:
        raise UnreachableError(f"it calls itself {about.get('issuer')!r:.100}")
    address = about.get("jwks_uri")
    if not isinstance(address, str) or not is_safe(address):
        raise UnreachableError(f"the address of its keys, {address!r:.100}, cannot be trusted")
    if address.startswith("http:") and not issuer.startswith("http:"):
        raise UnreachableError("its keys are at an address without TLS")
    entries = _fetched(address, timeout_s).get("keys")
    keys = {}
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else []:
        if found := _key_of(entry):
            keys[entry.get("kid")] = found
    if not keys:
        raise UnreachableError("it publishes no key for RS256 or ES256")
    return keys


def _key_of(entry: Any) -> tuple[str, Any] | None:
    """One key of a set, if it is a public one that signatures of ours may be checked with."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kinds = {kind: algorithm for algorithm, kind in _KINDS.items()}
    algorithm = kinds.get(str(entry.get("kty")))
    if (
        algorithm is None
        or entry.get("alg", algorithm) != algorithm
        or not isinstance(entry.get("kid"), str | None)
    ):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS:
        return "RSA", key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "EC", key
    return None


class _Straight(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: a redirect could lead to where nobody checked that it is safe."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


def _fetched(address: str, timeout_s: float) -> dict[str, Any]:
    opener = urllib.request.build_opener(_Straight)
    ends_s = time.monotonic() + timeout_s
    body = b""
    try:
        request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310 - is_safe
        with opener.open(request, timeout=timeout_s) as answer:
            while part := answer.read1(65536):
                body += part
                if len(body) > _LARGEST:
                    raise UnreachableError("its answer is too large")
                if time.monotonic() > ends_s:
                    raise UnreachableError("its answer takes too long")
        found = json.loads(body)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise UnreachableError(f"{address}: {_why(error, timeout_s)[:200]}") from None
    if not isinstance(found, dict):
        raise UnreachableError("its answer is no JSON object")
    return found


def _why(error: Exception, timeout_s: float) -> str:
    """What went wrong, in words for people."""
    reason = getattr(error, "reason", error)  # urllib wraps what the system said
    if isinstance(error, urllib.error.HTTPError):
        return f"answered with {error.code} {error.reason}"
    if isinstance(reason, TimeoutError):
        return f"has not answered for {timeout_s:g} s"
    if isinstance(error, ValueError | RecursionError):
        return "the answer is no JSON"
    return str(getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason)


def _check_packages() -> None:
    try:
        import cryptography
        import jwt
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serve.oidc needs the package {error.name!r}", hint="pip install 'holdfast[oidc]'"
        ) from None
    assert cryptography
    assert jwt


def _subject(claims: Mapping[str, Any]) -> str:
    """Whose token it is: a person's or a program's identifier."""
    named = next((claims[key] for key in ("sub", "client_id", "azp") if claims.get(key)), "unnamed")
    return "".join(letter if letter.isprintable() else "?" for letter in str(named)[:100])


def _ago(moment_s: float) -> float:
    return time.monotonic() - moment_s
