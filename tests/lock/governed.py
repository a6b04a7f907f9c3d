"""A project on disk that declares something of everything that a lock pins."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import resolve

ROWS = '{"text": "refund me", "label": "billing"}\n{"text": "it broke", "label": "tech"}\n'
PARENT = '{"text": "raw"}\n'


def sha256(text: str) -> str:
    """The digest of a text as a declaration writes it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


TOML = """
[defaults]
deadline = { first_token = "20s" }
redaction = "full"

[models.small]
model = "Qwen/Qwen3-8B"
engine = "vllm"
grammar = "xgrammar"
revision = "9c925d64d72725edaf899c6cb9c377fd0709d9c5"
replicas = ["http://10.0.0.11:8000", "http://10.0.0.12:8000"]
api_key = "env:SMALL_KEY"
passthrough = ["GET /tokenize"]
gpu = { kind = "H100", count = 1, usd_per_hour = 2.50 }

[models.small.served]
server = "vllm==0.32.0"
image = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
flags = ["--max-model-len", "8192", "--enable-prefix-caching", "--dtype=bfloat16"]
environment = { VLLM_BATCH_INVARIANT = "1" }
hardware = "1 x H100 SXM"
dtype = "bfloat16"
quantization = "none"
weights = { "model.safetensors" = "sha256:2222222222222222222222222222222222222222222222222222222222222222" }
chat_template = "served/chat.jinja"
tokenizer = "served/tokenizer.json"
adapter = { name = "triage-lora", base = "Qwen/Qwen3-8B", trained_on = ["tickets"] }
trained_on = ["raw"]

[models.large]
model = "gpt-4o-2024-08-06"
engine = "openai"
replicas = ["https://api.openai.com"]
api_key = "env:OPENAI_KEY"
price = { input = 2.50, output = 10.00 }
retires = 2027-01-14

[models.azure]
model = "our-deployment"
revision = "2024-08-06"
engine = "openai"
auth = { kind = "azure", api_version = "2024-10-21" }
replicas = ["https://ours.openai.azure.com"]
api_key = "env:AZURE_KEY"

[retrieval.manuals]
corpus = "manuals-2026-11-01"
chunker = "by-heading 1.2"
embedding_model = "bge-m3@5617a9f61b028005a4858fdac845db406aefb181"
index = { metric = "cosine", ef = 64, exact = false }

[lock]
python = "3.11.9"
"""
TASK = """
owner = "support"
model = "small"
fallback = ["large", "azure"]
match = { keys = ["support-app"] }
sampling = { temperature = 0.0, top_p = 0.9, max_output_tokens = 256, seed = 7, stop = ["END", "STOP"] }
deadline = { connect = "1s", first_token = "2s", gap = "1s", total = "60s" }
objective = { ttft_p95 = "800ms", success = 0.995, window = "28d" }
retry = { attempts = 3 }
output = { schema = "output.schema.json", on_invalid = "repair", repairs = 2 }
tools = ["lookup", "refund"]
tool_calls = { on_invalid = "reject" }
context = { strategy = "keep_system_and_recent", max_input_tokens = 6000, recent = 20 }
retrieval = ["manuals"]
inputs = { question = "string", urgent = "boolean" }
prompt = { tuned_on = ["tickets"] }
"""
PROMPT = """system:
You sort tickets of a shop into departments.
{% include "tone.md" %}

user:
{{ question }}{% if urgent %} It is urgent.{% endif %}
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "why, in one sentence", "maxLength": 200},
        "label": {"type": "string", "enum": ["billing", "tech", "other"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["reason", "label"],
    "additionalProperties": False,
}
LOOKUP: dict[str, Any] = {
    "description": "Looks up an order by its number.",
    "effect": "read",
    "input_schema": {
        "type": "object",
        "properties": {
            "order": {"type": "string", "description": "the order's number", "pattern": "^[0-9]+$"},
            "limit": {"type": "integer", "default": 10},
        },
        "required": ["order"],
    },
    "output_schema": {"type": "object", "properties": {"status": {"type": "string"}}},
    "implementation": {"source": "code/lookup.py"},
    "golden": [{"arguments": {"order": "1"}, "answer": {"status": "sent"}}],
}
REFUND: dict[str, Any] = {
    "description": "Pays money back.",
    "input_schema": {"type": "object", "properties": {"amount": {"type": "number"}}},
    "implementation": {"mcp": {"command": ["npx", "-y", "@shop/refunds@1.4.2", "--region", "eu"]}},
}
TICKETS: dict[str, Any] = {
    "file": "data/tickets.jsonl",
    "digest": sha256(ROWS),
    "schema": "code/row.schema.json",
    "parents": [{"name": "raw", "digest": sha256(PARENT)}],
    "transform": "code/clean.py",
    "licence": "internal",
    "source": "export of 2026-10-01",
    "purpose": "training",
}
PLAIN_TASK = 'model = "large"\n'

FILES: dict[str, str] = {
    "trimtab.toml": TOML,
    "requirements.txt": "httpx==0.28.1\n",
    "prompts/tone.md": "Be brief.\n",
    "served/chat.jinja": "{{ messages }}\n",
    "served/tokenizer.json": '{"model": {"type": "BPE"}}\n',
    "code/lookup.py": "def lookup(order):\n    return order\n",
    "code/clean.py": "print('clean')\n",
    "data/tickets.jsonl": ROWS,
    "data/tickets.json": json.dumps(TICKETS, indent=2),
    "data/raw.jsonl": PARENT,
    "data/raw.json": json.dumps({"file": "data/raw.jsonl", "digest": sha256(PARENT), "purpose": "other"}),
    "code/row.schema.json": json.dumps({"type": "object", "required": ["text"]}),
    "tools/lookup.json": json.dumps(LOOKUP, indent=2),
    "tools/refund.json": json.dumps(REFUND, indent=2),
    "tasks/triage/task.toml": TASK,
    "tasks/triage/prompt.md": PROMPT,
    "tasks/triage/output.schema.json": json.dumps(SCHEMA, indent=2),
    "tasks/triage/cases.jsonl": '{"inputs": {"question": "hi", "urgent": false}}\n',
    "tasks/plain/task.toml": PLAIN_TASK,
}


def write(root: Path, files: dict[str, str] | None = None) -> Path:
    """Writes the project, or other files, in their order; returns the root."""
    for path, text in (files or FILES).items():
        put(root, path, text)
    return root


def put(root: Path, path: str, text: str) -> None:
    """Writes one file, byte for byte."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8", newline="")


def read(root: Path) -> Project:
    """The project, free of mistakes."""
    return load(root, cpus=2)


def locked(root: Path, held: Lock | None = None) -> Lock:
    """The project's lock; nothing in it may be refused."""
    resolved = resolve(read(root), held)
    assert resolved.refusals == ()
    return resolved.lock


def with_change(value: Any, path: tuple[str | int, ...], changed: Any) -> Any:
    """A declaration with one field changed."""
    if not path:
        return changed
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], with_change(value[step], rest, changed), *value[step + 1 :])
    if isinstance(value, dict):
        return {**value, step: with_change(value[step], rest, changed)}
    return replace(value, **{step: with_change(getattr(value, step), rest, changed)})
