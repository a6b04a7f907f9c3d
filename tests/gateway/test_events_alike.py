"""Events that differ in their text alone are passed on unread; what is recorded of them is what reading each tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.harness import snapshot, task
from tests.gateway.jumping import Played, play
from trimtab.declare.project import Retry
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.surface import MAX_ALIKE, Reader
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Answer, Framing, Reset, Script, Send, event, sse_answer

APART = Framing(gap_s=0.01)
"""Each event comes in a read of its own."""
RECORDED = ("outcome", "finish_reason", "usage", "choices", "tool_calls", "logprobs", "response_bytes", "response_body")
DONE = event(b"[DONE]")
STOP = {"index": 0, "delta": {}, "finish_reason": "stop"}
ASKED = {"model": "loops", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


def policy(url: str) -> Snapshot:
    return snapshot({"small": url}, task("loops", "small", repetition="flag", retry=Retry(attempts=1)))


def said(*choices: dict[str, Any], **fields: Any) -> bytes:
    return event({"id": "c1", "model": "m", "choices": list(choices), **fields})


def text(content: str, **fields: Any) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": content}, "finish_reason": None, **fields}


def answered(events: list[bytes], framing: Framing = APART) -> Played:
    return play(policy, [sse_answer(events, framing)], ASKED)


PIECES = st.one_of(
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=6).map(
        lambda words: said(text(words))
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(lambda words: said(text(words))),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4).map(
        lambda words: event(
            json.dumps({"id": "c1", "choices": [text(words)]}, ensure_ascii=False).encode("utf-8", "replace")
        )
    ),
    st.sampled_from(
        [
            said(text("b", index=1)),
            said(text("a"), text("b", index=1)),
            said(text("x", logprobs={"content": [{"token": "x", "logprob": -0.5}]})),
            said(text("x"), usage=None),
            said(text("x"), usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
            said({"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}),
            said(text("x", finish_reason="stop")),
            b": ping\n\n",
        ]
    ),
)


@given(st.lists(PIECES, min_size=1, max_size=30), st.integers(1, 3))
@settings(max_examples=40)
def test_the_record_is_that_of_reading_each_event(pieces: list[bytes], together: int) -> None:
    """Whatever comes between, in whatever reads: the client gets the bytes, and the record is that of one read."""
    events = [said(text("one")), said(text("two")), *pieces, said(STOP), DONE]
    apart, at_once = (
        answered(events, Framing(gap_s=0.01, events_in_chunk=together)),
        answered(events, Framing(events_in_chunk=99)),
    )
    assert apart.logged == []
    assert apart.response.whole
    assert apart.response.body == at_once.response.body == b"".join(events)
    for name in (
        "outcome",
        "finish_reason",
        "usage",
        "choices",
        "tool_calls",
        "logprobs",
        "response_bytes",
        "response_body",
    ):
        assert getattr(apart.settled, name) == getattr(at_once.settled, name)


def reader_after(*events: bytes) -> Reader:
    chat = ChatCompletions()
    reader = chat.wires["openai"].reader(chat.read(json.dumps(ASKED).encode()))
    for one in events:
        reader.feed(one)
    return reader


def test_a_shape_is_learned_from_an_event_of_text_alone() -> None:
    """It takes other text in the same place, and nothing else."""
    shape = reader_after(said(text("one")), said(text("two"))).shape
    assert shape is not None
    assert shape.fits(said(text("and so on")))
    others = [
        said(text("")),
        said(text("x", index=1)),
        said(text("x", finish_reason="stop")),
        said(text("x")) + said(text("y")),
        said(text("x"))[:-1],
        said(text("x" * MAX_ALIKE)),
        said(text("x"), usage={"prompt_tokens": 1}),
        DONE,
    ]
    assert [shape.fits(one) for one in others] == [False] * len(others)


@pytest.mark.parametrize(
    "chunk",
    [
        said(text("x", logprobs={"content": [{"token": "x", "logprob": -0.5}]})),
        said(text("x"), usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
        said(text("x", index=1)),
        said(text("x"), text("x", index=1)),
        said({"index": 0, "delta": {"content": "x", "tool_calls": [{"index": 0}]}}),
        said({"index": 0, "delta": {"content": "x", "reasoning": "x"}}),
        said(text('"')),
        event({"id": "c1", "note": {"content": "x"}, "choices": [{"index": 0, "delta": {"refusal": "x"}}]}),
        event({"id": "c1", "note": {"content": "x"}, "choices": [text("x")]}),
    ],
)
def test_no_shape_is_learned_from_an_event_that_says_more(chunk: bytes) -> None:
    """Log probabilities, usage, another choice, tools, reasoning, or text that stands somewhere else."""
    assert reader_after(chunk, chunk).shape is None


def test_no_event_is_passed_on_unread_behind_half_an_event() -> None:
    """What is held back has to be joined with what comes."""
    reader = reader_after(said(text("one")), said(text("two")), said(text("three"))[:20])
    assert reader.shape is None
    reader.feed(said(text("three"))[20:])
    assert reader.shape is not None


@pytest.mark.parametrize("hidden", ['x"},"finish_reason":nope,"y":{"z":"', "x\x01", "x\\q"])
def test_text_that_is_not_well_formed_ends_the_stream(hidden: str) -> None:
    """It is noticed before the end of the answer is passed on, so that the client is told of it."""
    bad = said(text("HERE")).replace(b"HERE", hidden.encode())
    played = answered([said(text(word)) for word in "abc"] + [bad, said(text("d")), said(STOP), DONE])
    assert played.settled.outcome == "upstream_error"
    assert b"[DONE]" not in played.response.body
    assert b'"error"' in played.response.body


def test_an_error_hidden_in_an_event_of_the_shape_ends_the_stream() -> None:
    """Text that closes its string and goes on as an error is read as what it is."""
    bad = said(text("HERE")).replace(
        b'HERE"}', b'x"},"logprobs":null}],"error":{"message":"overload"},"more":[{"a":{"b":"c"}'
    )
    played = answered([said(text(word)) for word in "abc"] + [bad] + [said(text("d"))] * 20 + [said(STOP), DONE])
    assert (played.settled.outcome, "overload" in played.settled.detail) == ("upstream_error", True)


def test_a_cut_amid_such_events_is_told_and_all_of_them_are_recorded() -> None:
    """What was passed on unread is in the record of an answer that broke off."""
    events = [said(text(f"word {at} ")) for at in range(21)]
    script = Script((Send(APART.head()), *APART.steps(events), Reset()))
    played = play(policy, [script], ASKED)
    assert played.settled.outcome == "upstream_truncated"
    assert played.response.body.startswith(b"".join(events))
    assert played.settled.response_bytes == sum(map(len, events))
    assert played.settled.longest_gap_s == pytest.approx(0.01, abs=0.005)


def test_a_loop_is_noticed_in_such_events() -> None:
    """The text of events passed on unread is watched."""
    played = answered(list(Answer(("I am sorry. ",) * 300).events()))
    assert played.response.whole
    assert played.settled.repetition == "loop"
