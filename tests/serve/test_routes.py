"""Plain routes answer and are documented as FastAPI's own are."""

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from holdfast.serve.routes import PlainRoute


def made(route_class: type | None) -> FastAPI:
    app = FastAPI(title="a", version="1")
    if route_class:
        app.router.route_class = route_class

    @app.post("/plain", responses={418: {"description": "A pot."}})
    async def plain(request: Request) -> Response:
        """Gives back what was sent."""
        return PlainTextResponse(await request.body() + request.query_params.get("more", "").encode())

    @app.get("/named/{name}")
    async def named(request: Request, name: str, times: int = 1) -> Response:
        """Wants something besides."""
        return PlainTextResponse(f"{request.method} {name * times}")

    @app.post("/broken")
    async def broken(request: Request) -> Response:
        raise ValueError(request.url.path)

    @app.exception_handler(ValueError)
    async def told(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"wrong: {error}", 400)

    return app


def test_they_answer_and_are_documented_as_before() -> None:
    ours, theirs = TestClient(made(PlainRoute)), TestClient(made(None))

    for client in (ours, theirs):
        assert client.post("/plain?more=2", content=b"1").text == "12"
        assert client.get("/named/a?times=3").text == "GET aaa"
        assert client.get("/named/a?times=x").status_code == 422
        assert client.post("/broken").text == "wrong: /broken"
        assert client.get("/plain").status_code == 405
    assert ours.get("/openapi.json").json() == theirs.get("/openapi.json").json()


def test_a_function_that_takes_the_request_alone_is_called_by_starlette() -> None:
    routes = {route.path: route for route in made(PlainRoute).routes if isinstance(route, PlainRoute)}

    assert routes["/plain"].app.__module__ == "starlette.routing"
    assert routes["/named/{name}"].app.__module__ == "fastapi.routing"


def test_what_answers_get_answers_head() -> None:
    client = TestClient(made(PlainRoute))

    assert client.head("/named/a").status_code == 200
    assert client.head("/named/a?times=x").status_code == 422
    assert client.head("/plain").status_code == 405
    assert "head" not in client.get("/openapi.json").json()["paths"]["/named/{name}"]
