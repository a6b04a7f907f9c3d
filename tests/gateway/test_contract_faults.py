"""Answers that break their contract, on every surface: asked for again, bounded, counted, and nothing of them kept."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import RunningGateway, snapshot, task
from tests.gateway.jumping import Played, jump, play
from tests.gateway.wires import CHAT, COMPLETIONS, MESSAGES, WIRES, Wire, code_of, named
from trimtab.declare.project import Output, Prompt, Retry, Schema, Tool, ToolCalls, Turn
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import ToolOutcome, Usage
from trimtab.testing import (
    Answer,
    Framing,
    Hang,
    JumpingClock,
    Script,
    ScriptedUpstream,
    Send,
    ToolCall,
    chat_json,
    chat_stream,
    error_answer,
    event,
    json_answer,
    sse_answer,
)

SCHEMA = '{"additionalProperties":false,"properties":{"label":{"enum":["bug","praise"]}},"required":["label"]}'
GOOD, BAD, SECRET = '{"label":"bug"}', '{"label":"wish"}', "sk-live-4929123456789012"
TWICE = Usage(input=18, output=8)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EVERYWHERE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


def keeping(url: str, wire: Wire = CHAT, on_invalid: str = "repair", **more: Any) -> Snapshot:
    """A task under a schema, on a model of the surface's own wire."""
    output = Output(Schema(SCHEMA, "d"), on_invalid)  # type: ignore[arg-type]
    policy = snapshot({"small": url}, task("triage", "small", **{"output": output, **more}))
    return replace(policy, models={"small": replace(policy.models["small"], wire=wire.model_wire)})


def asked(wire: Wire, scripts: list[Script], *, stream: bool, **more: Any) -> Played:
    options = {"stream_options": {"include_usage": True}} if stream and wire in (CHAT, COMPLETIONS) else {}
    request = {"model": "triage", "stream": stream, **options, **wire.request}
    return play(lambda url: keeping(url, wire, **more), scripts, request, wire.path)


def turns(wire: Wire, body: bytes) -> list[Any]:
    """The turns of a request, as its surface has them."""
    request = json.loads(body)
    return request.get("messages") or request.get("input") or []


@EVERYWHERE
@BOTH
def test_a_repair_on_every_surface(wire: Wire, *, stream: bool) -> None:
    """The second answer comes alone; the model saw the first and what is wrong with it, where there are turns."""
    played = asked(wire, [wire.said(BAD, stream=stream), wire.said(GOOD, stream=stream)], stream=stream)
    assert played.logged == []
    assert wire.text(played.response) == GOOD
    assert (played.settled.outcome, played.settled.verdict, played.settled.repairs) == ("ok", "valid", 1)
    assert [one.cause for one in played.events.attempts] == ["output_invalid", "ok"]
    if wire is COMPLETIONS:
        assert json.loads(played.sent[1])["prompt"] == "It broke."
        return
    assistant, user = turns(wire, played.sent[1])[-2:]
    assert (assistant["role"], user["role"]) == ("assistant", "user")
    assert '{"label":"wish"' in str(assistant["content"]).replace("\\", "")
    assert "/label" in str(user["content"])


@EVERYWHERE
@BOTH
def test_what_every_attempt_used_adds_up(wire: Wire, *, stream: bool) -> None:
    """An answer that is known to be invalid at its end only was paid for whole, and so was its repair."""
    late = '{"label":"bug"'
    played = asked(wire, [wire.said(late, stream=stream), wire.said(GOOD, stream=stream)], stream=stream)
    first, second = played.events.attempts
    assert (first.usage, second.usage) == (Usage(input=9, output=4), Usage(input=9, output=4))
    assert (first.cost_pusd, first.cost_label) == (9 * 150_000 + 4 * 600_000, "exact")
    assert played.settled.usage == TWICE
    assert (played.settled.cost_pusd, played.settled.cost_label) == (18 * 150_000 + 8 * 600_000, "exact")
    assert played.settled.answer_tokens == 4


def test_an_answer_that_we_stop_is_an_estimate_even_if_it_counts() -> None:
    """A server that counts in every event has told what it had made by then, not what it made."""
    counting = [
        event(
            {
                "id": "c",
                "choices": [{"index": 0, "delta": {"content": piece}}],
                "usage": {"prompt_tokens": 9, "completion_tokens": made, "total_tokens": 9 + made},
            }
        )
        for made, piece in enumerate(BAD, 1)
    ]
    script = Script((Send(Framing().head()), *Framing(gap_s=0.01).steps(counting), Hang()))
    played = asked(CHAT, [script, CHAT.said(GOOD)], stream=True)
    first, second = played.events.attempts
    made = BAD.index("w") + 1
    assert (first.usage, first.cost_label) == (Usage(input=9, output=made), "estimated")
    assert second.cost_label == "exact"
    assert played.settled.cost_label == "estimated"


