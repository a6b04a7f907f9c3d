"""Record what vLLM answers at `/v1/responses`: bodies and streams as they are on the wire.

    python -m tests.engine.record_responses [URL MODEL]      writes tests/gateway_surfaces/golden_responses/

Without a URL it starts vLLM (`install_vllm.sh`) with the demo model jobs-small. The requests are sent as the surface
splices them. Run it again only when the requests, the model or vLLM change: what the tests expect was read off these
recordings by hand.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from tests.engine.vllm_server import ROOT, running_vllm
from trimtab.declare.project import Sampling
from trimtab.demo.jobs import SYSTEM, TOOLS
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Edits, SchemaEdit, ToolEdit

FOLDER = ROOT / "tests" / "gateway_surfaces" / "golden_responses"
MODEL = "tiny"
"""The name that the demo model jobs-small is served under."""

EXTRACT = {"instructions": SYSTEM["extract"], "input": "Please send 12 lamps to Ada in Paris."}
ROUTE = {
    "instructions": SYSTEM["route"],
    "input": [{"role": "user", "content": "my lamp has not arrived in Paris yet"}],
}
WEATHER = {"instructions": SYSTEM["tool"], "input": "what is the weather in Paris tomorrow?"}
FLAT_TOOLS = [{"type": "function", **tool["function"]} for tool in TOOLS]
ZIP = {
    "type": "object",
    "properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}, "kind": {"enum": ["red", "blue"]}},
    "required": ["zip", "kind"],
    "additionalProperties": False,
}
ZIP_TEXT = Raw(json.dumps(ZIP).encode())
FORECAST = ToolEdit("get_weather", "weather for a city", Raw(json.dumps(TOOLS[0]["function"]["parameters"]).encode()))
CALL = {
    "type": "function_call",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city": "Paris", "day": "tomorrow"}',
}
TURNS = {
    "instructions": SYSTEM["tool"],
    "input": [
        {"role": "user", "content": WEATHER["input"]},
        CALL,
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        {"role": "user", "content": "show me the orders of Ada"},
    ],
}
LOGPROBS = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
PLAIN = Edits(model="")
"""The model's name is put in when it is known."""

EXCHANGES: dict[str, tuple[dict[str, Any], Edits]] = {
    "text": (EXTRACT, PLAIN),
    "stream": ({**EXTRACT, "stream": True}, PLAIN),
    "items_stream": ({**ROUTE, "stream": True}, PLAIN),
    "tool": ({**WEATHER, "tools": FLAT_TOOLS}, PLAIN),
    "tool_stream": ({**WEATHER, "tools": FLAT_TOOLS, "stream": True}, PLAIN),
    "schema": (EXTRACT, Edits(model="", schema=SchemaEdit("response_format", "zip", ZIP_TEXT))),
    "schema_stream": (
        {**EXTRACT, "stream": True},
        Edits(model="", schema=SchemaEdit("response_format", "zip", ZIP_TEXT)),
    ),
    "structured_outputs": (
        {**EXTRACT, "text": {"verbosity": "low", "format": {"type": "text"}}},
        Edits(model="", schema=SchemaEdit("structured_outputs", "zip", ZIP_TEXT)),
    ),
    "cut": (EXTRACT, Edits(model="", sampling=Sampling(max_output_tokens=9))),
    "cut_stream": ({**EXTRACT, "stream": True}, Edits(model="", sampling=Sampling(max_output_tokens=9))),
    "logprobs": ({**EXTRACT, **LOGPROBS, "max_output_tokens": 3}, PLAIN),
    "logprobs_stream": ({**EXTRACT, **LOGPROBS, "max_output_tokens": 3, "stream": True}, PLAIN),
    "task_tool": (WEATHER, Edits(model="", tools=(FORECAST,), strict_tools=True)),
    "turns": ({**TURNS, "tools": FLAT_TOOLS}, PLAIN),
    "custom_tool_stream": (
        {
            **WEATHER,
            "tools": [{"type": "custom", "name": "get_weather"}],
            "tool_choice": {"type": "custom", "name": "get_weather"},
            "stream": True,
        },
        PLAIN,
    ),
    "prompt": (
        {"input": "Please send 12 lamps to Ada in Paris."},
        Edits(model="", prompt=(json.dumps({"role": "system", "content": SYSTEM["extract"]}).encode(),)),
    ),
    "no_model": (EXTRACT, Edits(model="nobody")),
    "bad_temperature": ({**EXTRACT, "temperature": -1}, PLAIN),
}
"""The request of each exchange, and what is put into it."""


def ask(url: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of one exchange."""
    request = urllib.request.Request(f"{url}/v1/responses", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def record(url: str, model: str) -> None:
    """All exchanges, each as its request, and as its answer under a name that tells the status.

    The second answer is kept: what vLLM has cached of a prompt then does not depend on what came before.
    """
    surface = Responses()
    for name, (request, edits) in EXCHANGES.items():
        fields = {"model": "task", "temperature": 0, "max_output_tokens": 64, **request}
        named = replace(edits, model=edits.model or model)
        body = surface.wires["openai"].splice(surface.read(json.dumps(fields).encode()), named)
        ask(url, body)
        status, answer = ask(url, body)
        (FOLDER / f"{name}.request.json").write_bytes(body)
        (FOLDER / f"{name}.{status}.{'sse' if request.get('stream') else 'json'}").write_bytes(answer)


def main() -> None:
    """Record from a server that runs, or from one started here."""
    FOLDER.mkdir(exist_ok=True)
    if len(sys.argv) == 3:
        record(sys.argv[1], sys.argv[2])
        return
    with running_vllm(ROOT / "src" / "trimtab" / "demo" / "models" / "jobs-small", MODEL) as vllm:
        record(vllm.url, MODEL)


if __name__ == "__main__":
    main()
