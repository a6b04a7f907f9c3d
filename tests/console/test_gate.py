"""Who passes the gate, and what a request that acts must bring."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.console.conftest import COOKIE, Scene
from tests.control.asgi import Answer, ask
from trimtab.access.keys import Role
from trimtab.access.sessions import LASTS_S, form_token
from trimtab.console.endpoint import MOST_GIVEN, Endpoint, visitor_of
from trimtab.console.gate import MAX_FORM, MOST_ADDRESSES, WRONG_AT_ONCE, OpenGate, WrongKeys
from trimtab.console.serving import MAX_BODY
from trimtab.testing import JumpingClock

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def who(request: Request) -> Response:
    """Whoever asks."""
    visitor = visitor_of(request)
    return JSONResponse({"name": visitor.name, "role": visitor.role, "tasks": list(visitor.tasks)})


async def read(request: Request) -> Response:
    """As much as was sent."""
    return JSONResponse({"size": len(await request.body())})


ROWS = (
    Endpoint("GET", "/api/anyone", "anyone", who, "who asks", query=()),
    Endpoint("GET", "/api/who", "viewer", who, "who asks", query=()),
    Endpoint("POST", "/api/act", "operator", read, "acts", acts=True, query=()),
    Endpoint("POST", "/act", "operator", who, "acts", acts=True, page=True, query=()),
)


async def asked(scene: Scene, target: str, method: str = "GET", form: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = urlencode({"form": form}).encode() if form else b""
    return await ask(
        scene.app(more=ROWS), target, method=method, headers={**(FORM if form else {}), **named}, body=body
    )


def token(cookie: str) -> str:
    return form_token(cookie.partition("=")[2])


async def test_a_session_is_its_keys_owner(scene: Scene) -> None:
    """A cookie stands for the key it was signed in with: its name, role and tasks."""
    cookie = scene.session("operator", "route")
    answer = await asked(scene, "/api/who", cookie=cookie)
    assert answer.json() == {"name": "ana", "role": "operator", "tasks": ["route"]}


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=", f"{COOKIE}=wrong", "other=x", f"{COOKIE}=\u00e9"])
async def test_without_a_session(scene: Scene, cookie: str) -> None:
    """Nothing but a token that was given out opens anything."""
    assert (await asked(scene, "/api/who", **({"cookie": cookie} if cookie else {}))).status == 401


async def test_a_session_ends_with_its_key_and_by_itself(scene: Scene) -> None:
    """A revoked key ends its sessions with the next request; twelve hours end any."""
    cookie = scene.session()
    scene.keys.revoke("ana")
    assert (await asked(scene, "/api/who", cookie=cookie)).status == 401
    cookie = scene.session()
    scene.clock.advance(LASTS_S)
    assert (await asked(scene, "/api/who", cookie=cookie)).status == 401


async def test_a_header_goes_before_a_cookie(scene: Scene) -> None:
    """A program that sends a wrong key is refused, whatever cookie comes along."""
    answer = await asked(scene, "/api/who", cookie=scene.session(), authorization="Bearer tt_wrong")
    assert answer.status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x_trimtab_form": "wrong"}, 403),
        ({"x_trimtab_form": "TOKEN"}, 200),
        ({"x_trimtab_form": "TOKEN", "sec_fetch_site": "same-origin", "origin": "http://localhost"}, 200),
        ({"x_trimtab_form": "TOKEN", "sec_fetch_site": "cross-site"}, 403),
        ({"x_trimtab_form": "TOKEN", "sec_fetch_site": "same-site"}, 403),
        ({"x_trimtab_form": "TOKEN", "sec_fetch_site": "none"}, 403),
        ({"x_trimtab_form": "TOKEN", "origin": "http://evil.example"}, 403),
        ({"x_trimtab_form": "TOKEN", "origin": "http://localhost:81"}, 403),
        ({"x_trimtab_form": "TOKEN", "origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("target", ["/api/act", "/act"])
async def test_what_acts_must_come_from_our_own_pages(
    scene: Scene, target: str, headers: dict[str, str], status: int
) -> None:
    """With a session, only a request of the same origin with that session's form token acts."""
    cookie = scene.session("operator")
    mine = {name: value.replace("TOKEN", token(cookie)) for name, value in headers.items()}
    assert (await asked(scene, target, "POST", cookie=cookie, **mine)).status == status