@EVERYWHERE
@BOTH
def test_a_repair_that_ran_into_its_limit_is_the_end(wire: Wire, *, stream: bool) -> None:
    """It would only be cut again."""
    cut = wire.said('{"label":"bu', finish="length", stream=stream)
    played = asked(wire, [wire.said(BAD, stream=stream), cut, wire.said(GOOD, stream=stream)], stream=stream)
    assert (played.response.status, code_of(played.response)) == (422, "output_invalid")
    assert "limit on tokens" in played.response.json()["error"]["message"]
    assert (played.settled.verdict, played.settled.repairs, len(played.sent)) == ("truncated", 1, 2)


@BOTH
def test_a_repair_that_is_refused_by_the_model_is_delivered_as_one(*, stream: bool) -> None:
    """The client reads the refusal in its own field."""
    said = {"role": "assistant", "content": None, "refusal": "I will not."}
    if stream:
        refusal = sse_answer(
            [
                event({"id": "r", "choices": [{"index": 0, "delta": said}]}),
                event({"id": "r", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
                event(b"[DONE]"),
            ]
        )
    else:
        refusal = json_answer({"id": "r", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})
    played = asked(CHAT, [CHAT.said(BAD, stream=stream), refusal], stream=stream)
    assert b"I will not." in played.response.body
    assert (played.settled.outcome, played.settled.verdict, played.settled.repairs) == ("ok", "refused", 1)


@pytest.mark.parametrize("status", [400, 404, 413, 422])
@BOTH
def test_a_server_that_refuses_the_repair(status: int, *, stream: bool) -> None:
    """The client's own request was good, so it hears of the invalid answer and not of a bad request."""
    played = asked(CHAT, [CHAT.said(BAD, stream=stream), error_answer(status, "too long")], stream=stream)
    assert (played.response.status, code_of(played.response)) == (422, "output_invalid")
    settled = played.settled
    assert (settled.outcome, settled.verdict, settled.failing) == ("output_invalid", "invalid", ("/label: enum",))
    assert played.events.attempts[0].cause == "output_invalid"
    assert len(played.sent) == 2


def two_models(first: list[Script], second: list[Script], *, stream: bool, **more: Any) -> Any:
    """One call of a task with a fallback."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as one, ScriptedUpstream() as other:
                one.add(*first)
                other.add(*second)
                policy = keeping(one.url, **more)
                large = replace(policy.models["small"], name="large", served_name="large", replicas=(other.url,))
                tasks = {"triage": replace(policy.tasks["triage"], models=("small", "large"))}
                policy = replace(policy, models={**policy.models, "large": large}, tasks=tasks)
                async with RunningGateway(Path(directory), policy, clock=clock) as gateway:
                    response = await gateway.post({"model": "triage", "stream": stream, **CHAT.request})
                    return response, await gateway.events(), one.requests, other.requests

    return jump(main)


@BOTH
def test_another_model_takes_over_a_repair(*, stream: bool) -> None:
    """The repair is asked of the model that answered; when that fails, the fallback sees the same turns."""
    response, events, one, other = two_models(
        [CHAT.said(BAD, stream=stream), error_answer(503, "busy")],
        [CHAT.said(GOOD, stream=stream)],
        stream=stream,
        retry=Retry(attempts=2),
    )
    assert CHAT.text(response) == GOOD
    assert [(attempt.model, attempt.cause) for attempt in events.attempts] == [
        ("small", "output_invalid"),
        ("small", "upstream_error"),
        ("large", "ok"),
    ]
    assert turns(CHAT, one[1].body) == turns(CHAT, other[0].body)
    assert events.settled[0].repairs == 1


def test_repairs_are_counted_over_all_models() -> None:
    """A fallback does not bring more of them."""
    response, events, _, other = two_models(
        [error_answer(503, "busy")], [CHAT.said(BAD, stream=False)] * 5, stream=False, retry=Retry(attempts=3)
    )
    assert response.status == 422
    assert events.settled[0].repairs == 1
    assert len(other) == 2


TOOL = Tool(
    "refund",
    "Pays back.",
    Schema('{"properties":{"order":{"type":"integer"}},"required":["order"],"type":"object"}', "d"),
)
TOOLS: dict[str, Any] = {"tools": (TOOL,), "tool_calls": ToolCalls("repair")}


def calling(*calls: tuple[str, str], text: str = "", stream: bool) -> Script:
    numbered = tuple(ToolCall(name, (arguments,), f"call_{at}") for at, (name, arguments) in enumerate(calls))
    answer = Answer((text,) if text else (), tool_calls=numbered, finish_reason="tool_calls")
    return chat_stream(answer) if stream else chat_json(answer)


@BOTH
def test_a_repaired_tool_call_then_a_judged_text(*, stream: bool) -> None:
    """Each contract has its own repairs: a bad call is mended, a bad text after it too."""
    scripts = [
        calling(("refund", '{"order":"x"}'), stream=stream),
        CHAT.said(BAD, stream=stream),
        CHAT.said(GOOD, stream=stream),
    ]
    played = asked(CHAT, scripts, stream=stream, **TOOLS)
    assert CHAT.text(played.response) == GOOD
    assert played.settled.repairs == 2
    assert [one.cause for one in played.events.attempts] == ["tool_call_invalid", "output_invalid", "ok"]
    assert played.settled.tool_outcomes == (ToolOutcome("refund", "schema_invalid", 1),)
    roles = [turn["role"] for turn in turns(CHAT, played.sent[2])]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@BOTH
def test_each_kind_of_repair_is_bounded(*, stream: bool) -> None:
    """One bad text and one bad call are mended; the second bad text is the end."""
    scripts = [
        CHAT.said(BAD, stream=stream),
        calling(("refund", '{"order":"x"}'), stream=stream),
        CHAT.said(BAD, stream=stream),
        CHAT.said(GOOD, stream=stream),
    ]
    played = asked(CHAT, scripts, stream=stream, **TOOLS)
    assert code_of(played.response) == "output_invalid"
    assert (played.settled.repairs, len(played.sent)) == (2, 3)


@BOTH
@pytest.mark.parametrize("on_invalid", ["repair", "reject"])
def test_what_a_model_says_beside_a_call_is_no_answer(on_invalid: str, *, stream: bool) -> None:
    """Streamed or whole, text before a tool call is not held against the schema: the answer comes after the call."""
    script = calling(("refund", '{"order":7}'), text="I pay it back.", stream=stream)
    played = asked(CHAT, [script], stream=stream, on_invalid=on_invalid, tools=(TOOL,))
    assert played.response.status == 200
    assert played.response.whole
    assert (played.settled.outcome, played.settled.verdict) == ("ok", "")
    assert played.settled.tool_outcomes == (ToolOutcome("refund", "valid", 1),)


@BOTH
@pytest.mark.parametrize("on_invalid", ["repair", "reject"])
def test_a_call_where_no_tool_is_offered_is_no_answer_either(on_invalid: str, *, stream: bool) -> None:
    """What nobody offered cannot excuse an answer from its schema, and goes back as nothing but text."""
    script = calling(("refund", '{"order":7}'), text="I pay it back.", stream=stream)
    played = asked(CHAT, [script, CHAT.said(GOOD, stream=stream)], stream=stream, on_invalid=on_invalid)
    assert played.logged == []
    if on_invalid == "reject":
        assert code_of(played.response) == "output_invalid"
        return
    assert CHAT.text(played.response) == GOOD
    assert [turn["role"] for turn in turns(CHAT, played.sent[1])] == ["user", "assistant", "user"]


@BOTH
def test_an_empty_answer_is_repaired(*, stream: bool) -> None:
    """A history must not hold an assistant turn without content, which servers refuse."""
    played = asked(CHAT, [CHAT.said("", stream=stream), CHAT.said(GOOD, stream=stream)], stream=stream)
    assert CHAT.text(played.response) == GOOD
    assert all(turn["content"] is not None for turn in turns(CHAT, played.sent[1]))


@BOTH
def test_calls_without_ids_go_back_as_text(*, stream: bool) -> None:
    """An answer to a call needs its id."""
    nameless = Answer((), tool_calls=(ToolCall("refund", ('{"order":"x"}',), ""),), finish_reason="tool_calls")
    script = chat_stream(nameless) if stream else chat_json(nameless)
    played = asked(CHAT, [script, calling(("refund", '{"order":7}'), stream=stream)], stream=stream, **TOOLS)
    assert played.response.status == 200
    assert [turn["role"] for turn in turns(CHAT, played.sent[1])] == ["user", "assistant", "user"]


@BOTH
def test_several_choices_are_asked_for_again_together(*, stream: bool) -> None:
    """One bad choice of two: the request goes out again for two, with the bad one behind it."""

    def answers(*texts: str) -> Script:
        if not stream:
            choices = [
                {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                for at, text in enumerate(texts)
            ]
            return json_answer({"id": "c", "choices": choices})
        events = [
            event({"id": "c", "choices": [{"index": at, "delta": {"content": text}, "finish_reason": None}]})
            for at, text in enumerate(texts)
        ]
        ends = [
            event({"id": "c", "choices": [{"index": at, "delta": {}, "finish_reason": "stop"}]})
            for at in range(len(texts))
        ]
        return sse_answer([*events, *ends, event(b"[DONE]")])

    request = {"model": "triage", "stream": stream, "n": 2, **CHAT.request}
    played = play(keeping, [answers(GOOD, BAD), answers(GOOD, GOOD)], request)
    assert played.response.status == 200
    assert b"wish" not in played.response.body
    again = json.loads(played.sent[1])
    assert again["n"] == 2
    assert again["messages"][-2]["content"] == BAD
    assert played.settled.choices == 2


@BOTH
def test_more_choices_or_calls_than_are_told_apart_are_not_delivered(*, stream: bool) -> None:
    """What is not checked cannot be called valid."""
    many = tuple(ToolCall("refund", ('{"order":7}',), f"call_{at}") for at in range(257))
    answer = Answer((), tool_calls=many, finish_reason="tool_calls")
    script = chat_stream(answer) if stream else chat_json(answer)
    refused = asked(CHAT, [script], stream=stream, output=None, tools=(TOOL,), tool_calls=ToolCalls("reject"))
    assert code_of(refused.response) == "tool_call_invalid"
    passed = asked(CHAT, [script], stream=stream, output=None, tools=(TOOL,))
    assert passed.response.status == 200
    assert passed.response.whole
    choices = Answer((GOOD,), choices=129)
    script = chat_stream(choices) if stream else chat_json(choices)
    refused = asked(CHAT, [script], stream=stream, on_invalid="reject")
    assert code_of(refused.response) == "output_invalid"


@BOTH
def test_inputs_that_were_rendered_stay_in_front(*, stream: bool) -> None:
    """A task's prompt is rendered once and stands before the turns of the repair."""
    prompt = Prompt((Turn("system", "You label."), Turn("user", "Label: {{ text }}")), ("text",), "p" * 64)
    request = {"model": "triage", "stream": stream, "trimtab": {"inputs": {"text": "It broke."}}}
    scripts = [CHAT.said(BAD, stream=stream), CHAT.said(GOOD, stream=stream)]
    played = play(lambda url: keeping(url, prompt=prompt), scripts, request)
    assert played.response.status == 200
    first, second = (turns(CHAT, body) for body in played.sent)
    assert first == [{"role": "system", "content": "You label."}, {"role": "user", "content": "Label: It broke."}]
    assert second[:2] == first
    assert [turn["role"] for turn in second[2:]] == ["assistant", "user"]


@BOTH
def test_what_the_model_is_told_is_bounded(*, stream: bool) -> None:
    """Whatever the answer, what is said of it is a few KiB, and the schema is repeated only if it is short."""
    wide = {"type": "object", "properties": {f"field_{at}": {"type": "integer"} for at in range(2000)}}
    text = json.dumps({f"field_{at}": "x" * 50 for at in range(2000)})
    output = Output(Schema(json.dumps(wide), "d"), "repair")
    played = asked(CHAT, [CHAT.said(text, stream=stream)], stream=stream, output=output)
    complaint = turns(CHAT, played.sent[1])[-1]["content"]
    assert len(complaint) < 8192
    assert "x" * 100 not in complaint


@BOTH
@pytest.mark.parametrize("on_invalid", ["reject", "pass", "repair"])
@pytest.mark.parametrize(
    "text",
    [
        '{"%s":1}',
        '{"label":"%s"}',
        '{"label":"bug","4929123456789012":{"%s":1}}',
        '{"nested":{"4929123456789012":{"deeper":"%s"}}}',
        '{"nested":{"4929123456789012":{"%s":[{"x":"%s"}]}}}',
        "%s",
        '{"label":"bug"} %s',
    ],
)
def test_no_record_holds_anything_of_an_answer(text: str, on_invalid: str, *, stream: bool) -> None:
    """Names that the schema does not have, those of digits too, are `*` in the record and the error."""
    loose = {
        "type": "object",
        "properties": {
            "label": {"enum": ["bug"]},
            "nested": {"additionalProperties": {"type": "object", "additionalProperties": {"type": "boolean"}}},
        },
        "additionalProperties": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    output = Output(Schema(json.dumps(loose), "d"), on_invalid)  # type: ignore[arg-type]
    pieces = [text.replace("%s", SECRET)]
    script = CHAT.said(*(pieces if not stream else list(pieces[0])), stream=stream)
    played = asked(CHAT, [script], stream=stream, output=output, redaction="digest")
    settled = played.settled
    assert settled.verdict == "invalid"
    assert settled.failing != ()
    for held in (settled.failing, settled.detail, [attempt.detail for attempt in played.events.attempts]):
        assert SECRET not in str(held)
        assert "4929123456789012" not in str(held)
    if on_invalid != "pass":
        assert "4929123456789012" not in played.response.body.decode().split('"error"')[1]


def test_half_a_surrogate_pair_in_a_name_is_told_without_it() -> None:
    """The path of a fault may go through a name that is no text; the complaint about it is one."""
    loose = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "boolean"}}}
    output = Output(Schema(json.dumps(loose), "d"), "repair")
    text = '{"\\ud800":{"a":"b"}}'
    played = asked(CHAT, [CHAT.said(*text), CHAT.said("{}")], stream=True, output=output)
    assert played.logged == []
    assert CHAT.text(played.response) == "{}"


