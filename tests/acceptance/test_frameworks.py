"""Agents of three frameworks, and of Anthropic's client, go through the gateway unchanged, on each wire.

A scripted model calls one tool, then the other, and then answers. Its first call is not valid: the gateway has it
repaired, and no framework sees it. The tiny model on a real vLLM calls the one tool that its question is about.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from tests.acceptance.conftest import Target
from tests.acceptance.frameworks import CARRIED, RUNS, TYPED, Errand
from tests.acceptance.running import RunningTrimtab
from tests.acceptance.scripted import ScriptedModel, Turn
from trimtab.demo.jobs import SYSTEM

QUESTION = "Where does Ada's order go, and will it rain there tomorrow?"
FIRST, SECOND = "12 lamps, to be sent to Paris", "showers after noon"
ANSWER = "Ada's lamps go to Paris, where it will rain tomorrow."
ORDERS = ("find_order", '{"customer": "Ada"}')
FORECAST = ("get_weather", '{"city": "Paris", "day": "tomorrow"}')
NAMELESS = ("find_order", '{"client": "Ada"}')
TORN = ("get_weather", '{"city": "Paris", "day')

STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def errand(gateway: RunningTrimtab, task: str, *, stream: bool) -> Errand:
    """What every agent is asked here."""
    return Errand(gateway.url, task, stream, "You help with orders.", QUESTION, order=FIRST, weather=SECOND)


@STREAMS
@pytest.mark.parametrize(("framework", "wire"), CARRIED)
async def test_an_agent_uses_both_tools(
    scripted_gateway: RunningTrimtab, scripted: ScriptedModel, framework: str, wire: str, stream: bool
) -> None:
    """Each tool runs once, as the model meant it; the last words are the model's; what was invalid stays out of it."""
    scripted.plays(Turn(calls=(NAMELESS,)), Turn(calls=(ORDERS,)), Turn(calls=(FORECAST,)), Turn(ANSWER))
    sent = errand(scripted_gateway, f"assist-{wire}", stream=stream)
    assert await RUNS[framework](sent) == ANSWER
    assert sent.called == [(name, json.loads(arguments)) for name, arguments in (ORDERS, FORECAST)]
    asked = [json.dumps(body) for body in scripted.asked]
    assert [bool(body.get("stream")) for body in scripted.asked] == [stream] * 4
    assert ["client" in body for body in asked] == [False, True, False, False]
    assert [FIRST in body for body in asked] == [False, False, True, True]
    assert [SECOND in body for body in asked] == [False, False, False, True]


@pytest.mark.parametrize("framework", RUNS)
async def test_an_agent_calls_both_at_once(
    scripted_gateway: RunningTrimtab, scripted: ScriptedModel, framework: str
) -> None:
    """Of two parallel calls one is torn: both are asked for again, and each tool runs once all the same."""
    scripted.plays(Turn(calls=(ORDERS, TORN)), Turn(calls=(ORDERS, FORECAST)), Turn(ANSWER))
    sent = errand(scripted_gateway, "assist-openai", stream=True)
    assert await RUNS[framework](sent) == ANSWER
    assert sorted(sent.called) == [(name, json.loads(arguments)) for name, arguments in (ORDERS, FORECAST)]
    last = json.dumps(scripted.asked[-1])
    assert FIRST in last
    assert SECOND in last


@pytest.mark.parametrize("framework", ["openai-agents-chat", "langchain-responses"])
@STREAMS
async def test_a_rejected_call_is_the_frameworks_own_error(
    scripted_gateway: RunningTrimtab, scripted: ScriptedModel, framework: str, stream: bool
) -> None:
    """No tool runs; the error of the client below carries our code, or in a stream our words."""
    scripted.plays(Turn(calls=(NAMELESS,)))
    sent = errand(scripted_gateway, "strict-openai", stream=stream)
    with pytest.raises(openai.APIError, match="find_order: schema_invalid") as caught:
        await RUNS[framework](sent)
    assert caught.value.code == "tool_call_invalid"
    assert sent.called == []
    assert len(scripted.asked) == 1


@pytest.mark.engine
@pytest.mark.parametrize(("question", "stream"), [("weather", False), ("order", True)])
@pytest.mark.parametrize(("framework", "wire"), CARRIED)
async def test_an_agent_on_vllm(vllm_gateway: Target, framework: str, wire: str, question: str, stream: bool) -> None:
    """The tiny model calls the right one of two tools, reads its result, and answers with what that is about."""
    parcel = "tracking says my parcel is stuck in Paris"
    asked = {"weather": "what is the weather in Paris tomorrow?", "order": "show me the orders of Ada"}[question]
    url = vllm_gateway.base_url.removesuffix("/v1")
    sent = Errand(url, f"assist-{wire}", stream, SYSTEM["tool"], asked, order=parcel, weather=parcel)
    assert await RUNS[framework](sent) == "shipping"
    name, arguments = FORECAST if question == "weather" else ORDERS
    assert sent.called == [(name, json.loads(arguments))]


class Parcel(BaseModel):
    """What no question here asks for, so that only the schema can bring it about."""

    kind: Literal["red", "blue"]
    size: Literal["big", "small"]


@pytest.mark.engine
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("ask", TYPED)
async def test_an_answer_has_the_frameworks_type(vllm_gateway: Target, ask: Any, wire: str) -> None:
    """The class that a framework is told comes back, whether it asks by a schema or by a tool."""
    url = vllm_gateway.base_url.removesuffix("/v1")
    assert isinstance(await ask(url, f"assist-{wire}", "my lamp has not arrived in Paris yet", Parcel), Parcel)
