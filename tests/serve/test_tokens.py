"""Bearer tokens, with a real issuer on loopback."""

import asyncio
import base64
import io
import json
import socket
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.message import Message
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.protection import LimitConfig, OidcConfig
from holdfast.core.errors import ConfigError
from holdfast.serve import tokens
from holdfast.serve.callers import Refusal
from holdfast.serve.engine import Engine
from holdfast.serve.tokens import TokenCheck, UnreachableError, keys_of
from tests.issuers import EC, RSA, RSA_OTHER, Issuer, published
from tests.journals import wait_for

Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.server.shutdown()
    made.server.server_close()


def check_of(issuer: Issuer, said: list[str] | None = None, **more: Any) -> TokenCheck:
    config = OidcConfig(issuer=issuer.url, audience=("birds",), **{"leeway_s": 0, "timeout_s": 1, **more})
    return TokenCheck(config, LimitConfig(rate=3), (said if said is not None else []).append)


async def named(check: TokenCheck, *shown: str) -> list[str | None]:
    found = [await check.caller(token.encode()) for token in shown]
    return [caller and caller.name for caller in found]


def names(check: TokenCheck, *shown: str) -> list[str | None]:
    return asyncio.run(named(check, *shown))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_tokens_of_both_kinds_are_taken(issuer: Issuer) -> None:
    shown = issuer.token(), issuer.token(EC, "ES256", "e1"), issuer.token(aud=["others", "birds"])

    assert names(check_of(issuer), *shown) == ["token ann"] * 3
    assert issuer.asked == 1


def test_nobody_is_asked_before_a_token_comes_that_may_be_good(issuer: Issuer) -> None:
    check = check_of(issuer)
    elsewhere = issuer.token(iss="https://example.com")

    assert names(check, "", "a.b.c", "x" * 20_000, elsewhere, "holdfast_abc") == [None] * 5
    assert issuer.asked == 0


def test_what_is_not_right_is_not_taken(issuer: Issuer) -> None:
    now = time.time()
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body, mark = issuer.token().split(".")
    claims = {"iss": issuer.url, "aud": "birds", "sub": "eve", "exp": now + 60}
    symmetric = _hs256({"alg": "HS256", "kid": "r1"}, claims, public)
    wrong = {
        "none": f"{part({'alg': 'none', 'kid': 'r1'})}.{part(claims)}.",
        "None": f"{part({'alg': 'nOnE', 'kid': 'r1'})}.{part(claims)}.",
        "no signature": f"{head}.{body}.",
        "a public key as a secret": symmetric,
        "a secret's mark under another name": ".".join([head, *symmetric.split(".")[1:]]),
        "another claim": f"{head}.{part(claims)}.{mark}",
        "another key": issuer.token(RSA_OTHER),
        "a key of its own": jwt.encode(claims, RSA_OTHER, "RS256", {"jwk": published(RSA_OTHER)}),
        "the kind of key": issuer.token(EC, "ES256", "r1"),
        "an unknown key": issuer.token(kid="r2"),
        "a longer hash": issuer.token(algorithm="RS512"),
        "an extension": jwt.encode(claims, RSA, "RS256", {"kid": "r1", "crit": ["b64"], "b64": False}),
        "a list as algorithm": f"{part({'alg': ['RS256'], 'kid': 'r1'})}.{body}.{mark}",
        "a list as key": f"{part({'alg': 'RS256', 'kid': ['r1']})}.{body}.{mark}",
        "issuer": issuer.token(iss=issuer.url + "/"),
        "audience": issuer.token(aud="fish"),
        "no audience": issuer.token(aud=None),
        "no expiry": issuer.token(exp=None),
        "expired": issuer.token(exp=now - 1),
        "endless": issuer.token(exp=10**400),
        "not yet": issuer.token(nbf=now + 60),
        "from the future": issuer.token(iat=now + 60),
    }
    check = check_of(issuer)

    taken = {name: names(check, token)[0] for name, token in wrong.items()}

    assert taken == dict.fromkeys(wrong)


def _hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    import hashlib
    import hmac

    said = f"{part(header)}.{part(claims)}"
    mark = hmac.new(secret, said.encode(), hashlib.sha256).digest()
    return f"{said}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_token_with_any_letter_changed_is_none(data: st.DataObject) -> None:
    token, check = _ready()
    at = data.draw(st.integers(0, len(token) - 3))  # the last letter of a signature has unused bits
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0189-_.=\n "))
    changed = token[:at] + letter + token[at + 1 :]

    assert changed == token or names(check, changed) == [None]