@BOTH
def test_an_end_that_never_came_is_said_so(*, stream: bool) -> None:
    """An answer without a finish reason is not one that ran into a limit."""
    said = Answer((GOOD,)).body()
    said["choices"][0]["finish_reason"] = None
    events = [*Answer((GOOD,)).opening(), *Answer((GOOD,)).deltas(), event(b"[DONE]")]
    script = sse_answer(events) if stream else json_answer(said)
    played = asked(CHAT, [script], stream=stream, on_invalid="reject")
    assert code_of(played.response) == "output_invalid"
    assert played.settled.verdict == "truncated"
    assert "no end" in played.settled.detail


@pytest.mark.parametrize("stay_s", [0.5])
def test_a_client_that_leaves_amid_a_repair(stay_s: float) -> None:
    """The repair is cancelled; the verdict on the answer before it does not stand for the one that never came."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.add(CHAT.said(BAD), Script((Hang(),)))
                async with RunningGateway(Path(directory), keeping(upstream.url), clock=clock) as gateway:
                    _, writer = await gateway.send({"model": "triage", "stream": True, **CHAT.request})
                    await upstream.received(2)
                    await asyncio.sleep(stay_s)
                    writer.close()
                    await upstream.requests[1].over()
                    return await gateway.events()

    [settled] = jump(main).settled
    assert (settled.outcome, settled.verdict, settled.failing, settled.repairs) == ("client_gone", "", (), 1)


def test_a_stream_of_ends_is_bounded() -> None:
    """No server may fill memory with what comes behind the end of an answer."""
    end = event({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = [*Answer((GOOD,)).deltas(), *[end] * 1500, event(b"[DONE]")]
    played = asked(
        CHAT,
        [sse_answer(events, Framing(events_in_chunk=100))],
        stream=True,
        on_invalid="reject",
        retry=Retry(attempts=1),
    )
    assert code_of(played.response) == "upstream_error"
    assert "1024" in played.settled.detail


def test_what_azure_sends_first_is_no_end() -> None:
    """An event without choices before any content is passed on in its place."""
    first = event({"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
    events = [first, *CHAT.events((GOOD,), "stop")]
    played = asked(CHAT, [sse_answer(events)], stream=True, on_invalid="reject")
    assert played.response.body == b"".join(events)


def test_messages_that_call_tools_are_repaired_too() -> None:
    """A bad call of a messages stream goes back as the block it was, with what is wrong as its result."""

    def call(arguments: str) -> list[bytes]:
        begin = {"type": "tool_use", "id": "toolu_1", "name": "refund", "input": {}}
        return [
            MESSAGES.events((), "stop")[0],
            named("content_block_start", index=0, content_block=begin),
            named("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": arguments}),
            named("content_block_stop", index=0),
            named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 4}),
            named("message_stop"),
        ]

    scripts = [sse_answer(call('{"order":"x"}')), sse_answer(call('{"order":7}'))]
    played = asked(MESSAGES, scripts, stream=True, output=None, **TOOLS)
    assert played.response.body == b"".join(call('{"order":7}'))
    assistant, user = turns(MESSAGES, played.sent[1])[-2:]
    assert assistant["content"][0] == {"type": "tool_use", "id": "toolu_1", "name": "refund", "input": {"order": "x"}}
    assert user["content"][0]["type"] == "tool_result"
