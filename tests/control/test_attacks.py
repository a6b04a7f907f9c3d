"""What others try at every route of a control that runs: forms of other sites, paths to files, addresses to ask.

The routes are those that the control describes, so that a new one is tried without being named here.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.control.running import GUARD_S, control
from tests.control.test_every_route import DESCRIBED, FORM, Answer, Doors, Route
from trimtab.access.sessions import form_token

PARAMETER = re.compile(r"\{\w+\}")
BY_ITS_OWN_RIGHT = ("/signin", "/decide/{token}")
"""What no session is needed for: a key that is entered, and a link that holds the right to decide."""
JSON = {"content-type": "application/json"}
TO_FILES = (
    "../../../../etc/passwd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "....//....//etc/passwd",
    "a\x00b",
    "%2e%2e/x",
)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with control(tmp_path_factory.mktemp("control")) as running:
        yield Doors(running)


@pytest.fixture(scope="module")
def cookies(doors: Doors) -> tuple[str, str]:
    """The cookies of two admins who signed in."""
    return signed_in(doors), signed_in(doors)


def signed_in(doors: Doors) -> str:
    door = next(route for route in doors.routes if (route.method, route.path) == ("POST", "/signin"))
    answer = doors.ask(door, headers=FORM, body=urlencode({"key": doors.keys["admin"], "next": "/"}).encode())
    assert answer.status == 303
    return answer.headers["set-cookie"].partition(";")[0]


def token(cookie: str) -> str:
    return form_token(cookie.partition("=")[2])


def acting(doors: Doors) -> list[Route]:
    """Every route on the network that is no GET, whether it says that it acts or not."""
    return [route for route in doors.routes if route.method != "GET" and route.where != "socket"]


def test_no_other_site_acts_for_somebody_who_is_signed_in(doors: Doors, cookies: tuple[str, str]) -> None:
    """A session's cookie alone changes nothing: without its form's token, with another's, or from another site."""
    mine, others = cookies
    own = f"http://127.0.0.1:{doors.running.port}"
    tries: tuple[dict[str, str], ...] = (
        {},
        {"origin": own, "sec-fetch-site": "same-origin"},
        {"x-trimtab-form": token(others)},
        {"x-trimtab-form": token(mine), "sec-fetch-site": "cross-site"},
        {"x-trimtab-form": token(mine), "sec-fetch-site": "same-site"},
        {"x-trimtab-form": token(mine), "origin": "http://evil.example"},
        {"x-trimtab-form": token(mine), "origin": "null"},
    )
    routes = [route for route in acting(doors) if route.path not in BY_ITS_OWN_RIGHT]
    assert len(routes) >= 20
    for route in routes:
        for headers in tries:
            answer = doors.ask(route, headers={**FORM, "cookie": mine, **headers}, body=b"a=b")
            assert answer.status == 403, (route, headers, answer.body[:200])
    assert doors.ask(next(route for route in doors.routes if route.path == "/"), headers={"cookie": mine}).status == 200


def test_nobody_is_signed_in_by_another_site(doors: Doors) -> None:
    """Nor does a page of another site sign somebody in with a key of its own."""
    door = next(route for route in doors.routes if (route.method, route.path) == ("POST", "/signin"))
    body = urlencode({"key": doors.keys["admin"], "next": "/"}).encode()
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = doors.ask(door, headers={**FORM, **headers}, body=body)
        assert (answer.status, "set-cookie" in answer.headers) == (403, False)


def test_no_path_leads_to_a_file(doors: Doors) -> None:
    """What stands in a path, escaped or not, is a name: nothing is read from the disk by it, and nothing breaks."""
    tried = 0
    for route in doors.routes:
        if route.where == "socket" or not PARAMETER.search(route.path):
            continue
        for name in TO_FILES:
            for written in (quote(name, safe=""), quote(name)):
                tried += 1
                target = PARAMETER.sub(lambda _, written=written: written, route.path)  # type: ignore[misc]
                headers, body = (FORM, b"") if route.page else (JSON, b"{}")
                answer = doors.ask(route._replace(target=target), doors.keys["admin"], headers, body)
                assert answer.status < 500 or answer.status == 503, (route, name, answer.body[:300])
                assert b"root:" not in answer.body, (route, name)
    assert tried >= 200


def test_a_body_that_is_no_json_is_told_as_such(doors: Doors) -> None:
    """Bytes that are no UTF-8 inside a text, and what is nested beyond reading, are the sender's mistake everywhere."""
    labels = next(route for route in doors.routes if (route.method, route.path) == ("POST", "/api/labels"))
    made = b'{"name":"deep","task":"route","question":"Is it?"}'
    assert doors.ask(labels, doors.keys["admin"], JSON, made).status == 200
    deep = b'{"rows":[{"inputs":' + b"[" * 300_000 + b"]" * 300_000 + b"}]}"
    routes = [route for route in acting(doors) if not route.page]
    assert len(routes) >= 15
    for route in routes:
        target = PARAMETER.sub("deep", route.path)
        for body in (b'{"\xff":1}', b'{"why":"\xff"}', deep):
            answer = doors.ask(route._replace(target=target), doors.keys["admin"], JSON, body)
            assert answer.status < 500 or answer.status == 503, (route, body[:20], answer.body[:300])


