"""Routes are answered by Starlette and documented by FastAPI, which nobody loads before that is asked for."""

import subprocess
import sys
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from holdfast.serve.api import Api


def made(kind: type[Any]) -> Any:
    app = kind(title="a", version="1")

    @app.post("/plain", responses={418: {"description": "A pot."}})
    async def plain(request: Request) -> Response:
        """Gives back what was sent."""
        return PlainTextResponse(await request.body() + request.query_params.get("more", "").encode())

    @app.get("/named/{name}")
    async def named(request: Request, name: str) -> Response:
        """Wants a part of the path."""
        return PlainTextResponse(f"{request.method} {name}")

    @app.api_route("/hidden", methods=["GET", "HEAD"], include_in_schema=False)
    async def hidden() -> Response:
        return PlainTextResponse("here")

    @app.delete("/broken")
    async def broken(request: Request) -> Response:
        raise ValueError(request.url.path)

    async def told(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"wrong: {error}", 400)

    app.add_exception_handler(ValueError, told)
    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(made(Api))


def test_it_answers_and_is_documented_as_an_app_of_fastapi(client: TestClient) -> None:
    theirs = TestClient(made(FastAPI))

    for asked in (client, theirs):
        assert asked.post("/plain?more=2", content=b"1").text == "12"
        assert asked.get("/named/a%20b").text == "GET a b"
        assert asked.get("/hidden").text == "here"
        assert asked.delete("/broken").text == "wrong: /broken"
        assert asked.get("/plain").status_code == 405
        assert asked.get("/nowhere").status_code == 404
    assert client.get("/openapi.json").json() == theirs.get("/openapi.json").json()


def test_what_answers_get_answers_head(client: TestClient) -> None:
    assert client.head("/named/a").status_code == 200
    assert client.head("/openapi.json").status_code == 200
    assert client.head("/plain").status_code == 405


def test_no_redirect_names_an_address(client: TestClient) -> None:
    assert client.get("/named/a/", follow_redirects=False).status_code == 404


def test_fastapi_is_loaded_for_the_document_alone() -> None:
    code = (
        "import sys, holdfast.serve.app\nprint('fastapi' in sys.modules)\n"
        "from holdfast.serve.api import Api\nApi(title='a', version='1').openapi()\n"
        "print('fastapi' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]