async def test_the_token_may_be_a_field_of_the_form(scene: Scene) -> None:
    """A form without scripts brings it as a field; that of another session is none."""
    cookie, other = scene.session("operator"), scene.session("operator")
    assert (await asked(scene, "/act", "POST", token(cookie), cookie=cookie)).status == 200
    assert (await asked(scene, "/act", "POST", token(other), cookie=cookie)).status == 403


async def test_a_program_needs_no_form(scene: Scene) -> None:
    """No browser sends an Authorization header by itself."""
    answer = await asked(scene, "/api/act", "POST", authorization=f"Bearer {scene.secret('operator')}")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 403),
        ({"sec-fetch-site": "same-origin"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site", "authorization": "Basic YTpi"}, 403),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, 403),
        ({"origin": "http://localhost", "authorization": "Basic YTpi"}, 403),
    ],
)
async def test_the_open_demo_is_held_to_its_own_pages_too(scene: Scene, headers: dict[str, str], status: int) -> None:
    """Where no key is asked for, a browser needs the form's token, and a program may act."""
    answer = await ask(scene.app(OpenGate(), ROWS), "/api/act", method="POST", headers=headers)
    assert answer.status == status


@pytest.mark.parametrize("role", ["client", "viewer", "operator", "admin"])
async def test_roles(scene: Scene, role: Role) -> None:
    """A role may do what those below it may, and nothing above it."""
    bearer = f"Bearer {scene.secret(role)}"
    looked = await asked(scene, "/api/who", authorization=bearer)
    acted = await asked(scene, "/api/act", "POST", authorization=bearer)
    assert looked.status == (403 if role == "client" else 200)
    assert acted.status == (200 if role in ("operator", "admin") else 403)


async def test_many_wrong_keys_must_wait(scene: Scene) -> None:
    """After ten wrong keys an address waits; right keys of it pass all the same, and time makes it good."""
    wrong = {"authorization": "Bearer tt_wrong"}
    right = {"authorization": f"Bearer {scene.secret()}"}
    answers = [await asked(scene, "/api/who", **wrong) for _ in range(WRONG_AT_ONCE + 2)]
    assert [answer.status for answer in answers] == [401] * WRONG_AT_ONCE + [429] * 2
    assert answers[-1].error == "rate_limited"
    assert answers[-1].headers["retry-after"] == "6"
    assert (await asked(scene, "/api/who", **right)).status == 200
    scene.clock.advance(6.1)
    assert [(await asked(scene, "/api/who", **wrong)).status for _ in range(2)] == [401, 429]


def test_addresses_are_bounded() -> None:
    """No more addresses are remembered than there is room for; the one heard of longest ago is forgotten."""
    wrong = WrongKeys(JumpingClock())
    for _ in range(WRONG_AT_ONCE):
        wrong.count("first")
    assert wrong.wait_s("first") > 0
    for number in range(MOST_ADDRESSES):
        wrong.count(str(number))
    assert wrong.wait_s("first") == 0
    assert repr(wrong) == f"WrongKeys({MOST_ADDRESSES} addresses)"


