"""Every page in a real browser: no error, no request to another host, nothing that axe finds serious."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Looked
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


OWN = [place(page.name, page.path) for page in PAGES if page.name not in REACHED]
ADDRESSES = [*OWN, *FURTHER]
SERIOUS = ("serious", "critical")
OF_THEMES = ("color-contrast", "link-in-text-block")
OF_SIZES = (*OF_THEMES, "scrollable-region-focusable", "meta-viewport", "button-name", "label")


def faults(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe finds serious, by all its rules or some."""
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    options = {"resultTypes": ["violations"], **only}
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
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


def wide(page: Page) -> int:
    """By how much a page is wider than the screen."""
    found: int = page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    return found


def alive(page: Page) -> list[str]:
    """What hostile text became that is more than text, or could not be seen."""
    found: list[str] = page.evaluate("window.pwned ? ['a script ran'] : []")
    seen = page.locator(
        "main img, main iframe, main object, a[href^='javascript'], [onerror], [onclick], [style*='url']"
    )
    html = page.content()
    hidden = re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", html)
    return [*found, *(one.evaluate("(one) => one.outerHTML") for one in seen.all()), *hidden]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page(opened: Opened, address: str) -> None:
    """A page loads without an error, asks nobody else, is accessible in light, in dark and on a telephone, is no wider
    than the screen, and shows hostile texts as texts.
    """
    page, looked = opened(address, color_scheme="light")
    page.wait_for_function("document.cookie.includes('trimtab_zone')")
    assert faults(page) == []
    assert alive(page) == []
    assert twice(page) == []
    assert page.locator("h1").count() == 1
    assert wide(page) <= 0
    page.emulate_media(color_scheme="dark")
    assert faults(page, OF_THEMES) == []
    page.set_viewport_size(PHONE)
    assert faults(page, OF_SIZES) == []
    assert wide(page) <= 0
    assert looked.trouble == {}


@pytest.mark.parametrize("address", OWN)
def test_every_page_without_javascript(opened: Opened, address: str) -> None:
    """A page says the same without its scripts: its tables and charts are there, and the navigation leads on."""
    page, looked = opened(address, java_script_enabled=False)
    assert page.locator("main").inner_text().strip()
    assert page.locator("figure.chart svg.series").count() == page.locator("figure.chart").count()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    assert page.locator("h1").inner_text() == "Overview"
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