def test_a_link_that_nobody_signed_decides_nothing_and_no_other_site_sends_its_form(doors: Doors) -> None:
    """Whatever stands in the place of a link is answered alike; a form of another site is refused before it is read."""
    door = next(route for route in doors.routes if (route.method, route.path) == ("POST", "/decide/{token}"))
    opened = next(route for route in doors.routes if (route.method, route.path) == ("GET", "/decide/{token}"))
    body = urlencode({"choice": "approve", "form": "x"}).encode()
    unsigned = "WyJyIiwicyIsOTk5OTk5OTk5OV0." + "A" * 43  # ["r","s",9999999999]
    for forged in ("nothing", "a.b", "eyJ9.AAAA", ".", "W10.AAAA", "%00.%00", unsigned):
        target = f"/decide/{forged}"
        answers = [doors.ask(one._replace(target=target), "", FORM, body) for one in (door, opened)]
        assert [answer.status for answer in answers] == [404, 404], forged
        assert all(forged.encode() not in answer.body for answer in answers if len(forged) > 8)
        assert {answer.headers["referrer-policy"] for answer in answers} == {"same-origin"}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        answer = doors.ask(door._replace(target="/decide/a.b"), "", {**FORM, **headers}, body)
        assert answer.status == 403, headers


def test_no_request_makes_control_ask_an_address(doors: Doors) -> None:
    """An address in a path, a parameter, a header, a form or a JSON body is asked by nobody and led to by nothing."""
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/latest/meta-data"
        headers = {"x-forwarded-host": address, "referer": address, "x-original-url": address, "forwarded": address}
        for route, described in described_of(doors):
            answer = sent(doors, route, described, address, headers)
            assert answer.status < 500 or answer.status == 503, (route, answer.body[:300])
            assert answer.headers.get("location", "/").startswith("/"), route
            assert not answer.headers.get("location", "/").startswith("//"), route
        with pytest.raises(BlockingIOError):
            canary.accept()


def described_of(doors: Doors) -> list[tuple[Route, dict[str, Any]]]:
    """The routes on the network, each as it is described."""
    document = doors.running.ask(DESCRIBED)[1]
    return [
        (route, {**document["paths"][route.path][route.method.lower()], "schemas": document["components"]["schemas"]})
        for route in doors.routes
        if route.where != "socket"
    ]


def sent(doors: Doors, route: Route, described: dict[str, Any], address: str, headers: dict[str, str]) -> Answer:
    """A request with the address wherever the route takes anything."""
    target = PARAMETER.sub(quote(address, safe=""), route.path)
    if route.method == "GET":
        named = [one["name"] for one in described["parameters"] if one["in"] == "query" and one["name"] != "format"]
        for name in named:
            answer = asked(doors, route._replace(target=f"{target}?{urlencode({name: address})}"), headers, b"")
            assert answer.status < 500, (route, name, answer.body[:300])
        return asked(doors, route._replace(target=target), headers, b"")
    if route.page:
        names = ("next", "url", "filter", "name", "task", "rule", "letter", "why", "theme", "key")
        return asked(
            doors, route._replace(target=target), {**headers, **FORM}, urlencode(dict.fromkeys(names, address)).encode()
        )
    body = json.dumps(dict.fromkeys(fields_of(described), address) | {"send": True})
    return asked(doors, route._replace(target=target), {**headers, **JSON}, body.encode())


def asked(doors: Doors, route: Route, headers: dict[str, str], body: bytes) -> Answer:
    return doors.ask(route, doors.keys["admin"], headers, body)


def fields_of(described: dict[str, Any]) -> list[str]:
    """The fields of the body that a route takes."""
    text = json.dumps(described.get("requestBody", {}))
    names = re.findall(r"#/components/schemas/([^\"]+)", text)
    return [field for name in names for field in described["schemas"][name].get("properties", {})]


def test_a_form_leads_nowhere_else(doors: Doors, cookies: tuple[str, str]) -> None:
    """Whatever `next` says, a form goes on to a page of ours."""
    door = next(route for route in doors.routes if route.path == "/look")
    for place in (
        "http://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\nx",
        "\\\\evil",
    ):
        fields = {"form": token(cookies[0]), "theme": "dark", "next": place}
        answer = doors.ask(door, headers={**FORM, "cookie": cookies[0]}, body=urlencode(fields).encode())
        assert (answer.status, answer.headers["location"]) == (303, "/"), place


def test_two_requests_in_one_are_not_two(doors: Doors) -> None:
    """A body that two headers bound differently is refused: no second request is read out of it."""
    connection = http.client.HTTPConnection("127.0.0.1", doors.running.port, timeout=GUARD_S)
    try:
        connection.putrequest("POST", "/api/feedback", skip_accept_encoding=True)
        connection.putheader("content-length", "5")
        connection.putheader("transfer-encoding", "chunked")
        connection.endheaders()
        connection.send(b"0\r\n\r\nGET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = connection.getresponse()
        assert answer.status in (400, 401)
        assert b'"ok"' not in answer.read()
    finally:
        connection.close()
