"""Single changes of the governed project, each with the entry it must be told of and the words that name it.

A case is the file, what is replaced in it, what stands there instead, the entry, and parts of its sentence. Files that
are digested elsewhere are mended where the change itself would be a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.lock.governed import LOOKUP, PARENT, REFUND, ROWS, SCHEMA, TICKETS, put, sha256


class Mutation(NamedTuple):
    """One change: what it is called, how it is made, the entry, and what its sentence must say."""

    name: str
    make: Callable[[Path], None]
    key: str
    words: tuple[str, ...]


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    """Replaces what stands once in a file."""

    def make(root: Path) -> None:
        text = (root / path).read_text("utf-8")
        assert text.count(old) == 1, (path, old)
        put(root, path, text.replace(old, new))

    return make


def rewrite(path: str, document: dict[str, Any], *at: str | int, to: Any = ...) -> Callable[[Path], None]:
    """Puts a value at a place of a JSON file, or takes away what is there."""

    def make(root: Path) -> None:
        whole = json.loads(json.dumps(document))
        value = whole
        for part in at[:-1]:
            value = value[part]
        if to is ...:
            del value[at[-1]]
        else:
            value[at[-1]] = to
        put(root, path, json.dumps(whole, indent=2))

    return make


def data(text: str) -> Callable[[Path], None]:
    """Other rows, accepted in the manifest."""

    def make(root: Path) -> None:
        put(root, "data/tickets.jsonl", text)
        put(root, "data/tickets.json", json.dumps({**TICKETS, "digest": sha256(text)}))

    return make


TOML = "trimtab.toml"
TASK = "tasks/triage/task.toml"
PROMPT = "tasks/triage/prompt.md"
OUTPUT = "tasks/triage/output.schema.json"
TOOL = "tools/lookup.json"
REORDERED = {**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}
SMALL, LARGE, AZURE = "models/small", "models/large", "models/azure"
TRIAGE = "triage"


def toml(name: str, old: str, new: str, key: str, *words: str) -> Mutation:
    """A change in trimtab.toml."""
    return Mutation(name, edit(TOML, old, new), key, words)


def task(name: str, old: str, new: str, key: str, *words: str) -> Mutation:
    """A change in the task's task.toml."""
    return Mutation(name, edit(TASK, old, new), f"{key}/triage", words)


def prompt(name: str, old: str, new: str, *words: str) -> Mutation:
    """A change in the task's prompt."""
    return Mutation(name, edit(PROMPT, old, new), "prompts/triage", words)


def output(name: str, *words: str, at: tuple[str | int, ...], to: Any = ...) -> Mutation:
    """A change in the schema of the task's answers."""
    return Mutation(name, rewrite(OUTPUT, SCHEMA, *at, to=to), "schemas/triage", words)


def tool(name: str, *words: str, at: tuple[str | int, ...], to: Any = ...) -> Mutation:
    """A change in a tool's file."""
    return Mutation(name, rewrite(TOOL, LOOKUP, *at, to=to), "tools/lookup", words)


def manifest(name: str, *words: str, at: str, to: Any = ...) -> Mutation:
    """A change in a data set's manifest."""
    return Mutation(name, rewrite("data/tickets.json", TICKETS, at, to=to), "data/tickets", words)


