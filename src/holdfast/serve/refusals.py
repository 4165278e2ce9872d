"""How a request that is not answered is told why: the same words and statuses on every route."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from holdfast.serve.answers import dumped
from holdfast.serve.api import Api
from holdfast.serve.batching import BusyError
from holdfast.serve.bodies import RequestError
from holdfast.serve.service import BadItemsError


def add_refusals(app: Api) -> None:
    """Let routes raise what stands in the way of an answer."""
    app.add_exception_handler(RequestError, _wrong)
    app.add_exception_handler(BadItemsError, _bad_items)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(ClientDisconnect, _gone)


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(dumped(content), status, headers, "application/json")


def _wrong(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    item = {} if error.item is None else {"item": error.item}
    return answer({"error": error.message, "hint": error.hint, **item}, error.status)


def _bad_items(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadItemsError)
    return answer(error.content, 422)


def _busy(_: Request, error: Exception) -> Response:
    assert isinstance(error, BusyError)
    headers = {"Retry-After": str(error.retry_s)}
    return answer({"error": error.message, "hint": error.hint}, 503, headers)


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it
