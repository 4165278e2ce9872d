"""What can go wrong with a remote: what is worth another try, and how the rest is told to a person."""

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError, HoldfastError

T = TypeVar("T")

STAYS = "make room and run it again: what was copied stays"
ATTEMPTS = 6
"""How often one request is made before its fault counts as lasting: over some 15 seconds."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.4, 8.0
_PASSING_CODES = {
    *(
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
    ),
    *("TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded", "ConditionalRequestConflict"),
    *("OperationAborted", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"),
    *("408", "429", "500", "502", "503", "504"),
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_WRONG_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"}
_WRONG_REGION = {
    "PermanentRedirect",
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_DENIED = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "UnauthorizedAccess"}
_PERMISSION = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
}
_NO_LOGIN = {
    "ProfileNotFound",
    "DefaultCredentialsError",
    "RefreshError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
}
_STALE_LOGIN = {
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "LoginRefreshRequired",
}
_BROKEN = {  # names, so that no library is imported to compare with
    *(
        "ClientPayloadError",
        "IncompleteRead",
        "ResponseStreamingError",
        "ClientConnectionError",
        "TimeoutError",
    ),
    *("EndpointConnectionError", "ConnectionClosedError", "ConnectTimeoutError", "ReadTimeoutError"),
    *("ServerDisconnectedError", "ClientOSError", "FSTimeoutError", "HTTPClientError", "ResponseParserError"),
    *("ServerTimeoutError", "ClientConnectorError", "ChecksumError", "ProxyError", "ChunkedEncodingError"),
}


def retrying(
    call: Callable[[], T], *, uri: str, doing: str, permission: str = "", attempts: int = ATTEMPTS
) -> T:
    """What `call` gives; where the fault may pass, it is called again after a growing, random wait.

    Args:
        call: one request that may be made twice.
        uri: what it is about, without secrets.
        doing: for the message, such as "writing".
        permission: what it asks for, where the answer does not say, such as storage.objects.get.
        attempts: how often to try in all.

    Raises:
        DataError: if it failed for good; says what is missing and what to run.
        FileNotFoundError: if what it is about is not there, in a bucket that is.
        FileExistsError: if it was to make what is there already.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except (HoldfastError, FileExistsError):
            raise
        except Exception as error:  # libraries raise what they like; each is told, or raised again as it is
            if not _may_pass(error) or attempt == attempts:
                _tell(error, uri=uri, doing=doing, permission=permission, attempts=attempt)
        time.sleep(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))  # noqa: S311
    raise AssertionError("unreachable")


def _may_pass(error: BaseException) -> bool:
    if code := _code(error):
        return code in _PASSING_CODES
    if _names(error) & (_NO_LOGIN | _STALE_LOGIN):
        return False
    return bool(_names(error) & _BROKEN or _is_connection(error))


def _tell(error: Exception, *, uri: str, doing: str, permission: str, attempts: int) -> NoReturn:
    kind, code = uri.partition(":")[0], _code(error)
    told = (
        _login_fault(error, kind)
        or _place_fault(error, uri, doing)
        or _permission_fault(error, kind, permission)
    )
    if told is None and isinstance(error, FileNotFoundError):
        raise error
    if told is None and _may_pass(error):
        told = (
            f"no good answer in {attempts} tries (the last: {code or _words(error)})",
            "run it again later: what is there already is not sent again",
        )
    if told is None:
        told = _words(error), "see the message of the store above"
    raise DataError(f"{doing} {masked(uri)}: {told[0]}", hint=told[1]) from error


def _login_fault(error: Exception, kind: str) -> tuple[str, str] | None:
    """What is wrong with the credentials, and what to do."""
    code, names = _code(error), _names(error)
    login = "gcloud auth application-default login" if kind == "gs" else "aws sso login"
    anonymous = kind == "gs" and "Anonymous caller" in str(error)  # what gcsfs tries last
    if not anonymous and (code in _EXPIRED or names & _STALE_LOGIN or (kind == "gs" and code == "401")):
        if kind == "s3" and os.environ.get("AWS_SESSION_TOKEN"):
            return (
                "the credentials have expired",
                f"set AWS_SESSION_TOKEN anew, or unset it and run `{login}`",
            )
        return "the credentials have expired", f"run `{login}`, or set fresh ones, and try again"
    if names & _NO_LOGIN or anonymous:
        more = " or `aws configure`; with several profiles, set AWS_PROFILE" if kind == "s3" else ""
        return "there are no credentials that work", f"run `{login}`{more}"
    if code in _WRONG_KEY:
        hint = (
            "see which are used with `aws sts get-caller-identity`; set AWS_PROFILE, or run `aws configure`"
        )
        return f"the credentials are not accepted ({code})", hint
    if code == "RequestTimeTooSkewed":
        hint = "set it, such as with `sudo timedatectl set-ntp true`, and try again"
        return f"the clock of this machine is wrong{_skew(error)}", hint
    return None


