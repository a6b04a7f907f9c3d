"""What a person does: signing in and out, keys, ranges, themes, live figures, and what another site tries."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESK, PHONE, Looked, Serving

Opened = Callable[..., tuple[Page, Looked]]


def test_signing_in_and_out(chromium: Browser, serving: Serving) -> None:
    """A page asks for a key first and is shown after it; after signing out it asks again."""
    context = chromium.new_context(base_url=serving.url)
    page = context.new_page()
    page.goto("/tasks?range=1h")
    assert "/signin?next=" in page.url
    page.get_by_label("Key").fill(serving.keys["viewer"])
    page.get_by_label("Key").press("Enter")
    page.wait_for_url("**/tasks?range=1h")
    cookie = next(one for one in context.cookies() if one["name"].startswith("trimtab_session"))
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/signin")
    page.goto("/tasks")
    assert "/signin?next=" in page.url
    context.close()


def test_a_clients_key_does_not_sign_in(opened: Opened, serving: Serving) -> None:
    """A key for calls is refused with what to do instead."""
    page, _ = opened("/signin", storage_state=None)
    page.get_by_label("Key").fill(serving.keys["client"])
    page.get_by_label("Key").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("--role viewer")


def test_a_revoked_key_ends_its_session(chromium: Browser, serving: Serving) -> None:
    """The next request after a revocation is asked for a key, and the open page notices by itself."""
    made = _ask(serving, "/api/keys", "admin", "POST", {"name": "gone", "role": "viewer"})
    context = chromium.new_context(base_url=serving.url)
    page = context.new_page()
    page.goto("/signin")
    page.get_by_label("Key").fill(made["secret"])
    page.get_by_label("Key").press("Enter")
    expect(page.locator("#live")).to_be_visible()
    _ask(serving, "/api/keys/gone", "admin", "DELETE")
    expect(page.locator("#live")).to_be_hidden(timeout=3000)
    page.goto("/tasks")
    assert "/signin" in page.url
    context.close()


def test_a_key_for_some_tasks_sees_only_those(opened: Opened) -> None:
    """Other tasks stand neither in lists nor have a page."""
    page, looked = opened("/", "narrow")
    assert [text.split()[-1] for text in page.locator("#tasks tbody th").all_inner_texts()] == ["route"]
    page.goto("/tasks/extract")
    assert page.locator("h1").inner_text() == "Not here"
    assert looked.outside == []


def test_keys_of_the_keyboard(opened: Opened) -> None:
    """`g t` goes to the tasks, `j` and `k` move, Enter opens, `?` lists the keys and Escape closes that."""
    page, looked = opened("/?range=1h")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/tasks?range=1h")
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    first = page.locator("#tasks tbody tr").first
    assert first.evaluate("(row) => row.contains(document.activeElement)")
    name = first.locator("a").first.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tasks/{name}?range=1h")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/?range=1h")
    assert looked.trouble == {}


def test_the_order_of_the_tab_key(opened: Opened) -> None:
    """The first stop skips to the content, and every stop on the way is seen."""
    page, _ = opened("/tasks")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.goto("/tasks")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        style = page.evaluate(
            """() => {
                const one = document.activeElement, box = one.getBoundingClientRect();
                return [one.tagName, getComputedStyle(one).outlineStyle, box.width > 0 && box.height > 0];
            }"""
        )
        if style[0] == "BODY":
            break
        assert style[1] != "none", style
        assert style[2], style
        seen.add(style[0])
    assert {"A", "BUTTON", "SUMMARY"} <= seen


def test_the_range_follows(opened: Opened) -> None:
    """A range stays in the address from page to page; Back brings the one before."""
    page, _ = opened("/")
    page.get_by_role("navigation", name="Range of time").get_by_role("link", name="24h").click()
    page.wait_for_url("**/?range=24h")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Tasks", exact=True).click()
    page.wait_for_url("**/tasks?range=24h")
    page.go_back()
    page.go_back()
    page.wait_for_url(lambda url: url.endswith("/"))


def test_a_drag_selects_the_range(opened: Opened) -> None:
    """Dragging over a chart leads to the range that was dragged over."""
    page, looked = opened("/")
    chart = page.locator("#chart-parse .u-over")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=5)
    page.mouse.up()
    page.wait_for_url("**/?from=*&to=*")
    assert page.locator(".own summary.chosen").count() == 1
    assert looked.trouble == {}


def test_the_theme_stays(opened: Opened) -> None:
    """A theme is taken on at once, and kept on the next page, also by a form alone."""
    for script in (True, False):
        page, _ = opened("/", java_script_enabled=script)
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html[data-theme=dark]")).to_be_visible()
        page.goto("/tasks")
        expect(page.locator("html[data-theme=dark]")).to_be_visible()


def test_the_navigation_folds(opened: Opened) -> None:
    """On a telephone the pages are behind a word, by touch, by keyboard and without scripts."""
    page, _ = opened("/", viewport=PHONE, java_script_enabled=False)
    pages = page.get_by_role("navigation", name="Pages")
    expect(pages).to_be_hidden()
    page.get_by_text("Menu").click()
    expect(pages).to_be_visible()
    page.get_by_label("Menu").press("Space")
    expect(pages).to_be_hidden()


def test_figures_come_by_themselves(opened: Opened, serving: Serving) -> None:
    """A call that comes in shows up without a reload, and nothing is lost of where the reader is."""
    page, looked = opened("/?range=15m", viewport=DESK)
    expect(page.locator("#live")).to_be_visible()
    assert page.get_by_role("link", name="brand-new").count() == 0
    page.locator("#tasks tbody a").first.focus()
    at = page.evaluate("document.activeElement.getAttribute('href')")
    serving.another_call("brand-new")
    expect(page.get_by_role("link", name="brand-new")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == at
    assert looked.trouble == {}


def test_tables_are_taken_along(opened: Opened) -> None:
    """A table's links give it as a CSV file and as JSON."""
    page, _ = opened("/tasks?sort=tasks.-calls")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Tasks as CSV").click()
    assert taken.value.suggested_filename == "tasks-tasks.csv"
    page.get_by_role("link", name="Tasks as JSON").click()
    records = json.loads(page.locator("body").inner_text())
    assert [row["calls"] for row in records] == sorted((row["calls"] for row in records), reverse=True)


