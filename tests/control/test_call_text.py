"""How calls read on a terminal."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from tests.store.samples import NOON_NS, SECOND_NS, attempt, call
from trimtab.cli.call_text import call_text, calls_table
from trimtab.record.events import Confidence, ContextUse, ToolOutcome
from trimtab.store.telemetry import CallDetail

ID = "0199c8e7aabb7cc0a1b2c3d4e5f60718"


def text_of(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    return out.getvalue()


def shown(**fields: object) -> list[str]:
    """The lines of one call, each with single spaces."""
    text = text_of(call_text(CallDetail(call(ID, **fields), ())), 120)  # type: ignore[arg-type]
    return [" ".join(line.split()) for line in text.splitlines()]


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


def test_a_call_says_what_became_of_its_answer() -> None:
    """Verdict, repairs, each failing place, each tool call, repetition, seams, schema and whose dead letter it was."""
    settled = call(
        ID,
        outcome="output_invalid",
        verdict="invalid",
        repairs=2,
        failing=("/team enum", "/tags/0 maxLength"),
        tool_outcomes=(ToolOutcome("find", "bad_json", 1), ToolOutcome("find", "valid", 2)),
        repetition="loop",
        repetition_stopped=True,
        seams=(40, 2000),
    )
    settled = replace(settled, admitted=replace(settled.admitted, schema="ab" * 32, redrive_of="the-first"))
    lines = [" ".join(line.split()) for line in text_of(call_text(CallDetail(settled, ())), 120).splitlines()]
    start = lines.index("redrive of the-first")
    assert lines[start : start + 9] == [
        "redrive of the-first",
        "schema " + "ab" * 32,
        "verdict invalid asked again 2",
        "failing /team enum",
        "/tags/0 maxLength",
        "tool calls try 1 bad_json find",
        "try 2 valid find",
        "repetition loop, stopped",
        "resumed 2 at byte 40, 2000",
    ]


def test_a_call_without_a_contract_says_nothing_of_one() -> None:
    """No line stands there for what was not."""
    heads = {line.split(" ")[0] for line in shown()}
    assert not heads & {
        "redrive",
        "schema",
        "verdict",
        "failing",
        "tool",
        "repetition",
        "resumed",
        "confidence",
        "context",
    }


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (ContextUse("full", "d", 6, tokens=1105), ["context full input 1,105 tokens by estimate"]),
        (
            ContextUse("token_window", "d", 6, 3, 71, 34, "tokenizer", kept=(0, 1, 4, 6)),
            [
                "context token_window input 71 tokens by the model's tokenizer",
                "dropped 3 of 6 messages, 34 tokens kept, counted from 0: 0, 4 to 5",
            ],
        ),
        (
            ContextUse("summarise", "d", 6, 5, 71, 34, summary="c-9", kept=(5, 6)),
            [
                "context summarise input 71 tokens by estimate",
                "dropped 5 of 6 messages, 34 tokens kept, counted from 0: 5",
                "summary by call c-9",
            ],
        ),
        (
            ContextUse("summarise", "d", 1, summary="c-9", summary_failed=True),
            ["context summarise input 0 tokens by estimate", "no summary: call c-9 failed"],
        ),
        (
            ContextUse("summarise", "d", 1, summary_failed=True),
            ["context summarise input 0 tokens by estimate", "no summary: there was no room for one"],
        ),
    ],
)
def test_a_call_says_what_its_context_was(use: ContextUse, told: list[str]) -> None:
    """How many tokens went in and who counted them, what was dropped, and what became of the summary."""
    settled = call(ID)
    settled = replace(settled, admitted=replace(settled.admitted, context=use))
    lines = [" ".join(line.split()) for line in text_of(call_text(CallDetail(settled, ())), 120).splitlines()]
    start = lines.index(told[0])
    assert lines[start : start + len(told)] == told


def test_confidence_is_told_for_the_least_likely_fields() -> None:
    """The whole answer first, then ten fields at most, those with the least likely token first."""
    confidence = {f"/f{number:02}": Confidence(0.9, 0.5 + number / 100) for number in range(12)}
    confidence |= {"": Confidence(0.75, 0.25), "/team": Confidence(0.5, 0.125, -0.25)}
    lines = shown(confidence=confidence)
    start = lines.index("confidence mean 0.75 lowest 0.25 whole answer")
    assert lines[start + 1 : start + 12] == [
        "mean 0.5 lowest 0.125 margin -0.25 /team",
        *(f"mean 0.9 lowest {0.5 + number / 100:g} /f{number:02}" for number in range(9)),
        "and 3 fields more, with --json",
    ]


def test_tool_calls_that_are_shown_are_bounded() -> None:
    """A model that calls tools without end does not fill the screen."""
    lines = shown(tool_outcomes=tuple(ToolOutcome("find", "valid", 1) for _ in range(100)))
    assert sum("valid find" in line for line in lines) == 40
    assert "and 60 more, with --json" in lines


@pytest.mark.parametrize(
    ("outcome", "verdict", "told"),
    [
        ("ok", "", "ok"),
        ("ok", "valid", "ok"),
        ("ok", "invalid", "ok, invalid"),
        ("ok", "truncated", "ok, truncated"),
        ("ok", "refused", "ok, refused"),
        ("output_invalid", "invalid", "output_invalid"),
        ("client_gone", "invalid", "client_gone, invalid"),
    ],
)
def test_the_list_of_calls_tells_a_verdict_that_is_not_valid(outcome: str, verdict: str, told: str) -> None:
    """A call that ended well with a bad answer does not look like any other; what the end says is not said twice."""
    ended = call(ID, outcome=outcome, verdict=verdict, total_s=1.0)
    (row,) = text_of(calls_table([ended], 160, head=False), 160).splitlines()
    assert row.split("small")[1].split(" 1 ")[0].strip() == told
    if outcome == "ok":
        assert told in text_of(calls_table([ended], 80, head=False), 80)


def test_foreign_words_are_shown_and_not_obeyed() -> None:
    """Markup and control codes in what a client or a model wrote reach the terminal as text."""
    evil = "[bold]\x1b]0;x\x07[/red]\u202e"
    settled = call(ID, model=evil, detail=evil, failing=(evil,), tool_outcomes=(ToolOutcome(evil, "unknown_tool", 1),))
    settled = replace(settled, admitted=replace(settled.admitted, run=evil, task=evil))
    for text in (
        text_of(call_text(CallDetail(settled, (attempt(ID, model=evil),))), 400),
        text_of(calls_table([settled], 400), 400),
    ):
        assert r"[bold]\x1b]0;x\x07[/red]\u202e" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
