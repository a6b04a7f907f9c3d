"""Ready-made scripts by name: good answers of every shape, and each way an upstream fails.

A port that refuses and one that never answers are no scripts: see `refused_port` and `unanswered_port`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from trimtab.testing.answers import DONE, HELLO, Answer, ToolCall, chat_json, chat_stream
from trimtab.testing.scripts import (
    LAST_CHUNK,
    PLAIN,
    Close,
    Cut,
    Framing,
    Hang,
    Repeat,
    Reset,
    Script,
    Send,
    Wait,
    chunk,
    error_answer,
    event,
    head,
    json_answer,
    sse_answer,
)

PING: Final = b": ping\n\n"
HUGE_HEADER_BYTES: Final = 1 << 20


def hang_before_headers() -> Script:
    """Takes the request and says nothing."""
    return Script((Hang(),))


def hang_before_first_token() -> Script:
    """Sends the head and then nothing."""
    return Script((Send(PLAIN.head()), Hang()))


def role_only(answer: Answer = HELLO) -> Script:
    """Sends the head and the role, which is no content, and then nothing."""
    return Script((Send(PLAIN.head()), *PLAIN.steps(answer.opening()), Hang()))


def pings_only(every_s: float = 0.05) -> Script:
    """Sends the head and then comments for ever, which are no content."""
    return Script((Send(PLAIN.head()), Repeat((Send(chunk(PING)), Wait(every_s)))))


def stall(after: int = 2, answer: Answer = HELLO) -> Script:
    """Falls silent after so many content-bearing events."""
    return Script((*_begun(after, answer), Hang()))


def stall_with_pings(after: int = 2, every_s: float = 0.05, answer: Answer = HELLO) -> Script:
    """Sends only comments after so many content-bearing events."""
    return Script((*_begun(after, answer), Repeat((Send(chunk(PING)), Wait(every_s)))))


def cut_mid_chunk(after: int = 2, answer: Answer = HELLO) -> Script:
    """Closes the connection in the middle of an HTTP chunk, after so many whole content-bearing events."""
    next_chunk = chunk(answer.deltas()[after])
    return Script((*_begun(after, answer), Send(next_chunk[: len(next_chunk) // 2]), Close()))


def cut_between_chunks(after: int = 2, answer: Answer = HELLO) -> Script:
    """Closes the connection after a whole chunk: neither a terminal marker nor the last chunk comes."""
    return Script((*_begun(after, answer), Close()))


def ended_without_marker(after: int = 2, answer: Answer = HELLO) -> Script:
    """Ends the HTTP body well, but the stream's terminal marker never came."""
    return Script((*_begun(after, answer), Send(LAST_CHUNK)))


def reset(after: int = 2, answer: Answer = HELLO) -> Script:
    """Resets the connection after so many content-bearing events."""
    return Script((*_begun(after, answer), Reset()))


def dropped() -> Script:
    """Takes the request and drops the connection without a byte."""
    return Script((Cut(),))


def until_close_cut(after: int = 2, answer: Answer = HELLO) -> Script:
    """A body that ends with the connection, which closes before the terminal marker."""
    framing = Framing(transfer="until_close")
    events = [*answer.opening(), *answer.deltas()[:after]]
    return Script((Send(framing.head()), *framing.steps(events), Close()))


def rate_limited(retry_after: str = "1") -> Script:
    """429 with `Retry-After`."""
    return error_answer(429, "slow down", (("retry-after", retry_after),))


def failing(status: int = 500) -> Script:
    """An error with that status."""
    return error_answer(status, "the engine failed")


def error_then_done(after: int = 0, answer: Answer = HELLO) -> Script:
    """Status 200, an error event, `[DONE]`, a well-ended body: what vLLM sends when its engine dies."""
    error = {"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError", "code": 500}}
    return Script((*_begun(after, answer), *PLAIN.steps([event(error), DONE]), *PLAIN.end()))


def malformed_sse(after: int = 2, answer: Answer = HELLO) -> Script:
    """Lines that are no server-sent events, and bytes that are no text, amid a stream."""
    junk = b"\xff\xfe no field here\nnor: here\n\n"
    return Script((*_begun(after, answer), Send(chunk(junk)), *PLAIN.end()))


def malformed_json(after: int = 2, answer: Answer = HELLO) -> Script:
    """An event whose data breaks off within its JSON; the stream goes on to its terminal marker."""
    return Script((*_begun(after, answer), *PLAIN.steps([event(b'{"choices": ['), DONE]), *PLAIN.end()))


