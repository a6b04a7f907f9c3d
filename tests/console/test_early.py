"""A page whose figures take long: its top comes first, and the rest, or what went wrong, when it is known."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.console.asking import get
from tests.console.conftest import AtOnce, Held, Scene
from tests.console.seeding import day, policy
from trimtab.errors import StoreError

T = TypeVar("T")
NAV = 'aria-label="Pages"'


class Slow(AtOnce):
    """A desk that answers when it is let."""

    def __init__(self, held: Held, failure: Exception | None = None) -> None:
        super().__init__(held)
        self.may, self.failure = asyncio.Event(), failure

    async def ask(self, question: Callable[[Any], T]) -> T:
        await self.may.wait()
        if self.failure is not None:
            raise self.failure
        return await super().ask(question)


async def opened(scene: Scene, place: str, before: Callable[[list[str]], None]) -> tuple[int, list[str]]:
    """Asks for a page; when the first part of it has come, `before` sees it, and the desk answers. Status and parts."""
    assert isinstance(scene.desk, Slow)
    parts: list[str] = []
    status = 0
    path, _, query = place.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"127.0.0.1")], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["body"]:
            parts.append(message["body"].decode())
            if len(parts) == 1:
                before(parts)
                scene.desk.may.set()  # type: ignore[attr-defined]

    await scene.open(scope, receive, send)
    return status, parts


@pytest.fixture
def seeded(scene: Scene) -> Scene:
    """Two hours of calls."""
    scene.policy = policy()
    scene.telemetry.insert(day(scene.clock.wall_ns(), calls_per_minute=1, hours=2), "day")
    return scene


def only_the_top(parts: list[str]) -> None:
    """Navigation is there, and nothing that needs figures."""
    assert NAV in parts[0]
    assert "<main" not in parts[0]


def without_token(html: str) -> str:
    """The page without what only one app knows, by which its forms are known again."""
    return re.sub(r'name="form" value="[^"]*"', "", html)


@pytest.mark.parametrize("place", ["/?range=24h", "/tasks", "/calls?task=extract"])
async def test_the_top_of_a_page_comes_before_its_figures(seeded: Scene, place: str) -> None:
    """Both parts together are the page that comes at once where figures are at hand."""
    whole = (await get(seeded, place)).text
    seeded.desk = Slow(seeded.desk.held)
    status, parts = await opened(seeded, place, only_the_top)
    assert status == 200
    assert without_token("".join(parts)) == without_token(whole)


@pytest.mark.parametrize(
    ("failure", "words"),
    [(StoreError(store="telemetry", detail="refused"), "503 telemetry_unavailable"), (KeyError("x"), "500 internal")],
)
async def test_what_goes_wrong_late_stands_in_the_page(seeded: Scene, failure: Exception, words: str) -> None:
    """A failure after the top was sent is told where figures would be, without what only the log may say."""
    seeded.desk = Slow(seeded.desk.held, failure)
    status, parts = await opened(seeded, "/", only_the_top)
    assert status == 200
    assert words in parts[1]
    assert "KeyError" not in parts[1]
    assert parts[1].rstrip().endswith("</html>")


async def test_what_goes_wrong_at_once_has_its_status(seeded: Scene) -> None:
    """Nothing was sent then."""
    seeded.desk = Slow(seeded.desk.held, StoreError(store="telemetry", detail="refused"))
    seeded.desk.may.set()
    assert (await get(seeded, "/")).status_code == 503


async def test_programs_get_the_status_however_long_it_takes(seeded: Scene) -> None:
    """JSON is never sent in parts."""
    seeded.desk = Slow(seeded.desk.held, StoreError(store="telemetry", detail="refused"))
    answer = asyncio.create_task(get(seeded, "/?format=json"))
    done, _ = await asyncio.wait({answer}, timeout=0.3)
    assert not done
    seeded.desk.may.set()
    assert (await answer).status_code == 503