PROMPTS = (
    prompt("a character in a prompt", "tickets", "ticket", "system turn", '"tickets" -> "ticket"'),
    prompt("a word in a prompt", "You sort", "You order", "system turn", '"sort" -> "order"'),
    prompt("a word added to a prompt", "You sort", "You always sort", "system turn", '"always" is new'),
    prompt("a sentence taken from a prompt", " It is urgent.", "", "user turn", '"It is urgent." is gone'),
    prompt("a space in a prompt", "You sort", "You  sort", "system turn", "white space alone"),
    prompt("a blank line at a turn's end", "\nuser:", "\n\nuser:", "file changed around its turns", "sha256"),
    prompt("the role of a turn", "user:", "assistant:", "turn 2", "role", "assistant", "was user"),
    prompt("a turn added", "\nuser:", "\nassistant:\nYes?\n\nuser:", "assistant turn 2 is new", "Yes?"),
    prompt("the order of what is included", '{% include "tone.md" %}\n', "", "Be brief.", "gone"),
    Mutation(
        "a shared part", edit("prompts/tone.md", "brief", "terse"), "prompts/triage",
        ("system turn", '"brief." -> "terse."'),
    ),
    Mutation(
        "white space around a shared part", edit("prompts/tone.md", "brief.\n", "brief.\n\n"), "prompts/triage",
        ("shared part prompts/tone.md",),
    ),
    task("the type of an input", 'urgent = "boolean"', 'urgent = "string"', "prompts", 'input "urgent"', "string"),
    task("what a prompt was tuned on", '["tickets"] }\n', '["raw"] }\n', "prompts", '"raw"', "tuned_on", "new"),
)  # fmt: skip
SAMPLING = (
    task("temperature", "temperature = 0.0", "temperature = 0.2", "sampling", "temperature is 0.2, was 0"),
    task("top_p", "top_p = 0.9, ", "", "sampling", "top_p is not set, was 0.9"),
    task("max_output_tokens", "= 256", "= 257", "sampling", "max_output_tokens is 257, was 256"),
    task("seed", "seed = 7", "seed = 8", "sampling", "seed is 8, was 7"),
    task("a stop changed", '"END", ', '"FIN", ', "sampling", "stop", "FIN", "END"),
    task("stops reordered", '["END", "STOP"]', '["STOP", "END"]', "sampling", "stop is reordered"),
)
CONTEXT = (
    task("strategy", '"keep_system_and_recent"', '"token_window"', "context", 'strategy is "token_window"'),
    task("max_input_tokens", "6000", "5000", "context", "max_input_tokens is 5000, was 6000"),
    task("recent", "recent = 20", "recent = 19", "context", "recent is 19, was 20"),
    task(
        "summaries", '{ strategy = "keep_system_and_recent",', '{ strategy = "summarise", model = "large",', "context",
        'model is "large"',
    ),
)  # fmt: skip
POLICIES = (
    task(
        "the model of a task",
        'model = "small"\nfallback = ["large", "azure"]',
        'model = "large"\nfallback = ["azure"]',
        "policies",
        'model is "large", was "small"',
    ),
    task("fallbacks reordered", '["large", "azure"]', '["azure", "large"]', "policies", "fallback is reordered"),
    task("a fallback taken out", '["large", "azure"]', '["large"]', "policies", "fallback[1] is gone", "azure"),
    task("owner", '"support"\n', '"sales"\n', "policies", 'owner is "sales", was "support"'),
    task("class", "owner", 'class = "background"\nowner', "policies", 'class is "background", was "interactive"'),
    task("a matched key", '["support-app"]', '["sales-app"]', "policies", "match.keys", "sales-app"),
    task("first token", '"2s"', '"3s"', "policies", "deadline.first_token_s is 3, was 2"),
    task("total", '"60s"', '"61s"', "policies", "deadline.total_s is 61, was 60"),
    task("a percentile goal", '"800ms"', '"900ms"', "policies", "objective.goals_s.ttft_p95 is 0.9, was 0.8"),
    task("the share of success", "0.995", "0.99", "policies", "objective.success is 0.99, was 0.995"),
    task("attempts", "attempts = 3", "attempts = 2", "policies", "retry.attempts is 2, was 3"),
    task("redaction", "owner", 'redaction = "digest"\nowner', "policies", 'redaction is "digest", was "full"'),
    task("on_invalid", 'repair", repairs = 2', 'reject"', "policies", 'output.on_invalid is "reject", was "repair"'),
    task("repairs", "repairs = 2", "repairs = 3", "policies", "output.repairs is 3, was 2"),
    task("confidence", "repairs = 2", "repairs = 2, confidence = true", "policies", "output.confidence is true"),
    task("tools reordered", '["lookup", "refund"]', '["refund", "lookup"]', "policies", "tools is reordered"),
    task("tool calls", 'on_invalid = "reject"', 'on_invalid = "pass"', "policies", 'tool_calls.on_invalid is "pass"'),
    task("repetition", "owner", 'repetition = "stop"\nowner', "policies", 'repetition is "stop", was "flag"'),
    task("a retrieval taken out", 'retrieval = ["manuals"]\n', "", "policies", "retrieval[0] is gone", "manuals"),
    toml("a default deadline", '"20s"', '"21s"', "policies/(defaults)", "deadline.first_token_s is 21, was 20"),
    toml("default redaction", '"full"\n', '"none"\n', "policies/(defaults)", 'redaction is "none", was "full"'),
)
MODELS = (
    toml("the model asked for", '"Qwen/Qwen3-8B"\neng', '"Qwen/Qwen3-9B"\neng', SMALL, "requested", "Qwen/Qwen3-9B"),
    toml("a dated snapshot", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", LARGE, "resolved", "2024-11-20"),
    toml("a revision", '"9c925d64', '"8c925d64', SMALL, "revision", "8c925d64d727..."),
    toml("an engine", 'engine = "vllm"\ngrammar = "xgrammar"', 'engine = "other"', SMALL, 'engine is "other"'),
    toml("a grammar", '"xgrammar"', '"guidance"', SMALL, 'grammar is "guidance", was "xgrammar"'),
    toml("an endpoint", "https://api.openai.com", "https://eu.api.openai.com", LARGE, "endpoint", "eu.api.openai.com"),
    toml("an api version", '"2024-10-21"', '"2025-04-01"', AZURE, "auth.api_version", "2025-04-01"),
    toml("a passthrough", "GET /tokenize", "GET /metrics", SMALL, "passthrough", "GET /metrics"),
    toml("retires", "retires = 2027-01-14", "retires = 2027-01-15", LARGE, 'retires is "2027-01-15"'),
    toml("identity tests", "retires", 'identity = "1h"\nretires', LARGE, "watch.identity_s is 3600, was not set"),
    toml("enforcement probes", "passthrough", 'probe = "off"\npassthrough', SMALL, "watch.enforcement_s is not set"),
    toml("the server's version", "0.32.0", "0.32.1", SMALL, "served.server", "vllm==0.32.1"),
    toml("the image", "sha256:1111", "sha256:1112", SMALL, "served.image", "sha256:1112"),
    toml("a flag's value", '"8192"', '"4096"', SMALL, "flag --max-model-len", '"4096", was "8192"'),
    toml("a flag taken out", '"--enable-prefix-caching", ', "", SMALL, "flag --enable-prefix-caching", "is gone"),
    toml("a flag added", '"--enable-', '"--enforce-eager", "--enable-', SMALL, "flag --enforce-eager", "is new"),
    toml("a flag joined to its value", "--dtype=bfloat16", "--dtype=half", SMALL, "flag --dtype", '"half"'),
    toml("flags reordered", '"--enable-prefix-caching", "--dtype=bfloat16"',
         '"--dtype=bfloat16", "--enable-prefix-caching"', SMALL, "flags are reordered"),
    toml("a variable", 'INVARIANT = "1"', 'INVARIANT = "0"', SMALL, "variable VLLM_BATCH_INVARIANT", '"0", was "1"'),
    toml("a variable added", '= "1" }', '= "1", CUDA_X = "2" }', SMALL, "variable CUDA_X", "is new"),
    toml("hardware", '"1 x H100 SXM"', '"1 x H200"', SMALL, "served.hardware", "H200"),
    toml("dtype", 'dtype = "bfloat16"', 'dtype = "float16"', SMALL, 'served.dtype is "float16", was "bfloat16"'),
    toml("quantisation", 'quantization = "none"', 'quantization = "fp8"', SMALL, 'served.quantization is "fp8"'),
    toml("weights", "sha256:2222", "sha256:2223", SMALL, "weights model.safetensors", "222322222222..."),
    Mutation("a chat template", edit("served/chat.jinja", "messages", "message"), SMALL, ("chat template", "sha256")),
    Mutation("a tokenizer", edit("served/tokenizer.json", "BPE", "WPE"), SMALL, ("tokenizer", "sha256")),
    toml("an adapter", '"triage-lora"', '"sort-lora"', SMALL, "adapter.name", "sort-lora"),
    toml("an adapter's base", 'base = "Qwen/Qwen3-8B"', 'base = "Qwen/Qwen3-4B"', SMALL, "adapter.base", "Qwen3-4B"),
    toml("an adapter's training set", 'trained_on = ["tickets"]', 'trained_on = ["raw"]', SMALL,
         "adapter's training set", '"raw"', "new"),
    toml("a model's training set", 'trained_on = ["raw"]', 'trained_on = ["tickets"]', SMALL, 'training set "tickets"'),
    toml("a model added", "[retrieval", '[models.new]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\n\n[retrieval',
         "models/new", "models/new is new"),
)  # fmt: skip
TOOLS = (
    tool("a tool's description", "description", '"order" -> "parcel"', "the model sees this",
         at=("description",), to="Looks up an parcel by its number."),
    tool("a default", "input_schema", "default at /properties/limit is 20, was 10", "visible to the model",
         at=("input_schema", "properties", "limit", "default"), to=20),
    tool("a parameter's description", "input_schema", "description at /properties/order", "visible to the model",
         at=("input_schema", "properties", "order", "description"), to="the number of the order"),
    tool("a parameter added", "input_schema", 'property "note" is new', "validating",
         at=("input_schema", "properties", "note"), to={"type": "string"}),
    tool("a parameter made optional", "input_schema", '"order" is no longer required', "validating",
         at=("input_schema", "required"), to=[]),
    tool("a pattern", "input_schema", "pattern at /properties/order", "validating",
         at=("input_schema", "properties", "order", "pattern"), to="^[0-9]{6}$"),
    tool("an output schema", "output_schema", "type at /properties/status", "validating",
         at=("output_schema", "properties", "status", "type"), to="integer"),
    tool("an output schema taken out", "output_schema", "is not set", at=("output_schema",)),
    Mutation("an effect", rewrite("tools/refund.json", REFUND, "effect", to="idempotent"), "tools/refund",
             ('effect is "idempotent", was "write"',)),
    tool("a comment in a schema", "input_schema", "$comment is new", "cosmetic",
         at=("input_schema", "$comment"), to="mind the gap"),
    tool("a known answer", "answer of known call 1 (golden)", at=("golden", 0, "answer"), to={"status": "lost"}),
    tool("a known call", "arguments of known call 1 (golden)", at=("golden", 0, "arguments"), to={"order": "2"}),
    tool("how a known answer is compared", "how known call 1 is compared (golden)", '"exact"',
         at=("golden", 0, "compare"), to="exact"),
    tool("a package in place of a file", "implementation.package", "orders==1.2.3",
         at=("implementation",), to={"package": "orders==1.2.3"}),
    Mutation("a tool's source", edit("code/lookup.py", "return order", "return 1"), "tools/lookup",
             ("implementation.source", "sha256")),
    Mutation("an MCP server's version", edit("tools/refund.json", "1.4.2", "1.4.3"), "tools/refund",
             ("implementation.mcp", "1.4.3")),
    Mutation("an MCP server's option", edit("tools/refund.json", '"eu"', '"us"'), "tools/refund",
             ("implementation.mcp", '"us"')),
)  # fmt: skip
SCHEMAS = (
    output("an enum reordered", "enum at /properties/label is reordered", "which sees the order",
           at=("properties", "label", "enum"), to=["tech", "billing", "other"]),
    output("a value added to an enum", "enum at /properties/label changed", '"sales" is new', "validating",
           at=("properties", "label", "enum"), to=["billing", "tech", "other", "sales"]),
    output("properties reordered", 'properties are reordered: ["reason", "label", "score"] ->', "visible to the model",
           at=("properties",), to=REORDERED["properties"]),
    output("a bound", "maxLength at /properties/reason is 100, was 200", "validating",
           at=("properties", "reason", "maxLength"), to=100),
    output("a minimum", "minimum at /properties/score is 0.5, was 0", "validating",
           at=("properties", "score", "minimum"), to=0.5),
    output("required", '"score" is required now', "validating", at=("required",), to=["reason", "label", "score"]),
    output("required reordered", "required is reordered", at=("required",), to=["label", "reason"]),
    output("additionalProperties", "additionalProperties is true, was false", "validating",
           at=("additionalProperties",), to=True),
    output("a type", 'type at /properties/score is "integer", was "number"', at=("properties", "score", "type"),
           to="integer"),
    output("a title", 'title is new: "Sorted"', "visible to the model", at=("title",), to="Sorted"),
    output("a property taken out", 'property "score" is gone', "validating", at=("properties", "score")),
    Mutation("the spelling of a number", edit(OUTPUT, '"maxLength": 200', '"maxLength": 200.0'), "schemas/triage",
             ("written in another way", "cosmetic")),
)  # fmt: skip
REST = (
    toml("a corpus", "manuals-2026-11-01", "manuals-2026-11-02", "retrieval/manuals", "corpus", "manuals-2026-11-02"),
    toml("a chunker", "by-heading 1.2", "by-heading 1.3", "retrieval/manuals", "chunker", "by-heading 1.3"),
    toml("an embedding model", "bge-m3@5617", "bge-m3@5618", "retrieval/manuals", "embedding_model"),
    toml("an index setting", "ef = 64", "ef = 65", "retrieval/manuals", "index.ef is 65, was 64"),
    toml("a truth of an index", "exact = false", "exact = true", "retrieval/manuals", "index.exact is true, was false"),
    toml("the interpreter", "3.11.9", "3.12.0", "packages/project", "interpreter", '"3.12.0", was "3.11.9"'),
    Mutation("a package", edit("requirements.txt", "0.28.1", "0.28.2"), "packages/project",
             ("package lock requirements.txt",)),
    Mutation("a package lock added", lambda root: put(root, "uv.lock", "version = 1\n"), "packages/project",
             ("package lock uv.lock", "is new")),
    Mutation("a data row", data(ROWS.replace("it broke", "it is broken")), "data/tickets",
             ("data changed", "still 2 rows")),
    Mutation("a row added", data(ROWS + '{"text": "more"}\n'), "data/tickets", ("data changed", "3 rows, was 2")),
    Mutation("a case", edit("tasks/triage/cases.jsonl", '"hi"', '"ho"'), "data/tasks/triage/cases",
             ("data changed", "still 1 row")),
    manifest("a licence", 'licence is "public"', at="licence", to="public"),
    manifest("a source", "source", "export of 2026-10-02", at="source", to="export of 2026-10-02"),
    manifest("a purpose", 'purpose is "few_shot", was "training"', at="purpose", to="few_shot"),
    manifest("a parent's digest", 'parent "raw"', at="parents", to=[{"name": "raw", "digest": sha256(PARENT + "\n")}]),
    manifest("a schema of rows taken out", "columns", at="schema"),
    Mutation("a schema of rows", edit("code/row.schema.json", '["text"]', '["text", "label"]'), "data/tickets",
             ("columns", '"label" is required now')),
    Mutation("a transform", edit("code/clean.py", "clean", "scrub"), "data/tickets", ("what made it", "sha256")),
    Mutation("a task added", lambda root: put(root, "tasks/new/task.toml", 'model = "large"\n'), "policies/new",
             ("policies/new is new",)),
    Mutation("a prompt added", lambda root: put(root, "tasks/plain/prompt.md", "user:\n{{ q }}\n"), "prompts/plain",
             ("prompts/plain is new", "1 turn")),
)  # fmt: skip
MUTATIONS = (*PROMPTS, *SAMPLING, *CONTEXT, *POLICIES, *MODELS, *TOOLS, *SCHEMAS, *REST)
