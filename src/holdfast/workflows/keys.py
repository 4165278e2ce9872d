"""Make, list and take away the API keys of a server; one that runs sees it within a second or two."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.core.errors import ConfigError
from holdfast.core.locks import locked
from holdfast.core.refs import did_you_mean
from holdfast.core.workspace import Workspace
from holdfast.serve.keys import Key, new_key, read_keys, write_keys
from holdfast.workflows.settings import settings_for

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def keys_add(
    name: str,
    workspace: Workspace,
    *,
    expires: str | None = None,
    rate: float | None = None,
    concurrency: int | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Make a key; the only time that it is told.

    Args:
        name: of whoever gets it.
        expires: such as `90d`, `12h`, `4w`, or a date; never if left out.
        rate: requests a second, instead of `serve.limits.rate`.
        concurrency: requests at once, instead of `serve.limits.concurrency`.
        overrides: settings, such as `serve.keys=FILE`; by default the workspace's own file.

    Raises:
        ConfigError: if there is such a name, or a value cannot be.
    """
    path = _path(workspace, overrides)
    key, kept = new_key(name, expires=_moment(expires), rate=rate, concurrency=concurrency)
    with _changing(path):
        keys = _known(path)
        if any(it.name == name for it in keys):
            raise ConfigError(
                f"there is a key called {name!r} in {path}",
                hint=f"take another name, such as {name}-2, and remove {name} once it is not used any more",
            )
        write_keys(path, [*keys, kept])
    return {"key": key, "file": str(path), **_told(kept)}


def keys_list(workspace: Workspace, *, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What is known of each key."""
    return [_told(key) for key in _known(_path(workspace, overrides))]


def keys_remove(
    names: Sequence[str], workspace: Workspace, *, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Take keys away: all of these names, or none.

    Raises:
        ConfigError: if there is none of one of the names.
    """
    path = _path(workspace, overrides)
    with _changing(path):
        keys = _known(path)
        known = [key.name for key in keys]
        for name in names:
            if name not in known:
                near = did_you_mean(name, known)
                raise ConfigError(
                    f"there is no key called {name!r} in {path}"
                    + (f"; did you mean {near!r}?" if near else ""),
                    hint="see them with `holdfast keys list`",
                )
        left = [key for key in keys if key.name not in names]
        write_keys(path, left)
    return {"removed": list(dict.fromkeys(names)), "left": len(left), "file": str(path)}


def _path(workspace: Workspace, overrides: Sequence[str]) -> Path:
    given = settings_for(workspace, overrides).config.serve.keys
    return workspace.keys if given is None else Path(given)


def _changing(path: Path) -> Any:
    return locked(path.with_name(f".{path.name}.lock"), what="the keys")


def _known(path: Path) -> tuple[Key, ...]:
    return read_keys(path) if path.exists() else ()


def _told(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "valid": key.is_valid(),
        "rate": key.rate,
        "concurrency": key.concurrency,
    }


def _moment(text: str | None) -> datetime | None:
    """When that is.

    Raises:
        ConfigError: if it is no moment in the future.
    """
    if text is None:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    hint = "write 90d, 12h, 4w, or a date such as 2030-01-31"
    try:
        if found := re.fullmatch(r"([0-9]{1,5})([hdw])", text):
            moment = now + int(found[1]) * _UNITS[found[2]]
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no time to expire", hint=hint) from None
    if moment <= now:
        raise ConfigError(f"{text!r} is not in the future", hint=hint)
    return moment