def _place_fault(error: Exception, uri: str, doing: str) -> tuple[str, str] | None:
    """What is wrong with the bucket: it is elsewhere, or nowhere. That it can be listed is what shows it."""
    if _code(error) in _WRONG_REGION:
        region = _region(error)
        where = f"set AWS_REGION={region or 'to where the bucket is'} and try again"
        return f"the bucket is in {f'region {region}' if region else 'another region'}", where
    nowhere = isinstance(error, FileNotFoundError) and doing == "listing" and uri.startswith(("s3:", "gs:"))
    if _code(error) == "NoSuchBucket" or nowhere:
        bucket = urlsplit(uri).netloc
        make = "gcloud storage buckets create gs://" if uri.startswith("gs") else "aws s3 mb s3://"
        return f"there is no bucket {bucket!r}", f"check its name, or make it: {make}{bucket}"
    return None


def _permission_fault(error: Exception, kind: str, permission: str) -> tuple[str, str] | None:
    forbidden = isinstance(error, OSError) and str(error).startswith("Forbidden")  # as gcsfs puts it
    if _code(error) not in _DENIED and not forbidden:
        return None
    needed = _PERMISSION.get(_operation(error), permission)
    who = {"gs": "gcloud auth list", "s3": "aws sts get-caller-identity"}.get(kind)
    hint = f"ask for a policy or role that allows {needed}; see who you are with `{who}`"
    return f"permission is missing: {needed}", hint if who else "this address asks for a login; use another"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}


def _response(error: BaseException) -> dict[str, Any]:
    """What S3 answered, where it did."""
    found = (getattr(link, "response", None) for link in _chain(error))
    return next((it for it in found if isinstance(it, dict)), {})


def _code(error: BaseException) -> str:
    answer = str(_response(error).get("Error", {}).get("Code", ""))
    if answer:
        return answer
    if _names(error) & _BROKEN:
        return ""  # aiohttp calls a body that ends too early a 400
    for link in _chain(error):
        for part in ("code", "status"):  # of gcsfs and aiohttp
            value = getattr(link, part, None)
            if isinstance(value, int | str) and str(value).isdecimal():
                return str(value)
    return ""


def _operation(error: BaseException) -> str:
    return next((str(it.operation_name) for it in _chain(error) if hasattr(it, "operation_name")), "")


def _region(error: BaseException) -> str:
    answer = _response(error)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region") or "")


def _skew(error: BaseException) -> str:
    from email.utils import parsedate_to_datetime

    date = _response(error).get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        minutes = (time.time() - parsedate_to_datetime(date).timestamp()) / 60
    except (TypeError, ValueError):
        return ""
    if abs(minutes) < 1:
        return ""
    return f": it is {abs(minutes):,.0f} minutes {'ahead of' if minutes > 0 else 'behind'} the store's"


def _is_connection(error: BaseException) -> bool:
    lost = {errno.ECONNRESET, errno.ECONNREFUSED, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNABORTED}
    return any(isinstance(it, ConnectionError) or getattr(it, "errno", None) in lost for it in _chain(error))


def _words(error: BaseException) -> str:
    """The error in its own words, without anything that opens a door."""
    answer = _response(error).get("Error", {})
    text = (
        f"{answer.get('Code', '')} {answer.get('Message', '')}".strip() or f"{type(error).__name__}: {error}"
    )
    for key, value in os.environ.items():
        if len(value) >= 8 and any(word in key.upper() for word in ("SECRET", "TOKEN", "KEY", "PASS")):
            text = text.replace(value, "***")
    return masked(text)[:400]