def malformed_chunk(after: int = 2, answer: Answer = HELLO) -> Script:
    """A chunk whose size is no number."""
    return Script((*_begun(after, answer), Send(b"zz\r\n" + DONE), Close()))


def malformed_body() -> Script:
    """A whole answer with status 200 that is not JSON."""
    return json_answer(b'{"choices": [')


def short_body(answer: Answer = HELLO) -> Script:
    """A whole answer that closes halfway through its Content-Length."""
    script = chat_json(answer)
    data = b"".join(step.data for step in script.steps if isinstance(step, Send))
    return Script((Send(data[: -len(data) // 2]), Close()))


def slow_body(wait_s: float, answer: Answer = HELLO) -> Script:
    """A whole answer that comes after a wait."""
    return Script((Wait(wait_s), *chat_json(answer).steps))


def huge_header() -> Script:
    """A head of a megabyte."""
    return Script((Send(head(200, (("x-huge", "h" * HUGE_HEADER_BYTES), ("content-length", "0")))),))


def stale(answer: Answer = HELLO) -> Script:
    """A good answer over a connection that promises to be kept and is closed right after."""
    return chat_stream(answer).then(Close())


def tool_calls() -> Script:
    """A streamed tool call whose arguments come in pieces."""
    call = ToolCall("refund", ('{"order"', ": 7,", ' "amount_usd": 5}'))
    return chat_stream(replace(HELLO, pieces=(), tool_calls=(call,), finish_reason="tool_calls"))


def _begun(after: int, answer: Answer) -> tuple[Send | Wait, ...]:
    """The head, the role and so many content-bearing events."""
    steps = PLAIN.steps([*answer.opening(), *answer.deltas()[:after]])
    return (Send(PLAIN.head()), *(step for step in steps if isinstance(step, Send | Wait)))


SCRIPTS: Final[dict[str, Callable[[], Script]]] = {
    "stream": chat_stream,
    "json": chat_json,
    "crlf": lambda: chat_stream(framing=Framing(newline=b"\r\n")),
    "several_in_a_chunk": lambda: chat_stream(framing=Framing(events_in_chunk=3)),
    "trickle": lambda: chat_stream(framing=Framing(byte_s=0.001)),
    "until_close": lambda: chat_stream(framing=Framing(transfer="until_close")),
    "several_choices": lambda: chat_stream(replace(HELLO, choices=3)),
    "tool_calls": tool_calls,
    "reasoning": lambda: chat_stream(replace(HELLO, reasoning=("Let", " me", " think"))),
    "empty": lambda: chat_stream(replace(HELLO, pieces=())),
    "no_usage": lambda: chat_stream(replace(HELLO, usage=None)),
    "wrong_usage": lambda: chat_stream(replace(HELLO, usage={"prompt_tokens": "nine", "completion_tokens": -4})),
    "json_no_usage": lambda: chat_json(replace(HELLO, usage=None)),
    "json_wrong_usage": lambda: chat_json(replace(HELLO, usage={"prompt_tokens": "nine", "completion_tokens": -4})),
    "json_tool_calls": lambda: chat_json(
        replace(HELLO, pieces=(), tool_calls=(ToolCall("refund", ("{}",)),), finish_reason="tool_calls")
    ),
    "stale": stale,
    "hang_before_headers": hang_before_headers,
    "hang_before_first_token": hang_before_first_token,
    "role_only": role_only,
    "pings_only": pings_only,
    "stall": stall,
    "stall_with_pings": stall_with_pings,
    "cut_mid_chunk": cut_mid_chunk,
    "cut_between_chunks": cut_between_chunks,
    "ended_without_marker": ended_without_marker,
    "until_close_cut": until_close_cut,
    "reset": reset,
    "dropped": dropped,
    "rate_limited": rate_limited,
    "failing_500": failing,
    "failing_503": lambda: failing(503),
    "error_then_done": error_then_done,
    "malformed_sse": malformed_sse,
    "malformed_json": malformed_json,
    "malformed_chunk": malformed_chunk,
    "malformed_body": malformed_body,
    "short_body": short_body,
    "huge_header": huge_header,
    "bare_done": lambda: sse_answer([DONE]),
}
"""Every script by name, made with its defaults; `python -m trimtab.testing --script NAME` plays one."""