@pytest.mark.parametrize("place", ["/calls/talk-3", "/?range=1h"])
def test_the_first_page_is_told_in_the_zone_of_the_browser(
    opened: Opened, signed_in: Callable[[str], Any], place: str
) -> None:
    """Whoever comes for the first time reads every time in the zone that the page names, wherever it stands."""
    state = signed_in("viewer")
    state = {**state, "cookies": [one for one in state["cookies"] if one["name"] != "trimtab_zone"]}
    page, looked = opened(place, storage_state=state, timezone_id="Asia/Tokyo")
    expect(page.locator(".foot")).to_contain_text("Times in Asia/Tokyo.")
    shown = page.evaluate("""() => [...document.querySelectorAll("main time")].map((one) => [
        one.textContent.match(/[0-9]{2}:[0-9]{2}:[0-9]{2}/)?.[0],
        new Date(one.dateTime).toLocaleTimeString("en-GB", { timeZone: "Asia/Tokyo" }),
    ])""")
    told = [(words, meant) for words, meant in shown if words]
    assert told
    assert [words for words, _ in told] == [meant for _, meant in told]
    assert page.locator("figure.chart.drawn").count() == page.locator("figure.chart").count()
    assert looked.trouble == {}


def test_the_first_column_stays_with_its_lines(opened: Opened) -> None:
    """In a table wider than the screen the first column stays where it is, its head too, and keeps its lines: those of
    a table whose borders are collapsed are the table's own and scroll away.
    """
    page, _ = opened("/costs", viewport=PHONE)
    table = page.locator("#costs .scroll")
    first = [table.locator("thead th").first, table.locator("tbody th").first]
    before = [one.bounding_box() for one in first]
    assert table.evaluate("(one) => { one.scrollLeft = 200; return one.scrollLeft; }") == 200
    assert [one.bounding_box() for one in first] == before
    assert first[1].evaluate("(one) => getComputedStyle(one).borderBottomWidth") == "1px"
    assert table.locator("table").evaluate("(one) => getComputedStyle(one).borderCollapse") == "separate"


def test_heads_make_room_before_a_table_is_cut(opened: Opened) -> None:
    """Where a table is wider than its place its heads take a second line, units whole, and its edge is shaded."""
    page, _ = opened("/costs", viewport=PHONE)
    heads = page.locator("#costs thead tr:last-child")
    line = heads.evaluate("(one) => parseFloat(getComputedStyle(one).lineHeight)")
    assert heads.evaluate("(one) => one.clientHeight") > 2 * line
    units = page.locator("#costs thead .unit")
    assert {one.evaluate("(one) => one.getClientRects().length") for one in units.all()} == {1}
    edge = page.locator("#costs .scroll").evaluate("(one) => getComputedStyle(one).backgroundAttachment")
    assert edge == "local, scroll"


@pytest.mark.parametrize("place", ["/look", "/signout"])
def test_another_site_cannot_act(opened: Opened, serving: Serving, place: str) -> None:
    """A form of another site, sent by whoever is signed in, does nothing."""
    page, _ = opened("/")
    with elsewhere(serving.url + place) as site, page.expect_navigation(url=f"{serving.url}{place}") as gone:
        page.goto(site, wait_until="commit")
    assert gone.value.status in (401, 403)
    page.goto("/")
    assert page.locator("h1").inner_text() == "Overview"
    assert page.locator("html[data-theme]").count() == 0


def test_a_link_from_elsewhere_leads_in(opened: Opened, serving: Serving) -> None:
    """Whoever is signed in and follows a colleague's link on another site sees the page, not the sign-in."""
    page, _ = opened("/")
    with elsewhere(serving.url) as site:
        page.goto(site + "link")
        page.get_by_role("link", name="look at this").click()
        page.wait_for_url(f"{serving.url}/tasks?range=1h")
        expect(page.locator("h1")).to_have_text("Tasks")


