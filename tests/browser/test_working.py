"""What an operator does about alerts and dead letters, with the mouse and by keys, and with scripts off."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Looked
from tests.browser.test_pages import faults
from tests.console.alarms import OPEN, SEEN

Opened = Callable[..., tuple[Page, Looked]]


def test_the_exact_call_in_three_clicks(opened: Opened) -> None:
    """From the overview to the alert, to the call that shows it best, to what was said in it."""
    page, looked = opened("/")
    page.locator(".needs").get_by_role("link", name="extract: parse rate fell").click()
    page.wait_for_url(f"**/alerts/{OPEN}")
    page.locator("#worst tbody a").first.click()
    page.wait_for_url("**/calls/extract-*")
    assert looked.trouble == {}


def test_an_alert_by_keys(opened: Opened) -> None:
    """`s` opens the form of a silence and waits in its first field; `a` acknowledges; `?` tells of both."""
    page, looked = opened("/alerts/open-2", "operator")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("acknowledge this alert")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.locator("select[name=for]")).to_be_focused()
    assert faults(page) == []
    page.get_by_label("because").last.fill("a load test")
    page.get_by_label("because").last.press("Enter")
    expect(page.locator(".facts")).to_contain_text("silenced")
    page.locator("main").focus()
    page.keyboard.press("a")
    expect(page.locator(".facts")).to_contain_text("acknowledged by operator")
    page.goto("/alerts")
    page.get_by_role("button", name="lift the silence of task extract").click()
    page.wait_for_url("**/alerts#silences")
    expect(page.locator("#silences")).not_to_contain_text("a load test")
    assert looked.trouble == {}


def test_an_alert_without_javascript(opened: Opened) -> None:
    """Its forms work without scripts."""
    page, looked = opened(f"/alerts/{SEEN}", "operator", java_script_enabled=False)
    page.locator("summary", has_text="Resolve").click()
    page.get_by_label("because").first.fill("the incident is over")
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator(".facts")).to_contain_text("resolved by operator")
    expect(page.locator("#history")).to_contain_text("the incident is over")
    assert looked.trouble == {}


def test_letters_that_are_ticked(opened: Opened) -> None:
    """Those that are ticked are re-driven, and what became of each is told; dropping asks whether one is sure."""
    page, looked = opened("/dead?kind=call&task=extract", "operator")
    boxes = page.locator("#letters input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Re-drive those ticked").click()
    page.wait_for_url("**/dead/redrive/*")
    expect(page.locator("#outcomes tbody tr")).to_have_count(2)
    assert faults(page) == []
    page.locator("#outcomes tbody a").first.click()
    page.wait_for_url(re.compile("/dead/(extract|hostile)-"))
    page.keyboard.press("x")
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Drop", exact=True).click()
    page.wait_for_url("**/dead")
    assert looked.trouble == {}
