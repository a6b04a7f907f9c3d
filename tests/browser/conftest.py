"""A control that runs, and Debian's Chromium to look at it with. `tests/browser/install.sh` installs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
BERLIN = "Europe/Berlin"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@dataclass
class Serving:
    """The control that runs."""

    process: subprocess.Popen[str]
    port: int
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def another_call(self, task: str) -> None:
        """Lets one more call of a task come in."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()


@dataclass
class Looked:
    """What went on in a page: what its console said, what failed, what it asked of whom, and what popped up."""

    host: str
    said: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Notes all of it from now on."""
        page.on("console", lambda one: self.said.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: self.said.append(str(one)))
        page.on("request", lambda one: None if one.url.startswith(self.host) else self.outside.append(one.url))
        page.on("response", lambda one: self.failed.append(one.url) if one.status >= 400 else None)
        page.on("dialog", lambda one: (self.dialogs.append(one.message), one.dismiss()))

    @property
    def trouble(self) -> dict[str, list[str]]:
        """All that should not have been."""
        found = {"said": self.said, "outside": self.outside, "failed": self.failed, "dialogs": self.dialogs}
        return {name: those for name, those in found.items() if those}


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A control with a day of calls, some of them hostile."""
    directory = tmp_path_factory.mktemp("control")
    command = [sys.executable, "-m", "tests.browser.serving", str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        told = json.loads(process.stdout.readline())
        yield Serving(process, told["port"], told["keys"])
        process.stdin.close()
        process.wait(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("there is no chromium; run tests/browser/install.sh")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, serving: Serving) -> Callable[[str], Any]:
    """The cookies of somebody who signed in with the key of a role, as a person does; once for each role."""
    known: dict[str, Any] = {}

    def cookies(role: str) -> Any:
        if role not in known:
            context = chromium.new_context(timezone_id=BERLIN)
            page = context.new_page()
            page.goto(f"{serving.url}/signin")
            page.get_by_label("Key").fill(serving.keys[role])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{serving.url}/")
            known[role] = context.storage_state()
            context.close()
        return known[role]

    return cookies


@pytest.fixture
def opened(
    chromium: Browser, serving: Serving, signed_in: Callable[[str], Any]
) -> Iterator[Callable[..., tuple[Page, Looked]]]:
    """Opens a page for somebody of a role; gives it with what goes on in it."""
    contexts: list[BrowserContext] = []

    def open_page(place: str, role: str = "viewer", **options: Any) -> tuple[Page, Looked]:
        context = chromium.new_context(
            **{"viewport": DESK, "timezone_id": BERLIN, "storage_state": signed_in(role), "base_url": serving.url}
            | options
        )
        contexts.append(context)
        page, looked = context.new_page(), Looked(serving.url)
        looked.watch(page)
        page.goto(place, wait_until="load")
        return page, looked

    yield open_page
    for context in contexts:
        context.close()
