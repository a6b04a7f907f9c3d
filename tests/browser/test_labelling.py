"""Labelling in a real browser: by keys alone, and an evaluation whose answers are put in to be labelled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, TimeoutError

from tests.browser.conftest import Looked
from tests.browser.test_pages import faults
from tests.console import evaluated

Opened = Callable[..., tuple[Page, Looked]]


def test_rows_are_labelled_by_keys(opened: Opened) -> None:
    """Each key labels the row that waits and brings the next; a comment is opened and typed without a pointer,
    and labels nothing by itself.
    """
    page, looked = opened("/labels/better", role="operator")
    heads = []
    for key in "13":
        heads.append(page.locator("#next-title").inner_text())
        page.keyboard.press(key)
        page.get_by_role("status").wait_for()
        page.wait_for_function("(was) => document.querySelector('#next-title').innerText !== was", arg=heads[-1])
    assert len(set(heads)) == 2
    page.keyboard.press("c")
    page.keyboard.type("y is no key here")
    assert page.get_by_label("why").input_value() == "y is no key here"
    before = page.locator("#next-title").inner_text()
    with pytest.raises(TimeoutError), page.expect_request("**/given", timeout=500):
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_function("(was) => document.querySelector('#next-title').innerText !== was", arg=before)
    assert "3 by you" in page.locator("main").inner_text()
    assert faults(page) == []
    assert looked.trouble == {}


def test_answers_are_put_into_a_set(opened: Opened) -> None:
    """An operator fills the form of an evaluation's page and comes to the set; a viewer has no such form."""
    page, looked = opened(f"/evaluations/{evaluated.SHIPPED}", role="operator")
    page.get_by_label("set", exact=True).fill("from-the-page")
    page.get_by_label("question, for a new set").fill("Is it polite?")
    page.get_by_role("button", name="Put them in").click()
    page.wait_for_url("**/labels/from-the-page")
    assert "Is it polite?" in page.locator("main").inner_text()
    assert looked.trouble == {}
    seen, _ = opened(f"/evaluations/{evaluated.SHIPPED}", role="viewer")
    assert seen.get_by_role("button", name="Put them in").count() == 0


def test_a_case_leads_to_all_its_answers(opened: Opened) -> None:
    """From the table of cases to a case alone, and back to all that turned."""
    page, looked = opened(f"/evaluations/{evaluated.BLOCKED}")
    page.get_by_role("link", name="case-15", exact=True).click()
    page.wait_for_url("**case=case-15**")
    assert page.locator("article.entry").count() == 1
    assert page.locator(".pair").count() == 2
    page.get_by_role("link", name="All that turned").click()
    page.wait_for_function("document.querySelectorAll('article.entry').length === 10")
    assert looked.trouble == {}
