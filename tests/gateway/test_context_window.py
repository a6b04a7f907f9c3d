"""A window over any chat: what is sent fits, as counted anew, and goes through the window again unchanged."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.gateway.harness import task
from trimtab.declare.project import Context
from trimtab.errors import InvalidRequest
from trimtab.gateway.context.tokens import ESTIMATING
from trimtab.gateway.context.window import Chosen, Measured, Remembered, Window
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.chat_history import CHAT
from trimtab.gateway.surfaces.surface import Asked

SURFACE = ChatCompletions()


@st.composite
def chats(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A chat of turns and tool calls, with texts of any size."""
    words = st.integers(0, 40).map(lambda count: "abcde " * count)
    messages: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 10))):
        role = draw(st.sampled_from(["system", "developer", "user", "user", "assistant", "calls"]))
        if role != "calls":
            messages.append({"role": role, "content": draw(words)})
            continue
        ids = [f"{number}-{one}" for one in range(draw(st.integers(1, 3)))]
        calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": draw(words)}} for one in ids]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": one, "content": draw(words)} for one in ids]
    return messages


contexts = st.builds(
    Context,
    strategy=st.sampled_from(["full", "keep_system_and_recent", "token_window", "summarise"]),
    max_input_tokens=st.integers(1, 900),
    recent=st.none() | st.integers(1, 10),
    model=st.just("writer"),
    summary_tokens=st.integers(1, 60),
)


def looked(window: Window, asked: Asked) -> tuple[Measured, Chosen]:
    request = window.request(CHAT, asked, ())
    measured = window.measure(request, request.read())
    return measured, window.choose(request, asked, measured)


@given(messages=chats(), context=contexts)
def test_any_chat(messages: list[dict[str, Any]], context: Context) -> None:
    """It is refused, which names both counts, or what is sent fits with its summary and fits again."""
    asked = SURFACE.read(json.dumps({"model": "m", "messages": messages}).encode())
    window = Window(task("t", "small", context=context), (), lambda: ESTIMATING, Remembered())
    limit = context.max_input_tokens or 0
    try:
        measured, chosen = looked(window, asked)
    except InvalidRequest as refused:
        assert str(limit) in str(refused)
        return
    assert measured.tokens == window.use(measured, range(len(messages))).tokens
    use = window.use(measured, chosen.kept)
    assert use.tokens + use.dropped_tokens == measured.tokens
    assert use.messages - use.dropped == len(chosen.kept)
    beside = 0 if chosen.steps is None else context.summary_tokens
    assert use.tokens + beside <= limit
    sent = CHAT.with_messages(asked, [asked.messages[place] for place in chosen.kept])
    again, kept = looked(window, sent)
    assert again.tokens == use.tokens
    assert kept.kept == tuple(range(len(chosen.kept)))
    calls = [call["id"] for one in chosen.kept for call in messages[one].get("tool_calls") or ()]
    assert calls == [messages[one]["tool_call_id"] for one in chosen.kept if messages[one]["role"] == "tool"]


def test_a_window_knows_what_it_met() -> None:
    """What was read once is known, also to another window that counts alike."""
    remembered = Remembered()
    asked = SURFACE.read(b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": [{"x": 1}]}')
    for unread in (2, 0):
        window = Window(task("t", "small", context=Context()), (), lambda: ESTIMATING, remembered)
        request = window.request(CHAT, asked, ())
        assert len(request.unread) == unread
        assert not request.takes_long
        assert repr(request) == f"Request(1 messages, {unread} unread)"
        window.measure(request, request.read())
    assert repr(window) == "Window(t full, counted by estimate)"
    assert [bytes(one) for one in request.messages] == [bytes(Raw(b'{"role": "user", "content": "a"}'))]
