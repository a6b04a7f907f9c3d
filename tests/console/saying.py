"""Calls with what was said in them: a conversation with a tool, a picture, a failed try and hostile texts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from msgspec import structs

from tests.console.seeding import HOSTILE
from tests.store.samples import SECOND_NS, attempt, call
from trimtab.record import varints
from trimtab.record.events import Confidence, ContextUse, Score, Settled, ToolOutcome, ToolResult, Usage
from trimtab.store.telemetry import Batch
from trimtab.store.texts import CallText

CONVERSATION = "support/42"
TASK = "refund"
PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 20
MINUTE_NS = 60 * SECOND_NS


class Bodies:
    """Bodies in memory; `asked` are the digests that were read."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self.asked: list[str] = []

    def keep(self, content: bytes) -> str:
        """Keeps a body; its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self._kept[digest] = content
        return digest

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for."""
        self.asked.append(digest)
        return self._kept.get(digest)


def packed(values: list[int]) -> bytes:
    """Integers as they are kept of chunks."""
    held = bytearray()
    varints.extend(held, values)
    return bytes(held)


def events(*told: Any) -> bytes:
    """A stream of chat completions with these deltas."""
    lines = [json.dumps({"choices": [{"index": 0, "delta": delta}]}) for delta in told]
    return b"".join(f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"])


def spoken(made: Settled, bodies: Bodies, request: Any, response: Any, **fields: Any) -> Settled:
    """A call with bodies that were kept; both are bytes, or JSON."""
    sent, got = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in (request, response))
    admitted = structs.replace(made.admitted, request_body=bodies.keep(sent), request_bytes=len(sent))
    return structs.replace(made, admitted=admitted, response_body=bodies.keep(got), response_bytes=len(got), **fields)


def talk(now_ns: int, bodies: Bodies) -> Batch:
    """A conversation of four calls, and what belongs to them."""
    told = {"role": "system", "content": "You help with refunds. Answer in JSON."}
    asks = {
        "role": "user",
        "content": [
            {"type": "text", "text": "The cup was broken, order 8812. Can I have my money back?"},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ],
    }
    tool = {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": '{"order":8812}'}}
    calls_tool = {"role": "assistant", "content": "", "tool_calls": [tool]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"order":8812,"paid":"12.50 EUR","items":["cup"]}'}
    offers = {"role": "assistant", "content": '{"refund": true, "amount": 12.5}'}
    thanks = {"role": "user", "content": "Thank you! And the shipping?"}
    lists = [[told, asks], [told, asks, calls_tool, result], [told, asks, calls_tool, result, offers, thanks]]
    tools = [{"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}]
    first = events(
        {"role": "assistant", "reasoning_content": "They want their money back. "},
        {"reasoning_content": "I must look at the order first."},
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "find_order", "arguments": '{"ord'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": 'er":8812}'}}]},
    )
    whole = {"choices": [{"index": 0, "message": offers, "finish_reason": "stop"}]}
    third = events({"role": "assistant", "content": '{"refund": "may'}, {"content": 'be", "amount": -3}'})
    hostile_list = [*lists[2], *({"role": "user", "content": text} for text in HOSTILE)]
    hostile = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "\n".join(HOSTILE)}}]}
    made = [
        _call("talk-1", now_ns - 9 * MINUTE_NS, {"messages": lists[0], "tools": tools}, first, bodies),
        _call("talk-2", now_ns - 8 * MINUTE_NS, {"messages": lists[1], "tools": tools}, whole, bodies),
        _call("talk-3", now_ns - 6 * MINUTE_NS, {"messages": lists[2], "tools": tools}, third, bodies),
        _call("talk-4", now_ns - 5 * MINUTE_NS, {"messages": _plain(hostile_list)}, hostile, bodies),
    ]
    made[0] = structs.replace(made[0], tool_calls=1, tool_outcomes=(ToolOutcome("find_order", "valid", 1),))
    made[1] = structs.replace(
        made[1],
        verdict="valid",
        tool_results=(ToolResult("find_order", "{order:int,paid:str}", 48),),
        confidence={"": Confidence(0.97, 0.61), "/amount": Confidence(0.99, 0.98, 0.9)},
    )
    made[2] = structs.replace(
        made[2],
        verdict="invalid",
        failing=("/refund type", "/amount minimum"),
        attempts=2,
        repairs=1,
        first_model="large",
        paused_s=0.3,
        detail="the answer does not keep its schema after 1 repair",
        outcome="output_invalid",
        admitted=structs.replace(
            made[2].admitted,
            context=ContextUse("window", "c" * 64, 6, 2, 900, 300, "tokenizer", kept=(0, 1, 3, 6)),
        ),
    )
    tries = (*(_try(one, 1) for one in (made[0], made[1], made[3])), *_tries(made[2]))
    scores = (
        Score("s-1", made[1].at_ns + SECOND_NS, "feedback", "feedback", call="talk-2", value=1.0, by="ana", task=TASK),
        Score("s-2", made[2].at_ns, "accuracy", "judge", call="talk-3", value=0.0, label="wrong", task=TASK),
    )
    said = ["The cup was broken, order 8812", "result of find_order", "And the shipping?", HOSTILE[0]]
    texts = [
        CallText(one.admitted.call, one.at_ns, TASK, text, HOSTILE[1]) for one, text in zip(made, said, strict=True)
    ]
    return dataclasses.replace(Batch.of((*made, *tries, *scores)), texts=tuple(texts))


