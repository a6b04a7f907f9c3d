"""Signing in and out, what pages do without it, and what the browser is told with every page."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.console.conftest import COOKIE, Scene
from tests.control.asgi import Answer, ask
from trimtab.access.sessions import form_token
from trimtab.console.console import Console, own_place
from trimtab.console.gate import OpenGate
from trimtab.console.serving import HEADERS, on_network, serving
from trimtab.console.signin import signin_endpoints
from trimtab.console.site import PAGES
from trimtab.console.statics import statics

FORM = {"content-type": "application/x-www-form-urlencoded"}
ELSEWHERE = [
    "",
    "http://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "tasks",
    "javascript:alert(1)",
    "/a\nb",
    "/\tb",
]


async def enter(scene: Scene, key: str, place: str = "/", **headers: str) -> Answer:
    """Sends the form in which a key was entered."""
    sent = {**FORM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    body = urlencode({"key": key, "next": place}).encode()
    return await ask(scene.app(), "/signin", method="POST", headers=sent, body=body)


def cookie_of(answer: Answer) -> str:
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE].value


async def test_a_key_signs_in(scene: Scene) -> None:
    """The right key leads on to where one wanted to go, with a cookie that no script and no other site gets."""
    answer = await enter(scene, f" {scene.secret()} ", "/tasks?range=1h")
    assert (answer.status, answer.headers["location"]) == (303, "/tasks?range=1h")
    set_cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert word in set_cookie
    assert "Secure" not in set_cookie
    page = await ask(scene.app(), "/tasks", headers={"cookie": f"{COOKIE}={cookie_of(answer)}"})
    assert page.status == 200
    assert b"Sign out" in page.body


async def test_under_tls_the_cookie_is_secure(scene: Scene) -> None:
    """Where control is reached by TLS, the cookie never goes over anything else."""
    console = Console(PAGES, (), scene.parts, statics(), scene.gate, secure=True)
    app = serving(on_network((*signin_endpoints(console, scene.gate), *console.table())), scene.gate)
    body = urlencode({"key": scene.secret()}).encode()
    answer = await ask(app, "/signin", method="POST", headers=FORM, body=body)
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("key", ["", "tt_wrong", "\udcff", "x" * 5000])
async def test_a_wrong_key_does_not(scene: Scene, key: str) -> None:
    """A wrong key is refused on the same page, in words, and not repeated there."""
    answer = await enter(scene, key.encode("utf-8", "replace").decode())
    assert (answer.status, answer.headers.get("set-cookie")) == (401, None)
    assert b"No live key has this secret" in answer.body
    assert b"xxx" not in answer.body
    assert b"tt_wrong" not in answer.body


async def test_a_clients_key_does_not(scene: Scene) -> None:
    """A key for calls is refused with what to do."""
    answer = await enter(scene, scene.secret("client"))
    assert (answer.status, answer.headers.get("set-cookie")) == (403, None)
    assert b"--role viewer" in answer.body


async def test_another_site_signs_nobody_in(scene: Scene) -> None:
    """A form of another site cannot sign a browser in with its own key."""
    key = scene.secret()
    assert (await enter(scene, key, origin="http://evil.example")).status == 403
    assert (await enter(scene, key, sec_fetch_site="cross-site")).status == 403
    assert (await enter(scene, key, origin="http://localhost", sec_fetch_site="same-origin")).status == 303


async def test_signing_out(scene: Scene) -> None:
    """Whoever signs out is asked for a key again; the cookie is worth nothing more."""
    cookie = scene.session()
    body = urlencode({"form": form_token(cookie.partition("=")[2])}).encode()
    answer = await ask(scene.app(), "/signout", method="POST", headers={**FORM, "cookie": cookie}, body=body)
    assert (answer.status, answer.headers["location"]) == (303, "/signin")
    assert (await ask(scene.app(), "/", headers={"cookie": cookie})).status == 303


async def test_without_a_session_a_page_leads_to_signing_in(scene: Scene) -> None:
    """A person is led to where a key is entered, and from there back to what was asked for."""
    answer = await ask(scene.app(), "/tasks?range=1h&sort=tasks.task")
    assert answer.status == 303
    place = urlsplit(answer.headers["location"])
    assert (place.path, parse_qs(place.query)) == ("/signin", {"next": ["/tasks?range=1h&sort=tasks.task"]})


async def test_a_link_on_another_site_is_asked_for_once_more(scene: Scene) -> None:
    """A browser sends no strict cookie with such a link: a page of ours asks again, and then it does."""
    answer = await ask(scene.app(), "/tasks?a=%22%3E%3Cscript%3E", headers={"sec-fetch-site": "cross-site"})
    assert answer.status == 200
    assert b'http-equiv="refresh"' in answer.body
    assert b"<script>" not in answer.body
    assert b"/tasks?a=%22%3E%3Cscript%3E" in answer.body
    again = {"sec-fetch-site": "cross-site", "cookie": "trimtab_again=1"}
    assert "trimtab_again=1; HttpOnly; Max-Age=5" in answer.headers["set-cookie"]
    assert (await ask(scene.app(), "/tasks", headers=again)).status == 303


@pytest.mark.parametrize("place", ELSEWHERE)
async def test_signing_in_leads_nowhere_else(scene: Scene, place: str) -> None:
    """Whatever could lead to another site leads to the overview."""
    assert own_place(place) == "/"
    assert (await enter(scene, scene.secret(), place)).headers["location"] == "/"


@pytest.mark.parametrize("target", ["/signin", "/nothing", "/static/nothing", "/?range=9y"])
async def test_every_page_bears_the_headers(scene: Scene, target: str) -> None:
    """What a page may do, and that nothing keeps it, is told with every answer."""
    answer = await ask(scene.open, target, headers={"accept": "text/html"})
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


async def test_the_policy_of_content() -> None:
    """No script, style, frame or form but our own, and nothing within the page."""
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


async def test_files_are_kept_long_under_names_of_their_content(scene: Scene) -> None:
    """Style and scripts have their digest in their name, the right type, and may be kept; nothing else is there."""
    files = statics()
    for name, media in (("console.css", "text/css"), ("console.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = await ask(scene.app(), files.address(name))
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(media)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for target in ("/static/console.css", "/static/..%2fconsole.py", "/static/../console.py", "/static/"):
        assert (await ask(scene.app(), target)).status == 404


async def test_the_theme_is_a_cookie(scene: Scene) -> None:
    """Light and dark are chosen by a form, kept for a year, and anything else is that of the system."""
    cookie = scene.session()
    form = {"form": form_token(cookie.partition("=")[2]), "next": "/tasks"}
    for theme, told in (("dark", "trimtab_theme=dark"), ("pink", 'trimtab_theme=""')):
        body = urlencode({**form, "theme": theme}).encode()
        answer = await ask(scene.app(), "/look", method="POST", headers={**FORM, "cookie": cookie}, body=body)
        assert (answer.status, answer.headers["location"]) == (303, "/tasks")
        assert answer.headers["set-cookie"].startswith(told)
    dark = await ask(scene.open, "/", headers={"cookie": "trimtab_theme=dark"})
    assert b'<html lang="en" data-theme="dark">' in dark.body
    assert b"data-theme" not in (await ask(scene.open, "/", headers={"cookie": 'trimtab_theme="><x'})).body


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("Europe%2FBerlin", "Europe/Berlin"),
        ("../../etc/passwd", "UTC"),
        ("/etc/localtime", "UTC"),
        ("Nowhere/At_All", "UTC"),
        ("x" * 100, "UTC"),
        ("", "UTC"),
    ],
)
async def test_the_zone_is_a_cookie(scene: Scene, cookie: str, zone: str) -> None:
    """Times are told in the zone that the browser named, if there is such a one."""
    answer = await ask(scene.open, "/", headers={"cookie": f"trimtab_zone={cookie}"})
    assert f"Times in {zone}." in answer.body.decode()


async def test_the_open_demo_has_no_signing_in(scene: Scene) -> None:
    """Where no key is asked for, there is nothing to sign in to."""
    app = scene.app(OpenGate())
    assert (await ask(app, "/")).status == 200
    assert (await ask(app, "/signin")).status == 404


async def test_pages_that_are_not_there(scene: Scene) -> None:
    """A person gets a page that leads on, a program the one shape of errors."""
    page = await ask(scene.open, "/nothing", headers={"accept": "text/html,*/*"})
    assert page.status == 404
    assert b"To the overview" in page.body
    assert (await ask(scene.open, "/nothing")).error == "not_found"
    assert (await ask(scene.open, "/api/nothing", headers={"accept": "text/html"})).error == "not_found"


async def test_what_fails_inside_shows_nothing_of_the_inside(scene: Scene) -> None:
    """An error nobody thought of is a page with a status and the same headers, without a trace; the log has that."""

    async def break_down(question: object) -> None:
        raise RuntimeError("secret of the inside")

    scene.desk.ask = break_down  # type: ignore[assignment,method-assign]
    for target, page in (("/", True), ("/?format=json", False)):
        said: list[dict[str, Any]] = []
        with pytest.raises(RuntimeError):
            await ask(kept(scene.open, said), target)
        start, body = said
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert start["status"] == 500
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert b"secret" not in body["body"]
        assert (b"Control failed" in body["body"]) is page


def kept(app: Any, said: list[dict[str, Any]]) -> Any:
    """The app, with what it says kept also where it fails after that."""

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: dict[str, Any]) -> None:
            said.append(message)
            await send(message)

        await app(scope, receive, noting)

    return keeping


async def test_a_program_gets_no_pages(scene: Scene) -> None:
    """Whoever bears a key, or asks for JSON, is answered in the one shape of errors, on addresses of pages too."""
    assert (await ask(scene.app(), "/tasks", key="tt_wrong")).error == "unauthorized"
    assert (await ask(scene.app(), "/tasks?format=json")).error == "unauthorized"
    assert (await ask(scene.app(), "/tasks/never", key=scene.secret())).error == "not_found"


async def test_a_form_after_the_session_ended(scene: Scene) -> None:
    """It is told to sign in first, with the way there."""
    answer = await ask(scene.app(), "/look", method="POST", headers={**FORM, "cookie": f"{COOKIE}=gone"})
    assert answer.status == 401
    assert b'<a href="/signin">Sign in</a>' in answer.body