_MADE: list[tuple[str, TokenCheck]] = []


def _ready() -> tuple[str, TokenCheck]:
    if not _MADE:
        issuer = Issuer()
        check = check_of(issuer)
        token = issuer.token(exp=time.time() + 600)
        assert names(check, token) == ["token ann"]
        _MADE.append((token, check))
    return _MADE[0]


def test_clocks_may_differ_by_the_leeway(issuer: Issuer) -> None:
    now = time.time()
    shown = issuer.token(exp=now - 5), issuer.token(nbf=now + 5), issuer.token(exp=now - 15)

    assert names(check_of(issuer, leeway_s=10), *shown) == ["token ann", "token ann", None]


def test_a_token_that_was_seen_still_expires(issuer: Issuer) -> None:
    ends_s = int(time.time()) + 2  # a token's times count in whole seconds
    check, token = check_of(issuer), issuer.token(exp=ends_s)
    before = names(check, token, token)

    time.sleep(ends_s - time.time() + 0.01)

    assert (before, names(check, token)) == (["token ann"] * 2, [None])


def test_new_keys_of_the_issuer_are_found(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(tokens, "_AFTER_FAILURE_S", 0.0)
    check, old = check_of(issuer), issuer.token()
    before = names(check, old)

    issuer.keys = [published(RSA_OTHER, "r2")]
    after = names(check, issuer.token(RSA_OTHER, kid="r2"), old, issuer.token())

    assert (before, after) == (["token ann"], ["token ann", None, None])


def test_made_up_names_of_keys_do_not_keep_the_issuer_busy(issuer: Issuer) -> None:
    check = check_of(issuer)
    names(check, issuer.token(), *[issuer.token(kid=f"x{number}") for number in range(20)])

    assert issuer.asked == 1


def test_while_the_issuer_is_down_its_old_keys_go_on(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_AFTER_FAILURE_S", 0.0)
    said: list[str] = []
    check = check_of(issuer, said, refresh_s=0.01)
    names(check, issuer.token())
    issuer.down = True

    async def later() -> list[str | None]:
        found = await named(check, issuer.token(), issuer.token(sub="ben"))
        async with asyncio.timeout(20):
            while not said:
                await asyncio.sleep(0.02)
        return found

    time.sleep(0.02)
    assert asyncio.run(later()) == ["token ann", "token ben"]
    assert "the keys from before go on" in said[0]
    assert "eyJ" not in "".join(said)


def test_an_issuer_that_never_answered_means_come_again(issuer: Issuer) -> None:
    issuer.down, said = True, []
    check = check_of(issuer, said)

    for _ in range(3):
        with pytest.raises(Refusal) as refusal:
            names(check, issuer.token())
        assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "5"})

    assert len(said) == 1  # it is left alone for a while


def test_an_issuer_that_is_down_is_told_when_the_server_starts_which_goes_on(
    issuer: Issuer, engines: Callable[..., Engine], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    issuer.server.shutdown()
    issuer.server.server_close()
    with serve(engines("image"), oidc={"issuer": issuer.url, "audience": "birds"}) as client:
        ready = client.get("/readyz").status_code
        heard = io.StringIO()
        wait_for(lambda: heard.write(capsys.readouterr().err) and "503" in heard.getvalue())
        refused = client.get("/info", headers={"Authorization": f"Bearer {issuer.token()}"})

    said = heard.getvalue()
    assert (ready, refused.status_code) == (200, 503)
    assert f"the issuer {issuer.url} cannot be asked for its keys" in said
    assert f"{issuer.url}/.well-known/openid-configuration: Connection refused" in said
    assert "is serve.oidc.issuer right" in said
    assert "urlopen" not in said


def test_the_keys_are_there_when_the_first_token_comes(
    issuer: Issuer, engines: Callable[..., Engine], serve: Serve
) -> None:
    with serve(engines("image"), oidc={"issuer": issuer.url, "audience": "birds"}):
        wait_for(lambda: issuer.asked == 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            urllib.error.URLError(socket.gaierror(-2, "Name or service not known")),
            "Name or service not known",
        ),
        (urllib.error.URLError(TimeoutError("timed out")), "has not answered for 5 s"),
        (TimeoutError(), "has not answered for 5 s"),
        (
            urllib.error.HTTPError("https://a", 404, "Not Found", Message(), None),
            "answered with 404 Not Found",
        ),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "the answer is no JSON"),
    ],
)
def test_why_an_issuer_cannot_be_asked_is_said_in_words(error: Exception, words: str) -> None:
    assert tokens._why(error, 5.0) == words