async def test_keys_that_cannot_be_read_let_nobody_in(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While `state.db` is damaged every door says so and what to do, tells no stranger where the file lies, and what is
    for anyone answers; the log has the reason once.
    """
    secret, cookie = scene.secret(), scene.session()
    (tmp_path / "damaged").write_bytes(b"no database at all" * 100)
    for beside in ("state.db-wal", "state.db-shm"):
        (tmp_path / beside).unlink()
    (tmp_path / "damaged").rename(tmp_path / "state.db")
    wrong = [
        await asked(scene, "/api/who", authorization=f"Bearer {secret}"),
        await asked(scene, "/api/who", authorization="Bearer tt_wrong"),
        await asked(scene, "/api/who", cookie=cookie),
    ]
    for answer in wrong:
        message = answer.json()["error"]["message"]
        assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "keys_unavailable", "5")
        assert "see whether `state.db` in the data directory is whole" in message
        assert str(tmp_path) not in message
    page = await asked(scene, "/", cookie=cookie)
    assert (page.status, b"state.db" in page.body, str(tmp_path).encode() in page.body) == (503, True, False)
    signing = await ask(scene.app(), "/signin", method="POST", headers=FORM, body=f"key={secret}".encode())
    assert (signing.status, b"state.db" in signing.body) == (503, True)
    assert (await asked(scene, "/api/anyone")).status == 200
    assert (await asked(scene, "/signin")).status == 200
    said = [record for record in caplog.records if record.message == "keys_unreadable"]
    assert ["not a database" in record.__dict__["fields"]["error"] for record in said] == [True]


async def test_bodies_are_bounded(scene: Scene) -> None:
    """A body over the most is refused while it is read."""
    app, bearer = scene.app(more=ROWS), {"authorization": f"Bearer {scene.secret('operator')}"}
    fits = await ask(app, "/api/act", method="POST", headers=bearer, body=b"x" * MAX_BODY)
    over = await ask(app, "/api/act", method="POST", headers=bearer, body=b"x" * (MAX_BODY + 1))
    assert (fits.json(), over.status, over.error) == ({"size": MAX_BODY}, 413, "payload_too_large")


async def test_forms_are_taken_apart_up_to_a_size(scene: Scene) -> None:
    """Nobody, and nobody who is not signed in least of all, keeps the loop busy with a form of megabytes."""
    big = b"key=" + b"%41" * (MAX_FORM // 3)
    signing = await ask(scene.app(), "/signin", method="POST", headers=FORM, body=big[: 32 << 10])
    acting = await ask(
        scene.app(more=ROWS), "/act", method="POST", headers={**FORM, "cookie": scene.session("operator")}, body=big
    )
    assert (signing.status, acting.status) == (413, 413)


async def test_forms_are_bounded(scene: Scene) -> None:
    """A form of very many fields is refused."""
    body = "&".join(f"f{number}=1" for number in range(500)).encode()
    answer = await ask(
        scene.app(more=ROWS), "/act", method="POST", headers={**FORM, "cookie": scene.session("operator")}, body=body
    )
    assert answer.status == 400


def test_nothing_that_acts_is_a_get() -> None:
    """The table takes no such row."""
    with pytest.raises(ValueError, match="no GET"):
        Endpoint("GET", "/api/act", "operator", who, "acts", acts=True)


@pytest.mark.parametrize("target", ["/api/who?x=1", "/api/who?"])
async def test_parameters_are_known(scene: Scene, target: str) -> None:
    """A parameter that the table does not name is a mistake."""
    answer: Any = await asked(scene, target, authorization=f"Bearer {scene.secret()}")
    assert answer.status == (400 if "x=1" in target else 200)


async def test_who_acted_is_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Each change over HTTP names the key that made it; looking and refusals are not noted."""
    with caplog.at_level(logging.INFO, "trimtab.control"):
        for role in ("viewer", "operator"):
            bearer = f"Bearer {scene.secret(role)}"  # type: ignore[arg-type]
            await asked(scene, "/api/act", "POST", authorization=bearer)
            await asked(scene, "/api/who", authorization=bearer)
    assert [record.__dict__["fields"] for record in caplog.records if record.message == "acted"] == [
        {"key": "ana", "role": "operator", "method": "POST", "path": "/api/act", "status": 200}
    ]


async def test_parameters_are_bounded(scene: Scene) -> None:
    """Thousands of filters, of which a page would make as many addresses each as long, are refused at once."""
    many = "&".join(f"task=t{number}" for number in range(MOST_GIVEN))
    cookie = scene.session()
    assert (await asked(scene, f"/calls?{many}", cookie=cookie)).status == 200
    assert (await asked(scene, f"/calls?{many}&model=m", cookie=cookie)).status == 400
