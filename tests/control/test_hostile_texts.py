"""Every route that shows what is stored, over a store whose texts mean harm: each answers, and shows texts as texts.

The routes are those that the running control describes: one with something in its path that is not in `EXAMPLES` fails.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.browser.places import FURTHER
from tests.console import agents, alarms, evaluated
from tests.console.past import NEW_LOCK
from tests.console.seeding import HOSTILE
from tests.console.straying import SORTING
from tests.console.test_pages import Elements
from tests.store.conftest import ROOT

GUARD_S = 60.0
CALLS = [f"hostile-{number}" for number in range(len(HOSTILE))]
EXAMPLES: dict[str, list[str]] = {
    "/api/calls/{call}": CALLS,
    "/api/calls/{call}/bodies": [*CALLS, "talk-3"],
    "/api/dead/{id}": ["hostile-1", "hostile-3"],
    "/api/alerts/{id}": ["hostile-1"],
    "/api/undeclared/{cluster}/proposal": [SORTING],
    "/tasks/{task}": ["extract"],
    "/calls/{call}": [*CALLS, "talk-3", "talk-1"],
    "/calls/{call}/request": ["talk-3"],
    "/calls/{call}/response": ["talk-3"],
    "/calls/{call}/case": ["talk-3"],
    "/conversations/{conversation}": [f"conversation {text}" for text in HOSTILE[:-1]],
    "/prompts/{task}": ["extract", "refund"],
    "/prompts/locks/{lock}": [NEW_LOCK],
    "/evaluations/{evaluation}": [evaluated.HARMFUL, evaluated.BLOCKED],
    "/tasks/{task}/evaluations": ["extract"],
    "/labels/{name}": ["harm", "helpful"],
    "/labels/{name}/export": ["harm"],
    "/api/labels/{name}": ["harm"],
    "/api/labels/{name}/labelled": ["harm"],
    "/alerts/{id}": ["hostile-1", alarms.OPEN],
    "/dead/{id}": ["hostile-1", "hostile-3"],
    "/undeclared/{cluster}": [SORTING],
    "/runs/{run}": [agents.HARM, agents.FAILED, agents.PARKED],
    "/api/runs/{run}": [agents.HARM, agents.FAILED, agents.PARKED],
    "/api/runs/{run}/steps/{seq}": [f"{agents.HARM} 3"],
    "/api/runs/{run}/tree": [agents.HARM],
    "/api/runs/{run}/case": [agents.CALLS],
    "/export/run/{run}": [agents.HARM],
    "/export/case/{at}/{run}": [f"0 {agents.CALLS}"],
    "/api/reviews/{review}": [agents.REVIEW],
    "/reviews/{review}": [agents.REVIEW],
    "/static/{name}": [],  # reads no store
    "/dead/redrive/{run}": [],  # a run is of one visitor and has no text of others: tests/console/test_dead.py
}
"""What stands in the paths; empty where a route shows nothing of the store."""
PAIR = f"left={agents.FAILED}&right={agents.FORK}"
NEED = {
    "/api/undeclared/{cluster}/proposal": "name=sorting",
    "/api/signals": "task=extract&by=replica",
    "/api/runs/compare": PAIR,
    "/runs/compare": PAIR,
}
"""What must be asked, or makes more texts show."""
ELSEWHERE = ("/metrics", "/events", "/signin")
"""Answers that are neither JSON nor a page of the store; test_metrics.py and test_live.py look at them."""
PARAMETER = re.compile(r"\{(\w+)\}")


def filled(path: str, example: str) -> str:
    """A path with what stands in it; where that is more than one thing, they are parted by a space."""
    names = PARAMETER.findall(path)
    given = iter(example.split(" ", len(names) - 1) if len(names) > 1 else [example])
    return PARAMETER.sub(lambda _: quote(next(given), safe=""), path)


class Route(NamedTuple):
    path: str
    page: bool
    media: tuple[str, ...]


class Store:
    """A control that serves hostile texts."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"authorization": f"Bearer {key}"}
        paths = json.loads(self.get("/api/openapi.json")[1])["paths"]
        self.routes = [
            Route(path, one["get"]["tags"] == ["pages"], media(one["get"]))
            for path, one in paths.items()
            if "get" in one and one["get"]["x-trimtab-where"] != "socket" and path not in ELSEWHERE
        ]

    def get(self, target: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=GUARD_S)) as connection:
            connection.request("GET", target, headers=self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def targets(self, *, page: bool) -> Iterator[str]:
        """The addresses of the routes of one kind, each with something hostile in it."""
        for route in self.routes:
            if route.page != page or "text/plain" in route.media:
                continue
            if PARAMETER.search(route.path):
                assert route.path in EXAMPLES, f"say in EXAMPLES what stands in {route.path}"
                found = [filled(route.path, name) for name in EXAMPLES[route.path]]
            else:
                found = [route.path]
            yield from (f"{one}?{NEED[route.path]}" if route.path in NEED else one for one in found)


def media(described: dict[str, Any]) -> tuple[str, ...]:
    """The kinds of answers that a route is described with."""
    return tuple(kind for answer in described["responses"].values() for kind in answer.get("content", ()))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    command = [sys.executable, "-m", "tests.browser.serving", str(tmp_path_factory.mktemp("control"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Store(told["port"], told["keys"]["admin"])
        process.stdin.close()
        process.wait(GUARD_S)


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON document, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def halves(value: Any) -> list[str]:
    """Texts that hold half a character, which no UTF-8 can."""
    return [text for text in strings(value) if re.search("[\ud800-\udfff]", text)]


def test_every_route_of_programs_answers(store: Store) -> None:
    """JSON that shows what is stored holds every text as it is, with U+FFFD for half a character."""
    seen = set()
    for target in store.targets(page=False):
        status, body = store.get(target)
        assert status == 200, (target, body[:300])
        document = json.loads(body)
        assert halves(document) == [], target
        seen |= set(strings(document))
    hidden = HOSTILE[-1].replace("\ud800", "\ufffd")
    assert {*HOSTILE[:-1], hidden} <= seen


def test_every_page_gives_its_data_and_its_tables(store: Store) -> None:
    """Each page is JSON as a whole, and each of its tables JSON and CSV, whatever its texts hold."""
    for target in [*store.targets(page=True), *FURTHER]:
        joined = f"{target}{'&' if '?' in target else '?'}"
        status, body = store.get(f"{joined}format=json")
        assert status == 200, (target, body[:300])
        assert halves(json.loads(body)) == [], target
        for table in tables(store, joined):
            status, body = store.get(f"{joined}format=json&table={table}")
            records = json.loads(body)
            assert (status, isinstance(records, list), halves(records)) == (200, True, []), (target, table)
            status, body = store.get(f"{joined}format=csv&table={table}")
            assert (status, body.decode("utf-8").count("\n") >= 1) == (200, True), (target, table)
            assert not set("\x00\x1b\u202e\u2066") & set(body.decode("utf-8")), (target, table)


def tables(store: Store, joined: str) -> list[str]:
    """The names of a page's tables, as it tells somebody who asks for another."""
    status, body = store.get(f"{joined}format=json&table=no-such-table")
    if status == 404:
        return []
    assert status == 400, body
    names: str = json.loads(body)["error"]["message"]
    return re.findall(r"[\w-]+", names.partition("is none of ")[2].partition(";")[0])


def test_every_page_shows_texts_as_texts(store: Store) -> None:
    """Neither scripts, markup, Markdown, escapes of terminals nor turned text become anything on a page."""
    for target in [*store.targets(page=True), *FURTHER]:
        status, body = store.get(target)
        html = body.decode("utf-8")
        found = Elements(html)
        assert status == 200, target
        assert not found.tags & {"img", "iframe", "object", "embed", "style", "base", "meta-refresh"}, target
        assert not {name for name in found.attributes if name.startswith("on") or name == "style"}, target
        outside = {place for place in found.places if not place.startswith(("/", "#", "?")) or place.startswith("//")}
        assert outside - {""} == set(), target
        assert not set(html) & set("\x00\x07\x1b\u202e\u2066\u2069\u200b\U000e0041"), target
        assert HOSTILE[0] not in html, target
        assert HOSTILE[1] not in html, target


def test_bodies_are_taken_along_as_bytes(store: Store) -> None:
    """What is downloaded is plain text that no browser shows or runs."""
    for route in store.routes:
        if "text/plain" in route.media:
            for name in EXAMPLES[route.path]:
                status, body = store.get(filled(route.path, name))
                assert (status, bool(body)) == (200, True), route
