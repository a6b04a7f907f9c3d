"""Every route of a control that runs, tried without a key and with a key of every role, over HTTP."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.control.running import GUARD_S, Running, control
from trimtab.access.keys import ROLES
from trimtab.console.endpoint import LEAST
from trimtab.console.gate import WRONG_AT_ONCE
from trimtab.console.serving import HEADERS

RANK = {role: place for place, role in enumerate(LEAST)}
FORM = {"content-type": "application/x-www-form-urlencoded"}
DESCRIBED = "/api/openapi.json"
DOCS = Path(__file__).parents[2] / "docs"


class Route(NamedTuple):
    """A route as the running control describes it; `target` has something in the place of each parameter."""

    method: str
    path: str
    target: str
    least: str
    acts: bool
    page: bool
    where: str = "both"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Doors:
    """A control that runs, with a key of every role."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.keys = {role: self._key({"name": role, "role": role}) for role in ROLES}
        self.narrow = self._key({"name": "narrow", "role": "admin", "tasks": ["route"]})
        document = running.ask(DESCRIBED)[1]
        self.routes = [
            Route(
                method.upper(),
                path,
                re.sub(r"\{\w+\}", "nothing", path),
                one["x-trimtab-least"],
                one["x-trimtab-acts"],
                one["tags"] == ["pages"],
                one["x-trimtab-where"],
            )
            for path, methods in document["paths"].items()
            for method, one in methods.items()
        ]

    def _key(self, body: dict[str, Any]) -> str:
        status, made = self.running.ask("/api/keys", "POST", msgspec.json.encode(body))
        assert status == 201
        secret: str = made["secret"]
        return secret

    def ask(self, route: Route, key: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request over TCP; of a stream only the head is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=GUARD_S)
        sent = {**({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        try:
            connection.request(route.method, route.target, body or None, sent)
            answer = connection.getresponse()
            is_stream = (answer.headers["content-type"] or "").startswith("text/event-stream")
            content = b"" if is_stream else answer.read()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with control(tmp_path_factory.mktemp("control")) as running:
        yield Doors(running)


def test_there_are_routes_of_every_kind(doors: Doors) -> None:
    """What is walked here is the whole of it: pages and programs' routes, for everybody up to the owner."""
    assert len(doors.routes) >= 30
    assert {route.least for route in doors.routes} == set(LEAST)
    assert {route.page for route in doors.routes} == {True, False}


def test_nobody_gets_in_without_a_key(doors: Doors) -> None:
    """Without a key, and with a wrong one, only what is for anyone answers; a page leads to where a key is entered."""
    for route in doors.routes:
        answers = [doors.ask(route), doors.ask(route, "tt_wrong")]
        if route.least == "anyone":
            assert {answer.status for answer in answers} <= {200, 303, 401, 404, 429}, route
            continue
        for answer in answers:
            if route.least == "owner":
                assert answer.status in (404, 405), route
            elif route.page and route.method == "GET" and answer.status == 303:
                assert answer.headers["location"].startswith("/signin?next="), route
            else:
                assert answer.status in (401, 429), route


def test_no_header_makes_an_address(doors: Doors) -> None:
    """Wrong keys are counted by the socket's peer, whoever a request says that it was passed on for."""
    route = next(route for route in doors.routes if route.path == "/api/calls")
    answers = [
        doors.ask(route, "tt_wrong", {"x-forwarded-for": f"192.0.2.{number}", "x-forwarded-proto": "https"})
        for number in range(WRONG_AT_ONCE + 1)
    ]
    assert answers[-1].status == 429
    assert b"127.0.0.1" in answers[-1].body


def test_a_slash_too_many_leads_nowhere(doors: Doors) -> None:
    """A path with a slash at its end, or without the one it has, is led to no other; only to where a key is entered."""
    for route in doors.routes:
        target = route.target[:-1] if route.target.endswith("/") else f"{route.target}/"
        for key in ("", doors.keys["admin"]):
            answer = doors.ask(route._replace(target=target or "//"), key)
            assert answer.status in (303, 400, 401, 404, 405, 409), (target, answer)
            assert answer.headers.get("location", "/signin?next=").startswith("/signin?next="), target


@pytest.mark.parametrize("role", ROLES)
def test_every_role_at_every_route(doors: Doors, role: str) -> None:
    """A role is refused whatever is above it, and nothing else; refusals tell nothing but that."""
    for route in doors.routes:
        answer = doors.ask(route, doors.keys[role], FORM if route.page else None)
        if route.least == "owner":
            assert answer.status in (404, 405), route
        elif RANK[role] < RANK[route.least]:
            assert answer.status == 403, route
            assert b"Traceback" not in answer.body
        elif route.least != "anyone":
            assert answer.status not in (401, 403, 405, 500), (route, answer.body[:300])


def test_whoever_acts_is_an_operator(doors: Doors) -> None:
    """Whatever changes something needs an operator or more, but for feedback, which anybody with a key may give, and
    labels, which are feedback that was asked for; each review says itself who may decide it.
    """
    acting = {route.path: route.least for route in doors.routes if route.acts}
    said = {"/api/feedback", "/calls/{call}/feedback", "/api/labels/{name}/given", "/labels/{name}/given"}
    said |= {"/api/reviews/{review}/decided", "/reviews/{review}/decided"}
    assert {path for path, least in acting.items() if RANK[least] < RANK["operator"]} <= said
    assert all(route.method != "GET" for route in doors.routes if route.acts)


def test_a_key_for_some_tasks_does_not_see_the_host(doors: Doors) -> None:
    """Whatever is of the whole host is closed even to an admin's key that is bound to a task."""
    closed = {(route.method, route.path) for route in doors.routes if doors.ask(route, doors.narrow).status == 403}
    assert {("GET", "/metrics"), ("GET", "/api/status"), ("GET", "/api/keys"), ("POST", "/api/keys")} <= closed
    assert ("DELETE", "/api/keys/{name}") in closed


def test_every_answer_bears_the_same_headers(doors: Doors) -> None:
    """Each answer says what a page may do and that nothing is kept, refusals and pages that are not there too."""
    elsewhere = [
        Route(method, "/no/such", "/no/such", "", False, False) for method in ("GET", "POST", "PUT", "OPTIONS")
    ]
    for route in (*doors.routes, *elsewhere):
        headers = doors.ask(route, doors.keys["admin"]).headers
        assert {name: headers.get(name) for name in HEADERS} == HEADERS, route
        assert "server" not in headers


def test_other_methods_do_nothing(doors: Doors) -> None:
    """A method that a route does not have is refused, whoever asks."""
    paths = {route.path: route for route in doors.routes}
    for path, route in paths.items():
        known = {one.method for one in doors.routes if one.path == path}
        for method in {"GET", "POST", "DELETE", "PUT", "PATCH"} - known:
            answer = doors.ask(route._replace(method=method), doors.keys["admin"])
            assert answer.status in (404, 405), (method, route)


@pytest.mark.parametrize(
    "target",
    [
        "/static/../console.py",
        "/static/..%2f..%2fconsole.py",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/console.css%00",
        "/static/..\\..\\console.py",
        "/static/",
        "/static/console.css",
    ],
)
def test_no_way_out_of_the_static_files(doors: Doors, target: str) -> None:
    """Only names that were made at the start are served; no path leads to another file."""
    answer = doors.ask(Route("GET", target, target, "anyone", False, True))
    assert answer.status == 404
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


def test_the_documentation_lists_every_route_and_no_other(doors: Doors) -> None:
    """docs/control.md and docs/console.md have a row for each route: method, path, role, and where it is served."""
    text = "".join((DOCS / name).read_text("utf-8") for name in ("control.md", "console.md"))
    rows = re.findall(r"^\| `(\w+) (/\S*)` \| (\w+) \| (both|socket|network) \|", text, re.MULTILINE)
    documented = {(method, path): (least, where) for method, path, least, where in rows}
    assert len(documented) == len(rows)
    assert documented == {(route.method, route.path): (route.least, route.where) for route in doors.routes}


def test_the_description_is_sound(doors: Doors) -> None:
    """Every reference in it leads to a schema, every parameter of a path is described, and every id is its own."""
    document = doors.running.ask(DESCRIBED)[1]
    text = msgspec.json.encode(document).decode()
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
    for path, methods in document["paths"].items():
        for one in methods.values():
            described = {found["name"] for found in one["parameters"] if found["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path))
            assert one["summary"]
