"""Pages opened over the store of the benchmark: until the last byte came, and until a browser first painted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.console.serving import BEFORE_END_NS, LONG
from bench.console.stored import ENDED_NS

ROOT: Final = Path(__file__).parents[2]
STOP_S: Final = 60
INSTALL: Final = "tests/browser/install.sh"
PAINTED: Final = """() => new Promise(told => {
    new PerformanceObserver(list => {
        const found = list.getEntriesByName("first-contentful-paint");
        if (found.length) told(found[0].startTime);
    }).observe({type: "paint", buffered: true});
})"""
"""Milliseconds from asking for the page that is shown, once it was painted."""
MINUTE_S: Final = 60
DAY_S: Final = 86_400


class NoBrowser(Exception):
    """There is nothing that could paint; the message says how to get it."""


class Serving(NamedTuple):
    """A control that serves."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def peak_mib(self) -> float:
        """The largest resident size it had."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def control(path: Path) -> Iterator[Serving]:
    """Control over the store at `path`, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="trimtab-console-") as directory:
        command = [sys.executable, "-m", "bench.console.serving", str(path), directory]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        with subprocess.Popen(command, **pipes) as process:
            try:
                yield Serving(**json.loads(process.stdout.readline()))
            finally:
                process.stdin.close()
                process.wait(STOP_S)


def day(back: int) -> str:
    """The overview of 24 hours that end `back` minutes before the present: one that nobody asked for lately."""
    ends = (ENDED_NS - BEFORE_END_NS) // 10**9 - back * MINUTE_S
    since, until = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ") for at in (ends - DAY_S, ends))
    return f"/?from={since}&to={until}"


PLACES: Final = {
    "overview, reckoned anew": day,
    "overview, figures at hand": lambda _: "/?range=24h",
    "a call with 10,000 chunks": lambda _: f"/calls/{LONG}",
}
"""What is opened: its address the n-th time."""


def last_bytes(serving: Serving, place: str, loads: int) -> list[float]:
    """Milliseconds until the last byte of a page came, each time; a first one does not count."""
    found = []
    for number in range(loads + 1):
        began = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", serving.port, timeout=STOP_S)
        connection.request("GET", PLACES[place](number))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{place} was answered with {answer.status}; look at what control said above")
        found.append(1e3 * (time.perf_counter() - began))
    return found[1:]


def paints(serving: Serving, loads: int) -> dict[str, list[float]]:
    """Milliseconds from asking for each page to its first contentful paint (W3C Paint Timing), each time in a new tab
    of a browser that has the console's style sheets and scripts; a first one does not count. Raises `NoBrowser`.
    """
    path = shutil.which("chromium")
    if path is None:
        raise NoBrowser(f"there is no chromium; {INSTALL} installs it")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not every machine has it
    except ImportError:
        raise NoBrowser("there is no playwright; `pip install playwright` brings it") from None
    found: dict[str, list[float]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=serving.url)
        for place, address in PLACES.items():
            found[place] = [painted(context, address(loads + 1 + number)) for number in range(loads + 1)][1:]
        browser.close()
    return found


def painted(context: Any, address: str) -> float:
    """Opens a page, and tells when it was painted first."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    took = float(page.evaluate(PAINTED))
    page.close()
    return took
