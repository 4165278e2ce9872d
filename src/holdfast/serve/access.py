"""Who may ask, and how often: settled from the head of a request, before anything of its body is read."""

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.config.protection import LimitConfig
from holdfast.config.serve import ServeConfig
from holdfast.serve.api import Api
from holdfast.serve.callers import Caller, Check, Refusal, refuse
from holdfast.serve.keys import Key, KeyFile
from holdfast.serve.openapi import Error
from holdfast.serve.rates import Allowance, Rates, TooManyError

_HEALTH = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
_PAGES = ("/", "/docs", "/review")
"""They hold nothing of the model; a person gives them a key, with which they ask for the rest."""
_FILES = "/static/"
_BEARER = b"bearer "
_LONGEST = 16_384


class KeyCheck:
    """Takes the keys of a file."""

    def __init__(self, keys: KeyFile, limits: LimitConfig) -> None:
        self._keys, self._limits = keys, limits
        self._callers: dict[str, tuple[Key, Caller]] = {}

    def begin(self) -> None:
        """See `Check`: the file was read already."""

    async def caller(self, credential: bytes) -> Caller | None:
        """See `Check`."""
        key = await self._keys.find(credential)
        if key is None:
            return None
        known = self._callers.get(key.name)
        if known is None or known[0] is not key:
            known = self._callers[key.name] = (key, self._caller_of(key))
        return known[1]

    def _caller_of(self, key: Key) -> Caller:
        limits = self._limits
        own = Allowance(
            limits.rate if key.rate is None else key.rate,
            limits.burst if key.rate is None else 0,
            limits.concurrency if key.concurrency is None else key.concurrency,
        )
        return Caller(f"key {key.name}", own)


def guard(app: Api, config: ServeConfig, warn: Callable[[str], None]) -> None:
    """Let only those ask whom the settings let, as often as they let them, and document it.

    Args:
        app: is told before what shall also be about refusals, such as headers of every answer.
        config: whom, and how often.
        warn: is told when the keys cannot be read any more.

    Raises:
        ConfigError: if they cannot be read now, or packages are missing.
    """
    checks = _checks(config, warn)
    if checks or config.limits.by_address:
        app.add_middleware(Guarded, checks=checks, config=config)
    _document(app, config, counts=bool(checks) or config.limits.by_address)


def _checks(config: ServeConfig, warn: Callable[[str], None]) -> list[Check]:
    checks: list[Check] = []
    if config.keys is not None:
        checks.append(KeyCheck(KeyFile(Path(config.keys), warn), config.limits))
    if config.oidc.issuer is not None:
        from holdfast.serve.tokens import TokenCheck  # loads what few servers need

        checks.append(TokenCheck(config.oidc, config.limits, warn))
    return checks


def asks_nothing(config: ServeConfig) -> bool:
    """Whether anybody who reaches the server is answered."""
    return config.keys is None and config.oidc.issuer is None


class Guarded:
    """Lets in who may ask. Health and the pages' own files are open to all.

    Args:
        app: what answers.
        checks: kinds of credentials, one of which must be valid; with none of them, anybody may ask.
        config: limits, and what is open.
    """

    def __init__(self, app: ASGIApp, checks: Sequence[Check], config: ServeConfig) -> None:
        self._app, self._checks = app, checks
        self._rates = Rates()
        limits = config.limits
        self._anybody = (
            Allowance(limits.rate, limits.burst, limits.concurrency) if limits.by_address else None
        )
        self._open = {*_HEALTH, *_PAGES, *(["/metrics"] if config.open_metrics or not checks else [])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            for check in self._checks:
                check.begin()
        if scope["type"] != "http" or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
            if caller is None:
                await self._app(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller.name
            self._rates.enter(caller.name, caller.allowed)
        except Refusal as refusal:
            await refuse(send, refusal)
            return
        except TooManyError as error:
            await refuse(send, _too_many(error))
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._rates.leave(caller.name)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return scope["method"] in ("GET", "HEAD") and (path in self._open or path.startswith(_FILES))

    async def _caller(self, scope: Scope) -> Caller | None:
        """Whose request it is; None if that does not matter."""
        if not self._checks:
            return Caller(_address(scope), self._anybody) if self._anybody else None
        credential = _credential(scope)
        if credential is None:
            raise _unknown("this needs a key", 'Bearer realm="holdfast"')
        if len(credential) <= _LONGEST:
            for check in self._checks:
                if caller := await check.caller(credential):
                    return caller
        raise _unknown("this key is not valid", 'Bearer realm="holdfast", error="invalid_token"')


def _document(app: Api, config: ServeConfig, *, counts: bool) -> None:
    """Let `/openapi.json` say what is asked of callers, and every status that may come of it."""
    plain, kinds = app.openapi, {"bearer": {"type": "http", "scheme": "bearer"}}
    if config.keys is not None:
        kinds["key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    if config.oidc.issuer is not None:
        kinds["bearer"]["bearerFormat"] = "JWT"
    answers = {"429": "Asked too often; Retry-After says how long to wait."} if counts else {}
    if asks_nothing(config):
        answers["403"] = "Sent by a browser for another site's page."
    else:
        answers["401"] = "No key, or none that is valid."
    if config.oidc.issuer is not None:
        answers["503"] = "Tokens cannot be checked now; Retry-After says how long to wait."

    def documented() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = plain()
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {}).setdefault("Error", Error.model_json_schema())
            if not asks_nothing(config):
                components["securitySchemes"] = kinds
                schema["security"] = [{name: []} for name in kinds]
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    is_open = path in (*_HEALTH, *_PAGES)
                    if is_open and not asks_nothing(config):
                        operation["security"] = []
                    for status, text in answers.items():
                        if status == "403" or not is_open:
                            operation["responses"].setdefault(status, _described(text))
        return app.openapi_schema or {}

    app.openapi = documented  # type: ignore[method-assign]


def _described(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _credential(scope: Scope) -> bytes | None:
    """What the caller shows: a bearer token, else a key. Another kind of Authorization is a proxy's."""
    key = None
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == _BEARER:
            return bytes(value[7:].strip())
        if name == b"x-api-key" and key is None:
            key = bytes(value.strip())
    return key


def _address(scope: Scope) -> str:
    """Who asks, by address; of IPv6 its network, as one caller has as many addresses as they like in it."""
    host = scope["client"][0] if scope.get("client") else "unknown"
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def _unknown(error: str, challenge: str) -> Refusal:
    """The same for keys that never were, that were taken away, and that have expired."""
    hint = "send a valid one as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
    return Refusal(401, error, hint, {"WWW-Authenticate": challenge})


def _too_many(error: TooManyError) -> Refusal:
    hint = f"come again in {error.retry_s} s, or ask for a higher limit"
    return Refusal(429, error.message, hint, {"Retry-After": str(error.retry_s)})
