"""A chat that goes to Anthropic's wire and back means what it meant, for all that both wires can say."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.surface import Edits
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages

NAMES = st.text("abcdef_", min_size=1, max_size=6)
TEXT = st.text(min_size=1, max_size=10)
NUMBER = st.integers(-1000, 1000)
ARGUMENTS = st.dictionaries(NAMES, NUMBER | TEXT | st.lists(NUMBER, max_size=2), max_size=3)
URL = st.sampled_from(["https://x.example/a.png", "data:image/png;base64,eA==", "http://y.example/b"])
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT)
    | st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, URL),
    min_size=2,
    max_size=4,
)
USER = st.builds(lambda content: [{"role": "user", "content": content}], TEXT | PARTS)
TOOL = st.builds(
    lambda name, text, strict: {
        "type": "function",
        "function": {
            "name": name,
            "description": text,
            "parameters": {"type": "object", "properties": {name: {"type": "string"}}},
            **({"strict": True} if strict else {}),
        },
    },
    NAMES,
    TEXT,
    st.booleans(),
)
CHOICE = st.sampled_from(["auto", "required", "none", {"type": "function", "function": {"name": "f"}}])


@st.composite
def agent_turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An assistant's turn; where it calls tools, with a result for each call."""
    calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    text = draw(TEXT)
    if not calls:
        return [{"role": "assistant", "content": text}]
    made = [
        {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for number, (name, arguments) in enumerate(calls)
    ]
    said = {"role": "assistant", "content": draw(st.sampled_from([None, text])), "tool_calls": made}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXT)} for call in made]
    return [said, *results]


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """A request of a chat with everything that both wires can say."""
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    messages += draw(USER)
    for _ in range(draw(st.integers(0, 3))):
        messages += [*draw(agent_turns()), *draw(USER)]
    request: dict[str, Any] = {"model": "m", "messages": messages, "max_tokens": draw(st.integers(1, 9000))}
    tools = draw(st.lists(TOOL, max_size=3))
    if tools:
        request["tools"] = tools
        request["tool_choice"] = draw(CHOICE)
        if request["tool_choice"] != "none" and draw(st.booleans()):
            request["parallel_tool_calls"] = False
    optional: dict[str, st.SearchStrategy[Any]] = {
        "temperature": st.sampled_from([0, 0.25, 1]),
        "top_p": st.sampled_from([0.5, 1]),
        "top_k": st.integers(1, 50),
        "stop": st.lists(TEXT, min_size=1, max_size=3),
        "user": TEXT,
        "reasoning_effort": st.sampled_from(["low", "medium", "high", "xhigh", "max"]),
        "service_tier": st.just("default"),
        "response_format": st.just(
            {"type": "json_schema", "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True}}
        ),
    }
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True)):
        request[name] = draw(optional[name])
    if draw(st.booleans()):
        request["stream"], request["stream_options"] = True, {"include_usage": True}
    return request


def meaning(request: dict[str, Any]) -> dict[str, Any]:
    """The request with its tool arguments as values: their spelling is nobody's."""
    read: dict[str, Any] = json.loads(json.dumps(request))
    for message in read["messages"]:
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return read


@given(chats())
def test_a_chat_means_the_same_after_a_journey(request: dict[str, Any]) -> None:
    """Out over Anthropic's wire and back over OpenAI's, field for field."""
    there = ChatOverMessages().splice(ChatCompletions().read(json.dumps(request).encode()), Edits("m"))
    back = Messages().wires["openai"].splice(Messages().read(there), Edits("m"))
    assert meaning(json.loads(back)) == meaning(request)
