"""The description of all routes, and what pages do without the package of uPlot."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.console.conftest import Scene
from tests.control.asgi import ask
from trimtab.console import statics as statics_module
from trimtab.console.console import Console
from trimtab.console.endpoint import Endpoint, Query
from trimtab.console.gate import OpenGate
from trimtab.console.openapi import openapi
from trimtab.console.site import ACTIONS, DOWNLOADS, PAGES
from trimtab.console.statics import statics


class Wish(msgspec.Struct):
    """What is wished for."""

    name: str
    count: int = 1


class Thing(msgspec.Struct):
    """What comes of it."""

    name: str


async def nothing(request: Request) -> Response:
    return Response()


ROWS = (
    Endpoint(
        "GET",
        "/api/things/{id:path}",
        "viewer",
        nothing,
        "a thing",
        answers=Thing,
        query=(Query("task", "whose", many=True), Query("limit", "how many", int)),
    ),
    Endpoint(
        "POST",
        "/api/things",
        "operator",
        nothing,
        "makes one",
        acts=True,
        answers=Thing,
        status=201,
        body=Wish,
        query=(),
    ),
    Endpoint("GET", "/health", "anyone", nothing, "lives", query=()),
)


def test_every_row_is_described() -> None:
    """Method, path, role, parameters, body and answer of each row are in the document, and nothing else is."""
    document = openapi(ROWS, "1.2.3")
    assert document["info"]["version"] == "1.2.3"
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == {
        ("/api/things/{id}", "get"),
        ("/api/things", "post"),
        ("/health", "get"),
    }
    seen, made = document["paths"]["/api/things/{id}"]["get"], document["paths"]["/api/things"]["post"]
    assert (seen["x-trimtab-least"], seen["x-trimtab-acts"], made["x-trimtab-acts"]) == ("viewer", False, True)
    assert [(one["name"], one["in"], one["schema"]) for one in seen["parameters"]] == [
        ("id", "path", {"type": "string"}),
        ("task", "query", {"type": "array", "items": {"type": "string"}}),
        ("limit", "query", {"type": "integer"}),
    ]
    assert set(made["responses"]) == {"201", "default"}
    assert made["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Wish"}
    assert document["components"]["schemas"]["Wish"]["required"] == ["name"]
    assert document["paths"]["/health"]["get"]["security"] == []


def test_every_page_is_described(scene: Scene) -> None:
    """Each page has the type of its JSON, each form and file its place."""
    gate = OpenGate()
    table = Console(PAGES, ACTIONS, scene.parts, statics(), gate, secure=False, downloads=DOWNLOADS).table()
    paths = openapi(table, "1")["paths"]
    for row in table:
        told: dict[str, Any] = paths[row.path.replace(":path", "")][row.method.lower()]
        assert told["summary"] == row.says
    for page in PAGES:
        content = paths[page.path.replace(":path", "")]["get"]["responses"]["200"]["content"]
        assert {"text/html", "application/json", "text/csv"} <= set(content)


async def test_without_uplot(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is not installed, charts stay those of the server, and no page asks for a file of it."""
    with_it = await ask(scene.open, "/")
    assert b"uPlot" in with_it.body
    monkeypatch.setattr(statics_module, "find_spec", lambda name: None)
    without = await ask(scene.open, "/")
    assert without.status == 200
    assert b"uPlot" not in without.body
    assert b"charts." not in without.body
    assert b'<svg class="series"' in without.body


def test_uplot_is_found_without_being_imported() -> None:
    """Its package drags numpy and IPython in when it is imported: only its files are read."""
    program = "import sys; from trimtab.console.statics import statics; statics(); print('uplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
