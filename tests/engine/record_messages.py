"""Record real exchanges of vLLM over `/v1/messages`, `/v1/messages/count_tokens` and `/v1/chat/completions`.

    python -m tests.engine.record_messages [URL]        writes tests/gateway_translate/golden/

Without a URL it serves the demo model `jobs-small` itself (`install_vllm.sh`). Each exchange is two files:
`NAME.request.json`, and the bytes of the answer as `NAME.answer.json`, or `NAME.answer.sse` for a stream.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

from tests.engine.vllm_server import ROOT, running_vllm

GOLDEN = ROOT / "tests" / "gateway_translate" / "golden"
MODEL = ROOT / "src" / "trimtab" / "demo" / "models" / "jobs-small"

ROUTE = "Route the ticket: billing, shipping, refund, account, technical or sales."
TOOL = "Call one tool."
TICKET = "I cannot log in with my password"
WEATHER = "what is the weather in Oslo today?"
CITY_AND_DAY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
    "required": ["city", "day"],
}
LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["account", "sales"]}},
    "required": ["label"],
    "additionalProperties": False,
}
DESCRIPTION = "weather for a city"
MESSAGES_TOOL = {"name": "get_weather", "description": DESCRIPTION, "input_schema": CITY_AND_DAY}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": DESCRIPTION, "parameters": CITY_AND_DAY},
}
CALLED = [
    {"role": "user", "content": WEATHER},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Oslo"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}]},
]


def message(system: str, text: str, **more: Any) -> dict[str, Any]:
    """A request for a message."""
    turns = [{"role": "user", "content": text}]
    return {"model": "tiny", "max_tokens": 48, "temperature": 0, "system": system, "messages": turns, **more}


def chat(system: str, text: str, **more: Any) -> dict[str, Any]:
    """A request for a chat completion."""
    turns = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return {"model": "tiny", "max_tokens": 48, "temperature": 0, "messages": turns, **more}


STREAM = {"stream": True}
CHAT_STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FORM = {"format": {"type": "json_schema", "schema": LABEL}}
CHAT_FORM = {"type": "json_schema", "json_schema": {"name": "label", "schema": LABEL, "strict": True}}

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
CHAT = "/v1/chat/completions"

EXCHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "messages_text": (MESSAGES, message(ROUTE, TICKET)),
    "messages_text_stream": (MESSAGES, message(ROUTE, TICKET, **STREAM)),
    "messages_long_stream": (
        MESSAGES,
        message("Extract name, item, qty and city as JSON.", "Ada from Oslo ordered 3 lamps.", **STREAM),
    ),
    "messages_tool": (MESSAGES, message(TOOL, WEATHER, tools=[MESSAGES_TOOL])),
    "messages_tool_stream": (MESSAGES, message(TOOL, WEATHER, tools=[MESSAGES_TOOL], **STREAM)),
    "messages_forced_tool_stream": (
        MESSAGES,
        message(TOOL, WEATHER, tools=[MESSAGES_TOOL], tool_choice={"type": "tool", "name": "get_weather"}, **STREAM),
    ),
    "messages_length_stream": (MESSAGES, message(TOOL, WEATHER, tools=[MESSAGES_TOOL], **{**STREAM, "max_tokens": 9})),
    "messages_stop_sequence": (MESSAGES, message(ROUTE, TICKET, stop_sequences=["ount"])),
    "messages_schema": (MESSAGES, message(ROUTE, TICKET, output_config=FORM)),
    "messages_tool_result": (MESSAGES, {**message(TOOL, WEATHER, tools=[MESSAGES_TOOL]), "messages": CALLED}),
    "messages_no_limit": (MESSAGES, {"model": "tiny", "messages": []}),
    "messages_unknown_model": (MESSAGES, {**message(ROUTE, TICKET), "model": "nope"}),
    "messages_too_long": (MESSAGES, message(ROUTE, TICKET, max_tokens=100_000)),
    "count_tokens": (
        COUNT,
        {key: value for key, value in message(ROUTE, TICKET).items() if key not in {"max_tokens", "temperature"}},
    ),
    "count_tokens_bad": (COUNT, {"model": "tiny"}),
    "chat_text": (CHAT, chat(ROUTE, TICKET)),
    "chat_text_stream": (CHAT, chat(ROUTE, TICKET, **CHAT_STREAM)),
    "chat_long_stream": (
        CHAT,
        chat("Extract name, item, qty and city as JSON.", "Ada from Oslo ordered 3 lamps.", **CHAT_STREAM),
    ),
    "chat_tool": (CHAT, chat(TOOL, WEATHER, tools=[CHAT_TOOL])),
    "chat_tool_stream": (CHAT, chat(TOOL, WEATHER, tools=[CHAT_TOOL], **CHAT_STREAM)),
    "chat_forced_tool_stream": (
        CHAT,
        chat(
            TOOL,
            WEATHER,
            tools=[CHAT_TOOL],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            **CHAT_STREAM,
        ),
    ),
    "chat_length_stream": (CHAT, chat(TOOL, WEATHER, tools=[CHAT_TOOL], **{**CHAT_STREAM, "max_tokens": 9})),
    "chat_stop_sequence": (CHAT, chat(ROUTE, TICKET, stop=["ount"])),
    "chat_schema": (CHAT, chat(ROUTE, TICKET, response_format=CHAT_FORM)),
    "chat_unknown_model": (CHAT, {**chat(ROUTE, TICKET), "model": "nope"}),
    "chat_bad": (CHAT, chat(ROUTE, TICKET, temperature=-1)),
}


def record(url: str) -> None:
    """Ask everything of one server and write what it answered."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, (path, body) in EXCHANGES.items():
        sent = json.dumps(body, indent=1) + "\n"
        (GOLDEN / f"{name}.request.json").write_text(sent, encoding="utf-8")
        (GOLDEN / f"{name}.answer.{'sse' if body.get('stream') else 'json'}").write_bytes(_post(url + path, sent))


def _post(url: str, body: str) -> bytes:
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            answer: bytes = response.read()
    except urllib.error.HTTPError as refused:
        answer = refused.read()
    return answer


def main() -> None:
    """Record from the URL given, or from a vLLM of our own."""
    if len(sys.argv) > 1:
        record(sys.argv[1])
        return
    with running_vllm(MODEL, "tiny") as vllm:
        record(vllm.url)


if __name__ == "__main__":
    main()
