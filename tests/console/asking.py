"""Requests to the console as a browser sends them: with a session, its form's token, and an origin."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx

from tests.console.conftest import COOKIE, Scene
from trimtab.access.sessions import form_token

OWN = "http://127.0.0.1"


def token(cookie: str) -> str:
    """What the forms of a session bring along."""
    return form_token(cookie.removeprefix(f"{COOKIE}="))


async def get(scene: Scene, place: str, cookie: str = "") -> httpx.Response:
    """A page; of the open console where nobody is signed in."""
    app = scene.app() if cookie else scene.open
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=OWN) as client:
        return await client.get(place, headers={"cookie": cookie} if cookie else {})


async def data(scene: Scene, place: str, cookie: str = "") -> Any:
    """The JSON of a page."""
    return (await get(scene, f"{place}{'&' if '?' in place else '?'}format=json", cookie)).json()


async def post(
    scene: Scene, place: str, cookie: str, fields: dict[str, str] | None = None, *, form: str | None = None, **more: str
) -> httpx.Response:
    """A form of one of our pages; `form` is its token, that of the session unless told otherwise."""
    body = urlencode({**(fields or {}), "form": token(cookie) if form is None else form})
    headers = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded", "origin": OWN, **more}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=scene.app()), base_url=OWN) as client:
        return await client.post(place, content=body, headers=headers)
