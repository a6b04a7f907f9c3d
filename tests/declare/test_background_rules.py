"""The `[background]` table: how large a request may be that waits."""

from __future__ import annotations

from pathlib import Path

from tests.declare.projects import MODEL, marked, write
from trimtab.declare.load import load, read
from trimtab.journal.background import Limits, Submit
from trimtab.journal.entries import Started
from trimtab.journal.frames import frame
from trimtab.journal.runs.background import MOST_HEADERS


def declared(size: str) -> str:
    return f'{MODEL}[gateway]\nmax_body = "1GiB"\n[background]\nmax_request = "{size}" #!\n'


def test_the_largest_request_that_may_wait_fits_one_ask(tmp_path: Path) -> None:
    """Keeper takes it in, with as many headers as a call has; more cannot be declared."""
    largest = load(write(tmp_path, declared("60MiB"))).background.max_request
    started = Started(1, "triage", through="background")
    limits, headers = Limits(1, 1, 1.0, 1.0), {"x-trimtab-note": "x" * MOST_HEADERS}
    ask = Submit("bg_1", started, "key", "answer", "chat", "small", limits, b"x" * largest, headers, "y" * MOST_HEADERS)
    assert len(frame(1, ask)) > 60 << 20
    [mistake] = read(write(tmp_path, declared("61MiB"))).mistakes
    assert (mistake.line, "60MiB" in mistake.instead) == (marked(declared("61MiB")), True)
