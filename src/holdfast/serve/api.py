"""An app of Starlette's whose routes FastAPI documents, but does not serve.

FastAPI takes a third of the time in which a server could start, and 12 MB; what it adds to Starlette is used
for `/openapi.json` alone, as all bodies here are read with limits of our own. So it is loaded when somebody
asks for that (docs/decisions/0012).
"""

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

Endpoint = Callable[..., Any]
DOCUMENT = "/openapi.json"


class Api(Starlette):
    """Routes with what is to be said of them.

    >>> api = Api(title="a", version="1")
    >>> @api.get("/named/{name}")
    ... async def named(name: str) -> Response:
    ...     return Response(name)
    >>> list(api.openapi()["paths"])
    ['/named/{name}']
    """

    def __init__(
        self,
        *,
        title: str,
        version: str,
        description: str = "",
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        """An app without routes, but for its document; the words are for that."""
        super().__init__(lifespan=lifespan)
        self.router.redirect_slashes = False  # it would name the address as this server sees it, without TLS
        self.openapi_schema: dict[str, Any] | None = None
        self._about: dict[str, Any] = {"title": title, "version": version, "description": description}
        self._documented: list[tuple[str, Endpoint, dict[str, Any]]] = []
        self.router.routes.append(_Route(DOCUMENT, self._document, methods=["GET"]))

    def get(self, path: str, **settings: Any) -> Callable[[Endpoint], Endpoint]:
        """A route for GET, and so for HEAD; see `api_route`."""
        return self.api_route(path, methods=["GET"], **settings)

    def post(self, path: str, **settings: Any) -> Callable[[Endpoint], Endpoint]:
        """A route for POST; see `api_route`."""
        return self.api_route(path, methods=["POST"], **settings)

    def delete(self, path: str, **settings: Any) -> Callable[[Endpoint], Endpoint]:
        """A route for DELETE; see `api_route`."""
        return self.api_route(path, methods=["DELETE"], **settings)

    def api_route(
        self, path: str, *, methods: Sequence[str], include_in_schema: bool = True, **settings: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Add a function that answers: it takes `request`, and parts of the path by their names.

        Args:
            path: with parts in braces.
            methods: such as GET.
            include_in_schema: whether it is documented.
            settings: what is said of it, as FastAPI's routes take it, such as `response_model`.
        """

        def add(endpoint: Endpoint) -> Endpoint:
            self.router.routes.append(_Route(path, _called(endpoint), methods=list(methods)))
            if include_in_schema:
                self._documented.append((path, endpoint, {"methods": list(methods), **settings}))
            return endpoint

        return add

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; written once."""
        if self.openapi_schema is None:
            from fastapi import FastAPI

            writer = FastAPI(**self._about, docs_url=None, redoc_url=None, openapi_url=None)
            for path, endpoint, settings in self._documented:
                writer.add_api_route(path, endpoint, **settings)
            self.openapi_schema = writer.openapi()
        return self.openapi_schema

    async def _document(self, _: Request) -> Response:
        return JSONResponse(self.openapi())


class _Route(Route):
    """A route that says which it is, for those that count requests by it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is not Match.NONE:
            child["route"] = self
        return match, child


def _called(endpoint: Endpoint) -> Endpoint:
    """A function of the request, which gives it and parts of the path to one that wants them by name."""
    wanted = list(inspect.signature(endpoint).parameters)
    if wanted == ["request"]:
        return endpoint

    async def call(request: Request) -> Response:
        given = {name: request.path_params[name] for name in wanted if name in request.path_params}
        if "request" in wanted:
            given["request"] = request
        answer: Response = await endpoint(**given)
        return answer

    return call
