"""Routes that are documented as FastAPI documents them, and called as Starlette calls them."""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match, request_response
from starlette.types import Receive, Scope, Send


class PlainRoute(APIRoute):
    """A route whose function, if it takes the request alone, is called with it and nothing else is done.

    What answers GET answers HEAD too, which is what many load balancers and monitors ask with; the server
    leaves the body out.

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

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the route of a request."""
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL and self._is_head(scope) else match), child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._is_head(scope):
            await self.app(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    def _is_head(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] == "HEAD" and "GET" in (self.methods or ())
