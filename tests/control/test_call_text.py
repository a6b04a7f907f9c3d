"""How calls read on a terminal."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from tests.store.samples import NOON_NS, SECOND_NS, attempt, call
from trimtab.cli.call_text import call_text, calls_table
from trimtab.store.telemetry import CallDetail

ID = "0199c8e7aabb7cc0a1b2c3d4e5f60718"


def text_of(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 90, 100, 120, 200])
def test_an_id_is_never_cut(width: int) -> None:
    """On any terminal of 80 columns and more each call is one line with its whole id, outcome and total."""
    calls = [
        call(ID, outcome="deadline_first_token", total_s=12.5, task="a-task-with-a-long-name"),
        call(ID[::-1], total_s=0.5, ttft_s=0.1),
    ]
    head, *rows = text_of(calls_table(calls, width), width).splitlines()
    assert [len(line) <= width for line in (head, *rows)] == [True] * 3
    assert ID in rows[0]
    assert "12500" in rows[0]
    assert "deadline_first" in rows[0]
    assert head.split()[:3] == ["ended", "call", "task"]


def test_a_wide_terminal_shows_more() -> None:
    """Money, tokens, model and tries come with the room for them."""
    table = calls_table([call(ID, cost=("estimated", 2_500_000_000))], 160)
    words = text_of(table, 160).split()
    assert {"tries", "tokens", "USD", "model", "~0.0025"} <= set(words)


def test_the_waterfall_lies_on_the_calls_own_time() -> None:
    """Of 2 s, a first try fails from 0 to 1 s; the second waits half of its second for the first token."""
    began_ns = NOON_NS - 2 * SECOND_NS
    settled = call(ID, NOON_NS)
    settled = replace(settled, admitted=replace(settled.admitted, at_ns=began_ns))
    tries = (
        attempt(ID, 1, began_ns + SECOND_NS, cause="upstream_error", duration_s=1.0, replica="http://a"),
        attempt(ID, 2, NOON_NS, duration_s=1.0, ttft_s=0.5, replica="http://b"),
    )
    text = text_of(call_text(CallDetail(settled, tries)), 120)
    first, second = (line for line in text.splitlines() if "small http://" in line)
    assert "0 to 2000 ms" in text
    assert "+" * 12 in first
    assert "=" not in first
    assert "+" * 6 + "=" * 6 in second
    assert second.index("+") == first.index("+") + 12


def test_a_call_without_an_attempt_says_so() -> None:
    """A call that was refused before dispatch has no waterfall."""
    text = text_of(call_text(CallDetail(call(ID, outcome="circuit_open", usage=None), ())), 100)
    assert "no attempt was made" in text
    assert "unknown: the engine told no usage" in text
