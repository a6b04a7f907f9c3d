"""What the providers' own clients make of streams that we hold, stop, go on with or end in an error."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from tests.gateway.jumping import Played, play
from tests.gateway.test_resume import counted, playing, writing
from tests.gateway.wires import CHAT, COMPLETIONS, MESSAGES, RESPONSES, WIRES, Wire
from tests.gateway_translate.sdk import STREAM, anthropic_client, openai_client, streamed_chat, streamed_message
from trimtab.declare.project import Deadlines, Output, Schema
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Framing, Hang, Reset, Script, Send, Wait

GOOD, BAD = '{"label":"bug"}', '{"label":"wish"}'
SCHEMA = '{"additionalProperties":false,"properties":{"label":{"enum":["bug","praise"]}},"required":["label"]}'
TURNS: Any = [{"role": "user", "content": "x"}]


def read(wire: Wire, data: bytes) -> tuple[str, str]:
    """The text that the client of a surface puts together, and how it says that it ended."""
    if wire is CHAT:
        choice = streamed_chat(data)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    if wire is MESSAGES:
        message = streamed_message(data)
        return message["content"][0]["text"], message["stop_reason"]
    with openai_client(data, STREAM) as client:
        if wire is COMPLETIONS:
            chunks = [one for one in client.completions.create(model="m", prompt="x", stream=True) if one.choices]
            ends = [one.choices[0].finish_reason for one in chunks if one.choices[0].finish_reason]
            return "".join(one.choices[0].text for one in chunks), str(ends[-1])
        text, status = "", ""
        for told in client.responses.create(model="m", input="x", stream=True):
            if told.type == "response.output_text.delta":
                text += told.delta
            elif told.type in {"response.completed", "response.incomplete"}:
                status = str(told.response.status)
        return text, status


def keeping(wire: Wire, url: str, **more: Any) -> Snapshot:
    policy = snapshot({"small": url}, task("triage", "small", deadline=Deadlines(first_token_s=60.0), **more))
    return replace(policy, models={"small": replace(policy.models["small"], wire=wire.model_wire)})


def asked(wire: Wire, script: Script, **more: Any) -> Played:
    options = {"stream_options": {"include_usage": True}} if wire in (CHAT, COMPLETIONS) else {}
    request = {"model": "triage", "stream": True, **options, **wire.request}
    return play(lambda url: keeping(wire, url, **more), [script], request, wire.path)


HELD = Output(Schema(SCHEMA, "d"), "reject", hold=True)
OPEN = Output(Schema(SCHEMA, "d"), "reject")
EVERYWHERE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


@EVERYWHERE
def test_a_held_stream_behind_comments(wire: Wire) -> None:
    """Clients pass over the comments."""
    played = asked(wire, Script((Wait(12), *wire.said(GOOD[:4], GOOD[4:]).steps)), output=HELD)
    assert b": the answer" in played.response.body
    ended = {"messages": "end_turn", "responses": "completed"}.get(wire.name, "stop")
    assert read(wire, played.response.body) == (GOOD, ended)


@EVERYWHERE
def test_a_stopped_stream(wire: Wire) -> None:
    """The text so far, and an end that says why."""
    events = wire.events(("I am sorry. ",) * 400, "stop")
    end = 4 if wire is RESPONSES else 3
    script = Script((Send(Framing().head()), *Framing(events_in_chunk=5).steps(events[:-end]), Hang()))
    played = asked(wire, script, output=None, repetition="stop")
    text, ended = read(wire, played.response.body)
    assert text == wire.text(played.response)
    assert text.startswith("I am sorry. I am sorry. ")
    assert ended == ("incomplete" if wire is RESPONSES else "repetition")


@EVERYWHERE
@pytest.mark.parametrize(("output", "wait_s"), [(OPEN, 0.0), (HELD, 6.0)], ids=["reject", "held"])
def test_a_refused_stream_is_an_exception(wire: Wire, output: Output, wait_s: float) -> None:
    """No client takes the beginning of an answer for one."""
    script = wire.said('{"label":"bug"')
    played = asked(wire, Script((Wait(wait_s), *script.steps)) if wait_s else script, output=output)
    assert played.response.status == 200
    with pytest.raises((openai.APIError, anthropic.APIError)) as raised:
        read(wire, played.response.body)
    assert "breaks the schema" in str(raised.value)


@pytest.mark.parametrize("wire", [CHAT, MESSAGES], ids=lambda wire: wire.name)
def test_a_stream_that_went_on(wire: Wire) -> None:
    """One answer, whose usage is that of both parts."""
    scripts = [playing(counted("Où ", "est", ends=False), Reset()), playing(counted(" le", " chat", prompt=11))]
    request = {"model": "write", "stream": True, **wire.request}
    if wire is CHAT:
        request["stream_options"] = {"include_usage": True}
    played = play(writing, scripts, request, wire.path)
    if wire is CHAT:
        completion = streamed_chat(played.response.body)
        assert completion["choices"][0]["message"]["content"] == "Où est le chat"
        assert completion["usage"] == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    else:
        message = streamed_message(played.response.body)
        assert message["content"][0]["text"] == "Où est le chat"
        assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("end_turn", 4)


def test_anthropics_client_hears_of_an_interruption() -> None:
    """An error event of a messages stream is an exception of its client."""
    script = Script((Send(Framing().head()), *Framing().steps(MESSAGES.events(("a", "b"), "stop")[:4]), Reset()))
    played = asked(MESSAGES, script, output=None)
    with anthropic_client(played.response.body, STREAM) as client, pytest.raises(anthropic.APIError):
        list(client.messages.create(model="m", max_tokens=9, messages=TURNS, stream=True))