def chunked(now_ns: int, bodies: Bodies, chunks: int = 10_000) -> Settled:
    """A call whose answer came in many chunks, one of them after two seconds."""
    answer = events(*({"content": f"word{number} "} for number in range(chunks)))
    delays = [200_000, *(2_000_000 if number == 4000 else 900 + number % 200 for number in range(1, chunks))]
    made = call("chunked", now_ns, task=TASK, total_s=12.4, ttft_s=0.2, finish_reason="length")
    return spoken(
        made,
        bodies,
        {"messages": [{"role": "user", "content": "Write a long story."}]},
        answer,
        chunk_delays_us=packed(delays),
        chunk_lengths=packed([len(answer) // chunks] * chunks),
    )


def _plain(messages: list[Any]) -> list[Any]:
    """Messages that JSON in UTF-8 can bear: half a character becomes what it is read as."""
    return json.loads(json.dumps(messages, ensure_ascii=True).replace("\\ud800", "\\ufffd"))


def _call(name: str, at_ns: int, request: Any, response: Any, bodies: Bodies) -> Settled:
    made = call(
        name,
        at_ns,
        task=TASK,
        total_s=1.0,
        ttft_s=0.21,
        tpot_s=0.03,
        longest_gap_s=0.2,
        usage=Usage(input=120, cache_read=400, output=48, reasoning=12),
        cost=("exact", 3_200_000_000),
        finish_reason="stop",
        answer_tokens=48,
        chunk_delays_us=packed([210_000, *([30_000] * 20), 200_000, *([25_000] * 10)]),
        chunk_lengths=packed([40] * 32),
        replica="http://10.0.0.11:8000",
        upstream_model="small-7b",
        upstream_id=f"chatcmpl-{name}",
        wire="openai",
    )
    admitted = structs.replace(
        made.admitted,
        conversation=CONVERSATION,
        run="run-7",
        end_user="cara",
        schema="5c" * 32,
        prompt="77cc" * 16,
        lock="3f2a" * 16,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )
    return spoken(structs.replace(made, admitted=admitted), bodies, request, response)


def _try(made: Settled, number: int, **fields: Any) -> Any:
    known = {"connect_s": 0.02, "first_byte_s": 0.15, "ttft_s": 0.21, "duration_s": 0.98, "status": 200}
    return attempt(made.admitted.call, number, made.admitted.at_ns + 10_000_000, **known | fields)


def _tries(made: Settled) -> tuple[Any, Any]:
    begins_ns = made.admitted.at_ns
    failed = attempt(
        made.admitted.call,
        1,
        begins_ns + 10_000_000,
        cause="upstream_error",
        status=503,
        duration_s=0.12,
        connect_s=0.03,
        first_byte_s=0.11,
        model="large",
        detail="503 from the replica: overloaded",
    )
    done = {"connect_s": None, "reused_connection": True, "first_byte_s": 0.2, "ttft_s": 0.25, "duration_s": 0.8}
    return failed, attempt(made.admitted.call, 2, begins_ns + 180_000_000, status=200, **done)