def test_no_other_site_may_frame_or_read(opened: Opened, serving: Serving) -> None:
    """A page of ours is shown in no frame of another site, nor read by its scripts."""
    page, _ = opened("/")
    with elsewhere(serving.url) as site:
        page.goto(site + "frame")
        page.wait_for_function("window.done === true")
        assert page.evaluate("window.read") == "refused"
        assert page.frames[1].url in ("chrome-error://chromewebdata/", "about:blank")


def _ask(serving: Serving, path: str, role: str, method: str, body: object = None) -> dict[str, str]:
    data = json.dumps(body).encode() if body is not None else None
    headers = {"authorization": f"Bearer {serving.keys[role]}"}
    with urllib.request.urlopen(
        urllib.request.Request(serving.url + path, data, headers, method=method), timeout=10
    ) as answer:
        found: dict[str, str] = json.load(answer)
        return found


@contextmanager
def elsewhere(target: str) -> Iterator[str]:
    """Another site: a page that sends a form by itself to `target`, one with a link, and one that frames and reads."""
    pages = {
        "/": f'<form method="post" action="{target}"><input name="theme" value="dark"></form>'
        "<script>document.forms[0].submit()</script>",
        "/link": f'<a href="{target}/tasks?range=1h">look at this</a>',
        "/frame": f'<iframe src="{target}/"></iframe><script>fetch("{target}/?format=json", {{credentials: "include"}})'
        '.then((a) => a.text()).then((t) => { window.read = t; }, () => { window.read = "refused"; })'
        ".finally(() => { window.done = true; })</script>",
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_finding_a_call_by_the_keyboard(opened: Opened) -> None:
    """`/` takes words, Enter shows the calls that say them, `j` and Enter open one, and Back leads to the list."""
    page, looked = opened("/")
    page.keyboard.press("/")
    page.keyboard.type("broken")
    page.keyboard.press("Enter")
    page.wait_for_url("**/calls?text=broken")
    expect(page.get_by_role("list", name="Filters that are on")).to_contain_text("broken")
    assert page.locator("#calls tbody tr").count() == 1
    page.locator("main").focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/calls/talk-1")
    expect(page.locator("h1")).to_have_text("Call talk-1")
    page.go_back()
    page.get_by_role("link", name="take out").click()
    page.wait_for_url("**/calls")
    assert looked.trouble == {}


def test_filters_without_javascript(opened: Opened) -> None:
    """The form narrows the list, pages lead on and back, and a view is kept, opened and deleted, by forms alone."""
    page, looked = opened("/calls", "operator", java_script_enabled=False)
    page.get_by_label("task").select_option("route")
    page.get_by_text("More filters").click()
    page.get_by_label("total at most, s").fill("1")
    page.get_by_role("button", name="Show").click()
    assert set(page.locator("#calls tbody td:nth-child(3)").all_inner_texts()) == {"route"}
    names = page.locator("#calls tbody td:nth-child(2)")
    first = names.all_inner_texts()
    page.get_by_role("link", name="Next page").click()
    assert not set(names.all_inner_texts()) & set(first)
    page.get_by_role("link", name="Page before").click()
    assert names.all_inner_texts() == first
    page.get_by_label("save this filter as").fill("quick routes")
    page.get_by_role("button", name="Save").click()
    page.goto("/calls?range=1h")
    page.get_by_role("link", name="quick routes").click()
    page.wait_for_url("**/calls?range=1h&task=route&max_total=1")
    page.get_by_role("button", name="delete the view quick routes").click()
    assert page.get_by_role("link", name="quick routes").count() == 0
    assert looked.trouble == {}


def test_a_call_is_judged_and_taken_along(opened: Opened) -> None:
    """A judgement of the form stands on the page at last; the bytes of the answer come as a file."""
    page, looked = opened("/calls/talk-2")
    page.get_by_text("Judge this call").click()
    page.get_by_label("score").select_option("0")
    page.get_by_label("label", exact=True).fill("too late")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/calls/talk-2?given=true#judgements")
    expect(page.locator("#judgements")).to_contain_text("too late")
    with page.expect_download() as taken:
        page.locator("#raw").get_by_role("link", name="Take the bytes along").last.click()
    assert taken.value.suggested_filename == "response-talk-2.txt"
    assert looked.trouble == {}


def test_a_conversation_is_read(opened: Opened) -> None:
    """From the list to a conversation, on to one of its calls, and back to the conversation it belongs to."""
    page, looked = opened("/conversations?task=refund")
    page.get_by_role("link", name="support/42").click()
    page.wait_for_url("**/conversations/support%2F42")
    steps = page.locator("section.step")
    assert steps.count() == 4
    expect(steps.nth(2)).to_contain_text("And the shipping?")
    expect(steps.nth(2)).not_to_contain_text("The cup was broken")
    steps.nth(2).get_by_role("link").first.click()
    page.wait_for_url("**/calls/talk-3")
    page.locator("#belongings").get_by_role("link", name="support/42").click()
    expect(page.locator("h1")).to_have_text("Conversation support/42")
    assert looked.trouble == {}
