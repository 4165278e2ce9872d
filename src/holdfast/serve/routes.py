"""Routes that are documented as FastAPI documents them, and called as Starlette calls them."""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import request_response


class PlainRoute(APIRoute):
    """A route whose function, if it takes the request alone, is called with it and nothing else is done.

    FastAPI looks for what a function wants besides, in stacks of contexts; where it wants nothing, that is
    half of what a request costs between the socket and the function (docs/log.md).

    >>> from fastapi import FastAPI
    >>> app = FastAPI()
    >>> app.router.route_class = PlainRoute
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        """See `APIRoute`."""
        super().__init__(path, endpoint, **settings)
        if list(inspect.signature(endpoint).parameters) == ["request"]:
            self.app = request_response(endpoint)
