"""API keys: random, shown once, kept as digests in a file that a running server follows."""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import string
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from holdfast.config.prepare import Count, Positive, Settings
from holdfast.core.errors import ConfigError, listed
from holdfast.core.files import write_text

PREFIX = "holdfast_"
"""Begins every key, so that people and scanners of leaked secrets know one when they see it."""
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 40
_EVERY_S = 1.0
"""The file is looked at no more often than this, and only while requests come."""
_PATIENCE_S = 2.0
_LONGEST = 200


class Key(Settings):
    """What is known of a key; not the key itself."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    """Whose it is; stands in the log."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the key.

    A password's digest must be slow to make, as passwords can be guessed. A key holds 238 random bits,
    which nobody guesses at any speed, and a slow digest would be a way to keep the server busy.
    """
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: Positive | None = None
    """Requests a second; None: as `serve.limits.rate` says."""
    concurrency: Count | None = None
    """Requests at once; None: as `serve.limits.concurrency` says."""

    def is_valid(self, now_s: float | None = None) -> bool:
        """Whether it has not expired, at a Unix time or now."""
        return self.expires is None or (time.time() if now_s is None else now_s) < self.expires.timestamp()


class _File(Settings):
    protocol: Literal[1] = 1
    keys: tuple[Key, ...] = ()


def new_key(
    name: str,
    *,
    expires: datetime | None = None,
    rate: float | None = None,
    concurrency: int | None = None,
) -> tuple[str, Key]:
    """A fresh key, and what to keep of it.

    Raises:
        ConfigError: if the name or a limit cannot be.
    """
    key = PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    created = datetime.now(UTC).replace(microsecond=0)
    try:
        kept = Key(
            name=name,
            sha256=_digest(key.encode()).hex(),
            created=created,
            expires=expires,
            rate=rate,
            concurrency=concurrency,
        )
    except ValidationError as error:
        raise ConfigError(
            listed("the key", _problems(error)),
            hint="a name has letters, digits, and .-_@ within; limits are above 0",
        ) from None
    return key, kept


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys in a file.

    Raises:
        ConfigError: if it cannot be read, or is no file of keys; with every problem at once.
    """
    hint = "make one with `holdfast keys add NAME`, or mend what is named"
    try:
        keys = _File.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise ConfigError(f"{path}: the keys cannot be read ({error.strerror or error})", hint=hint) from None
    except ValidationError as error:
        raise ConfigError(listed(f"the file of keys {path}", _problems(error)), hint=hint) from None
    twice = sorted({key.name for key in keys if sum(it.name == key.name for it in keys) > 1})
    if twice:
        raise ConfigError(f"{path}: several keys are called {', '.join(twice)}", hint=hint)
    return keys


def write_keys(path: Path, keys: Sequence[Key]) -> None:
    """Put keys into a file, atomically: servers that follow it see all of them or none of the change."""
    content = _File(keys=tuple(keys)).model_dump(mode="json", exclude_none=True)
    write_text(path, json.dumps({"protocol": 1, **content}, indent=2) + "\n")


class KeyFile:
    """The keys in a file as it is now, for a server. Used from one event loop.

    While requests come, the file's date and size are looked at once a second, in a thread; it is read again
    only if they changed. A file that is damaged or gone leaves the keys as they were.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Read the file.

        Args:
            path: of the file.
            warn: is told when it cannot be read any more; never of a key.

        Raises:
            ConfigError: if it cannot be read now.
        """
        self._path, self._warn = path, warn
        self._secret = secrets.token_bytes(32)
        self._seen = _state(path)
        self._known = self._table(read_keys(path))
        self._looked_s = time.monotonic()
        self._looking: asyncio.Task[None] | None = None

    async def find(self, given: bytes) -> Key | None:
        """The key that was given, if it is one and has not expired.

        How long this takes says nothing: keys are found by a digest that only this process can make, and
        then compared in constant time.
        """
        await self._look_again()
        if len(given) > _LONGEST:
            return None
        digest = _digest(given)
        key = self._known.get(self._blinded(digest))
        if key is None or not hmac.compare_digest(bytes.fromhex(key.sha256), digest):
            return None
        return key if key.is_valid() else None

    async def _look_again(self) -> None:
        if time.monotonic() - self._looked_s < _EVERY_S:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._look))
        try:
            await asyncio.wait_for(asyncio.shield(self._looking), _PATIENCE_S)
        except TimeoutError:
            self._warn(f"the keys' file {self._path} cannot be reached: the keys stay as they were")
        self._looked_s = time.monotonic()

    def _look(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._known = self._table(read_keys(self._path))
        except ConfigError as error:
            self._warn(f"the keys stay as they were: {error.message}")

    def _table(self, keys: Sequence[Key]) -> dict[bytes, Key]:
        return {self._blinded(bytes.fromhex(key.sha256)): key for key in keys}

    def _blinded(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._secret, digest_size=16).digest()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _problems(error: ValidationError) -> list[str]:
    """What is wrong, without the values: one of them may be a key that was put into the wrong place."""
    return [
        f"{'.'.join(map(str, it['loc'])) or 'it'}: {it['msg'][0].lower()}{it['msg'][1:]}"
        for it in error.errors(include_url=False, include_input=False)
    ]
