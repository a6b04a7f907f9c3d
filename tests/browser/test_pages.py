"""Every page in a real browser: no error, no request to another host, nothing that axe finds serious."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import DESK, PHONE, Looked
from tests.browser.places import FURTHER, PLACES, REACHED
from trimtab.console.site import PAGES

Opened = Callable[..., tuple[Page, Looked]]
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def place(name: str, path: str) -> str:
    """The address of a page, with what is seeded in it."""
    found = PLACES.get(name, {})
    missing = set(PARAMETER.findall(path)) - set(found)
    assert not missing, f"say in tests/browser/places.py what stands for {missing} in the address of the page {name}"
    return PARAMETER.sub(lambda match: quote(found[match[1]], safe=""), path)


ADDRESSES = [*(place(page.name, page.path) for page in PAGES if page.name not in REACHED), *FURTHER]
SERIOUS = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """What axe finds serious."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}" for one in found if one["impact"] in SERIOUS for node in one["nodes"][:3]
    ]


def twice(page: Page) -> list[str]:
    """Ids and names of live parts that stand more than once in a page."""
    found: list[str] = page.evaluate(
        """() => ["id", "data-live"].flatMap((name) => {
            const all = [...document.querySelectorAll(`[${name}]`)].map((one) => `${name} ${one.getAttribute(name)}`);
            return all.filter((one, at) => all.indexOf(one) !== at);
        })"""
    )
    return found


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page(opened: Opened, address: str, size: dict[str, int]) -> None:
    """A page loads without an error, asks nobody else, is accessible, and is no wider than the screen."""
    page, looked = opened(address, viewport=size, color_scheme="light")
    page.wait_for_function("document.cookie.includes('trimtab_zone')")
    assert faults(page) == []
    if size == DESK:
        page.emulate_media(color_scheme="dark")
        assert faults(page) == []
    assert twice(page) == []
    wide = page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    assert wide <= 0
    assert page.locator("h1").count() == 1
    assert looked.trouble == {}


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_without_javascript(opened: Opened, address: str) -> None:
    """A page says the same without its scripts: its tables and charts are there, and the navigation leads on."""
    page, looked = opened(address, java_script_enabled=False)
    assert page.locator("main").inner_text().strip()
    assert page.locator("figure.chart svg.series").count() == page.locator("figure.chart").count()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    assert page.locator("h1").inner_text() == "Overview"
    assert looked.trouble == {}


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_hostile_comes_alive(opened: Opened, address: str) -> None:
    """Script, markup, escapes and bidi controls in what models and clients sent are text, and visible as such."""
    page, looked = opened(address)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, main iframe, main object, a[href^='javascript'], [onerror], [onclick]").count() == 0
    html = page.content()
    hidden = re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", html)
    assert hidden == []
    assert looked.trouble == {}


@pytest.mark.parametrize("address", ["/nothing", "/tasks/nothing", "/?range=9y", "/tasks?sort=tasks.nothing"])
def test_pages_of_what_went_wrong(opened: Opened, address: str) -> None:
    """What is not there, or cannot be asked, is told on an accessible page that leads on."""
    page, looked = opened(address)
    assert faults(page) == []
    page.get_by_role("link", name="To the overview").click()
    assert page.locator("h1").inner_text() == "Overview"
    assert looked.outside == []


def test_the_page_to_sign_in(opened: Opened) -> None:
    """Signing in is accessible, in a wrong attempt too."""
    page, _ = opened("/signin", storage_state=None)
    assert faults(page) == []
    page.get_by_label("Key").fill("tt_wrong")
    page.get_by_label("Key").press("Enter")
    page.get_by_role("alert").wait_for()
    assert faults(page) == []
