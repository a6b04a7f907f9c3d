"""`make screenshots`: what the console looks like, for README and docs, always from the same day of the same calls.

`python -m tests.browser.screenshots` writes docs/images/*.png; with `--serve DIRECTORY` it is the console that is
looked at. Its clock stands still, so that the pictures change only when the pages do.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from tests.browser import serving

ROOT: Final = Path(__file__).parents[2]
IMAGES: Final = ROOT / "docs" / "images"
NOW: Final = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
DENSITY: Final = 2
COLOURS: Final = 256
MOST_BYTES: Final = 300_000


class StandingClock:
    """A clock whose wall time stands still."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def wall_ns() -> int:
        """The time of the pictures."""
        return int(NOW.timestamp()) * 10**9


@dataclass(frozen=True)
class Picture:
    """One picture: its file, the page, and how it is looked at."""

    name: str
    place: str
    size: dict[str, int]
    scheme: str = "light"


PICTURES: Final = (
    Picture("overview", "/", WIDE),
    Picture("overview-dark", "/", WIDE, "dark"),
    Picture("overview-narrow", "/", NARROW),
    Picture("task", "/tasks/extract", WIDE),
    Picture("call", "/calls/talk-3", WIDE),
    Picture("alert", "/alerts/open-1", WIDE),
    Picture("prompt", "/prompts/extract", WIDE),
    Picture("run", "/runs/run-failed?step=7", WIDE),
    Picture("costs", "/costs", WIDE),
    Picture("replicas", "/replicas", WIDE),
)


def main() -> None:
    """Takes all pictures."""
    path = shutil.which("chromium")
    if path is None:
        sys.exit("there is no chromium; run tests/browser/install.sh")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as driver:
        command = [sys.executable, "-m", "tests.browser.screenshots", "--serve", directory]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            take(browser, f"http://127.0.0.1:{told['port']}", told["keys"]["operator"])
            browser.close()
            process.stdin.close()
            process.wait(20)


def take(browser: Browser, url: str, key: str) -> None:
    """Signs in and takes the pictures."""
    entry = browser.new_context(timezone_id="UTC")
    page = entry.new_page()
    page.goto(f"{url}/signin")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    known = entry.storage_state()
    for one in PICTURES:
        data = picture(browser, url, one, known)
        if len(data) > MOST_BYTES:
            sys.exit(f"{one.name}.png has {len(data):,} bytes, over {MOST_BYTES:,}; show less of the page")
        (IMAGES / f"{one.name}.png").write_bytes(data)
        print(f"docs/images/{one.name}.png  {len(data):,} bytes")


def picture(browser: Browser, url: str, one: Picture, known: Any) -> bytes:
    """One picture, as a PNG of few bytes."""
    scheme: Any = one.scheme
    context = browser.new_context(
        viewport=one.size,  # type: ignore[arg-type]  # a size
        color_scheme=scheme,
        device_scale_factor=DENSITY,
        timezone_id="UTC",
        locale="en-GB",
        reduced_motion="reduce",
        storage_state=known,
    )
    page = context.new_page()
    page.clock.set_fixed_time(NOW)
    page.goto(url + one.place, wait_until="load")
    page.wait_for_function("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(500)
    data = page.screenshot(animations="disabled")
    context.close()
    return in_few_colours(data)


def in_few_colours(data: bytes) -> bytes:
    """A PNG of at most 256 colours: the commonest, and for each other one the nearest of them."""
    width, height, pixels = pixels_of(data)
    flat = pixels.reshape(-1, 3).astype(np.uint32)
    packed = flat[:, 0] << 16 | flat[:, 1] << 8 | flat[:, 2]
    values, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    chosen = np.sort(np.lexsort((values, -counts))[:COLOURS])
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.int32)
    palette = colours[chosen]
    nearest = np.array([int(np.argmin(((palette - one) ** 2).sum(axis=1))) for one in colours], np.uint8)
    rows = nearest[inverse].reshape(height, width)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        (b"PLTE", palette.astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def pixels_of(data: bytes) -> tuple[int, int, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Width, height and the colours of a PNG of 8 bits a channel that is not interlaced (as Chromium writes it).

    Format: W3C, Portable Network Graphics (PNG) Specification, third edition, sections 5, 7 and 9.
    """
    place, packed, width, height, depth = 8, b"", 0, 0, 3
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if name == b"IHDR":
            width, height, _, kind = struct.unpack_from(">IIBB", content)
            depth = {2: 3, 6: 4}[kind]
        elif name == b"IDAT":
            packed += content
        place += 12 + length
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * depth)
    above = np.zeros(width * depth, np.uint8)
    rows = []
    for line in raw:
        above = _unfiltered(int(line[0]), line[1:], above, depth)
        rows.append(above)
    return width, height, np.stack(rows).reshape(height, width, depth)[:, :, :3]


def _unfiltered(
    kind: int, line: np.ndarray[Any, np.dtype[np.uint8]], above: np.ndarray[Any, np.dtype[np.uint8]], depth: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A row of a PNG, as it was before it was filtered."""
    if kind == 0:
        return line.copy()
    if kind == 1:
        return np.cumsum(line.reshape(-1, depth), axis=0, dtype=np.uint8).reshape(-1)
    if kind == 2:
        return line + above
    given, over = line.tolist(), above.tolist()
    out = [0] * len(given)
    for at, value in enumerate(given):
        left = out[at - depth] if at >= depth else 0
        corner = over[at - depth] if at >= depth else 0
        guess = (left + over[at]) // 2 if kind == 3 else _paeth(left, over[at], corner)
        out[at] = (value + guess) & 255
    return np.array(out, np.uint8)


def _paeth(left: int, above: int, corner: int) -> int:
    near = left + above - corner
    return min((left, above, corner), key=lambda one: abs(near - one))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serving.serve(Path(sys.argv[2]), StandingClock(), is_hostile=False))
    else:
        main()