def test_one_question_serves_all_who_wait_for_it(issuer: Issuer) -> None:
    issuer.wait_s, check = 0.2, check_of(issuer)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(check.caller(issuer.token(sub=str(n)).encode()) for n in range(20)))

    assert all(asyncio.run(all_at_once()))
    assert issuer.asked == 1


def test_a_slow_issuer_does_not_hold_up_others(issuer: Issuer) -> None:
    issuer.wait_s, check = 0.5, check_of(issuer)

    async def beside() -> int:
        asking = asyncio.create_task(check.caller(issuer.token().encode()))
        ticks = 0
        while not asking.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(beside()) > 10


@pytest.mark.parametrize(
    ("about", "keys", "message"),
    [
        ({"issuer": "https://example.com"}, None, "calls itself"),
        ({"jwks_uri": "http://example.com/keys"}, None, "cannot be trusted"),
        ({"jwks_uri": "file:///etc/passwd"}, None, "cannot be trusted"),
        ({"jwks_uri": None}, None, "cannot be trusted"),
        ({}, [], "publishes no key"),
        ({}, {"a": 1}, "publishes no key"),
        ({}, [published(rsa.generate_private_key(65537, 1024), "weak")], "publishes no key"),
        ({}, [published(RSA, "r1", use="enc")], "publishes no key"),
        ({}, [published(RSA, "r1", alg="RS512")], "publishes no key"),
        ({}, [published(ec.generate_private_key(ec.SECP384R1()), "e")], "publishes no key"),
        ({}, [{"kty": "oct", "k": "c2VjcmV0", "kid": "r1"}], "publishes no key"),
        (
            {},
            [None, 3, {"kty": ["RSA"]}, {"kty": "RSA", "n": 5}, {"kty": "RSA", "kid": {}}],
            "publishes no key",
        ),
        ({"padding": "x" * 1_100_000}, None, "too large"),
    ],
)
def test_what_an_issuer_may_not_say(issuer: Issuer, about: dict[str, Any], keys: Any, message: str) -> None:
    issuer.about = about
    issuer.keys = issuer.keys if keys is None else keys

    with pytest.raises(UnreachableError, match=message):
        keys_of(issuer.url, 2)


def test_redirects_lead_nowhere(issuer: Issuer) -> None:
    issuer.about = {"jwks_uri": f"{issuer.url}/moved"}

    with pytest.raises(UnreachableError, match="302"):
        keys_of(issuer.url, 2)


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": "http://example.com", "audience": "a"},
        {"issuer": "https://user@example.com", "audience": "a"},
        {"issuer": "example.com", "audience": "a"},
        {"issuer": "https://example.com"},
        {"audience": "a"},
    ],
)
def test_settings_that_are_not_safe_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no address that can be trusted|is missing"):
        OidcConfig(**given)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigError, match=r"serve\.oidc needs") as error:
        TokenCheck(OidcConfig(issuer="https://example.com", audience=("a",)), LimitConfig(), print)

    assert "holdfast[oidc]" in str(error.value.hint)


def test_a_token_opens_a_server(
    issuer: Issuer, engines: Callable[..., Engine], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"oidc": {"issuer": issuer.url, "audience": "birds"}, "log": True}
    with serve(engines("image"), **settings) as client:

        def status(token: str) -> int:
            return client.get("/info", headers={"Authorization": f"Bearer {token}"}).status_code

        good, late, none = status(issuer.token()), status(issuer.token(exp=1)), status("a.b.c")
        issuer.down = True
        again = status(issuer.token(sub="ben\n"))
    said = capsys.readouterr().err

    assert (good, late, none, again) == (200, 401, 401, 200)
    assert [json.loads(line).get("caller") for line in said.splitlines()] == [
        "token ann",
        None,
        None,
        "token ben?",
    ]
    assert "eyJ" not in said
