"""No field of a declaration is forgotten: each is pinned, or known not to be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from tests.lock import governed
from tests.lock.governed import with_change
from trimtab.declare.alerting import Alerting, AlertRule, Completion
from trimtab.declare.background import Background
from trimtab.declare.checking import Check
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.declare.project import (
    Adapter,
    FileDigest,
    Goal,
    Golden,
    Gpu,
    Implementation,
    McpServer,
    Parent,
    Price,
    Project,
    Route,
    Schema,
    Secret,
    Turn,
)
from trimtab.declare.reviewing import ReviewRule, ReviewSample
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import resolve

OTHER = "f" * 64
OTHER_FILE = FileDigest("other", OTHER)
OTHER_SCHEMA = Schema('{"type":"object"}', hashlib.sha256(b'{"type":"object"}').hexdigest())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The governed project, read."""
    return governed.read(governed.write(tmp_path_factory.mktemp("governed")))


@pytest.fixture(scope="module")
def held(project: Project) -> Lock:
    """Its lock."""
    return resolve(project, None).lock


PINNED: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("tasks", "triage", "model"), "large"),
    (("tasks", "triage", "owner"), "x"),
    (("tasks", "triage", "task_class"), "background"),
    (("tasks", "triage", "fallback"), ()),
    (("tasks", "triage", "match", "keys"), ()),
    (("tasks", "triage", "match", "system_prompt"), (f"sha256:{OTHER}",)),
    (("tasks", "triage", "sampling", "temperature"), 0.5),
    (("tasks", "triage", "sampling", "top_p"), 0.5),
    (("tasks", "triage", "sampling", "max_output_tokens"), 1),
    (("tasks", "triage", "sampling", "seed"), 2**62),
    (("tasks", "triage", "sampling", "stop"), None),
    (("tasks", "triage", "deadline", "connect_s"), 9.0),
    (("tasks", "triage", "deadline", "first_token_s"), 9.0),
    (("tasks", "triage", "deadline", "gap_s"), 9.0),
    (("tasks", "triage", "deadline", "total_s"), None),
    (("tasks", "triage", "objective", "goals"), (Goal("ttft", 0.95, 9.0),)),
    (("tasks", "triage", "objective", "goals", 0, "measure"), "tpot"),
    (("tasks", "triage", "objective", "goals", 0, "quantile"), 0.99),
    (("tasks", "triage", "objective", "goals", 0, "limit_s"), 9.0),
    (("tasks", "triage", "objective", "success"), None),
    (("tasks", "triage", "objective", "window_s"), 9.0),
    (("tasks", "triage", "retry", "attempts"), 1),
    (("tasks", "triage", "retry", "resume"), False),
    (("tasks", "triage", "redaction"), "none"),
    (("tasks", "triage", "prompt", "turns"), ()),
    (("tasks", "triage", "prompt", "turns", 0, "role"), "user"),
    (("tasks", "triage", "prompt", "turns", 0, "template"), "x"),
    (("tasks", "triage", "prompt", "inputs"), ()),
    (("tasks", "triage", "prompt", "digest"), OTHER),
    (("tasks", "triage", "prompt", "includes"), ()),
    (("tasks", "triage", "prompt", "includes", 0, "path"), "x"),
    (("tasks", "triage", "prompt", "includes", 0, "digest"), OTHER),
    (("tasks", "triage", "prompt", "types"), {}),
    (("tasks", "triage", "prompt", "tuned_on"), ()),
    (("tasks", "triage", "output", "schema"), OTHER_SCHEMA),
    (("tasks", "triage", "output", "schema", "text"), OTHER_SCHEMA.text),
    (("tasks", "triage", "output", "schema", "digest"), OTHER),
    (("tasks", "triage", "output", "on_invalid"), "pass"),
    (("tasks", "triage", "output", "repairs"), 5),
    (("tasks", "triage", "output", "hold"), False),
    (("tasks", "triage", "output", "confidence"), True),
    (("tasks", "triage", "tools"), ()),
    (("tasks", "triage", "tools", 0, "name"), "x"),
    (("tasks", "triage", "tools", 0, "description"), "x"),
    (("tasks", "triage", "tools", 0, "input_schema"), OTHER_SCHEMA),
    (("tasks", "triage", "tools", 0, "effect"), "write"),
    (("tasks", "triage", "tools", 0, "output_schema"), None),
    (("tasks", "triage", "tools", 0, "implementation"), Implementation()),
    (("tasks", "triage", "tools", 0, "implementation", "source"), OTHER_FILE),
    (("tasks", "triage", "tools", 0, "implementation", "package"), "x==1"),
    (("tasks", "triage", "tools", 0, "implementation", "mcp"), McpServer("x")),
    (("tasks", "triage", "tools", 1, "implementation", "mcp", "tool"), "x"),
    (("tasks", "triage", "tools", 1, "implementation", "mcp", "url"), "https://x.example/mcp"),
    (("tasks", "triage", "tools", 1, "implementation", "mcp", "command"), ()),
    (("tasks", "triage", "tools", 0, "golden"), ()),
    (("tasks", "triage", "tools", 0, "golden", 0, "arguments"), "1"),
    (("tasks", "triage", "tools", 0, "golden", 0, "answer"), "1"),
    (("tasks", "triage", "tools", 0, "golden", 0, "compare"), "exact"),
    (("tasks", "triage", "tool_calls", "on_invalid"), "pass"),
    (("tasks", "triage", "tool_calls", "repairs"), 5),
    (("tasks", "triage", "tool_calls", "hold"), True),
    (("tasks", "triage", "repetition"), "off"),
    (("tasks", "triage", "context", "strategy"), "full"),
    (("tasks", "triage", "context", "version"), 2),
    (("tasks", "triage", "context", "max_input_tokens"), 1),
    (("tasks", "triage", "context", "recent"), 1),
    (("tasks", "triage", "context", "model"), "large"),
    (("tasks", "triage", "context", "summary_tokens"), 1),
    (("tasks", "triage", "retrieval"), ()),
    (("tasks", "triage", "checks"), (Check(name="right", task="triage", rule="answer"),)),
    (("defaults", "deadline", "gap_s"), 9.0),
    (("defaults", "redaction"), "none"),
    (("defaults", "undeclared_redaction"), "none"),
    (("defaults", "retry", "attempts"), 1),
    (("models", "small", "served_name"), "x"),
    (("models", "small", "wire"), "anthropic"),
    (("models", "small", "engine"), "other"),
    (("models", "small", "grammar"), "auto"),
    (("models", "large", "replicas"), ("https://x.example.com",)),
    (("models", "azure", "auth", "kind"), "bearer"),
    (("models", "azure", "auth", "api_version"), "v1"),
    (("models", "azure", "auth", "region"), "x"),
    (("models", "azure", "auth", "service"), "x"),
    (("models", "small", "probe_s"), None),
    (("models", "small", "identity_s"), 60.0),
    (("models", "small", "revision"), "a" * 40),
    (("models", "small", "passthrough"), ()),
    (("models", "small", "passthrough", 0, "method"), "PUT"),
    (("models", "small", "passthrough", 0, "path"), "/x"),
    (("models", "small", "retires"), date(2027, 1, 1)),
    (("models", "small", "served", "server"), "vllm==0.33.0"),
    (("models", "small", "served", "image"), OTHER),
    (("models", "small", "served", "flags"), ()),
    (("models", "small", "served", "environment"), {}),
    (("models", "small", "served", "hardware"), "x"),
    (("models", "small", "served", "dtype"), "x"),
    (("models", "small", "served", "quantization"), "x"),
    (("models", "small", "served", "weights"), {}),
    (("models", "small", "served", "chat_template"), None),
    (("models", "small", "served", "tokenizer"), OTHER_FILE),
    (("models", "small", "served", "adapter"), None),
    (("models", "small", "served", "adapter", "name"), "x"),
    (("models", "small", "served", "adapter", "base"), "x"),
    (("models", "small", "served", "adapter", "revision"), "a" * 40),
    (("models", "small", "served", "adapter", "trained_on"), ()),
    (("models", "small", "served", "trained_on"), ()),
    (("retrieval", "manuals", "corpus"), "x"),
    (("retrieval", "manuals", "chunker"), "x"),
    (("retrieval", "manuals", "embedding_model"), "x"),
    (("retrieval", "manuals", "index"), {}),
    (("data_sets", "tickets", "file", "path"), "x"),
    (("data_sets", "tickets", "file", "digest"), OTHER),
    (("data_sets", "tickets", "rows"), None),
    (("data_sets", "tickets", "columns"), None),
    (("data_sets", "tickets", "parents"), ()),
    (("data_sets", "tickets", "parents", 0, "name"), "x"),
    (("data_sets", "tickets", "parents", 0, "digest"), OTHER),
    (("data_sets", "tickets", "transform"), None),
    (("data_sets", "tickets", "licence"), "x"),
    (("data_sets", "tickets", "source"), "x"),
    (("data_sets", "tickets", "purpose"), "other"),
    (("lock", "dependencies"), ()),
    (("lock", "python"), "x"),
)
"""A change of each field that is pinned."""
OPEN: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("root",), "/elsewhere"),
    (("environment",), "production"),
    (("schemas",), ()),
    (("gateway", "workers"), 7),
    (("control", "listen", "port"), 1),
    (("data", "directory"), "/elsewhere"),
    (("lock", "warn_days"), (1,)),
    (("models", "small", "name"), "other"),
    (("tasks", "triage", "name"), "other"),
    (("data_sets", "tickets", "name"), "other"),
    (("data_sets", "tickets", "pinned"), OTHER),
    (("retrieval", "manuals", "name"), "other"),
    (("models", "small", "replicas"), ("http://10.9.9.9:1",)),
    (("models", "small", "api_key"), Secret("file", "/run/secrets/other")),
    (("models", "small", "ca"), "/etc/ca.pem"),
    (("models", "small", "proxy"), "http://proxy:1"),
    (("models", "small", "prices"), (Price(Decimal(1), Decimal(2)),)),
    (("models", "small", "gpu"), Gpu("H200", 8, Decimal(9))),
    (("models", "small", "scrape"), None),
    (("alerting",), Alerting(defaults=False)),
    (("tasks", "triage", "alerts"), (AlertRule("floor", "parse_rate", "below", 0.9),)),
    (("tasks", "triage", "reviews"), (ReviewRule(("refund",)),)),
    (("tasks", "triage", "review_sample"), ReviewSample(0.5)),
    (("tasks", "triage", "volatile"), (("metadata", "id"),)),
    (("defaults", "volatile"), (("metadata", "id"),)),
    (("keep",), {"completed": 86_400.0}),
    (("tasks", "triage", "keep"), {"failed": 86_400.0}),
    (("experiments",), True),
    (("background",), Background(waiting=7)),
    (("tasks", "triage", "completion"), Completion(rule="outcome == 'ok'")),
    (("tasks", "triage", "evals"), Evals(scorers=(Scorer("exact", "exact"),))),
    (("models", "azure", "auth", "project"), "other"),
    (("models", "azure", "auth", "profile"), "other"),
    (("models", "azure", "auth", "credentials"), "/run/secrets/other"),
)
"""A change of each field that is not: it differs between environments, changes no answer, or is in the entry's name."""
OF_OTHERS = {
    "Gateway",
    "Listen",
    "Limits",
    "Control",
    "Data",
    "Price",
    "Gpu",
    "Secret",
    "Tls",
    "SchemaSource",
    "Scrape",
    "Alerting",
    "AlertRule",
    "Completion",
    "ReviewRule",
    "ReviewSample",
    "Background",
}
"""Structs of what is not pinned at all."""


def owners(project: Project, path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    """The structs and fields that a path goes through."""
    value: Any = project
    for step in path:
        if isinstance(value, Struct):
            assert isinstance(step, str)
            yield type(value).__name__, step
            value = getattr(value, step)
        else:
            value = value[step]


@pytest.mark.parametrize(
    ("path", "changed"), PINNED, ids=lambda given: ".".join(map(str, given)) if isinstance(given, tuple) else ""
)
def test_pinned(path: tuple[str | int, ...], changed: Any, project: Project, held: Lock) -> None:
    """A change of this field is one of the lock, and is told."""
    found = resolve(with_change(project, path, changed), held).lock
    assert found.lock_id != held.lock_id
    assert differences(held, found)


@pytest.mark.parametrize(
    ("path", "changed"), OPEN, ids=lambda given: ".".join(map(str, given)) if isinstance(given, tuple) else ""
)
def test_open(path: tuple[str | int, ...], changed: Any, project: Project, held: Lock) -> None:
    """A change of this field is none of the lock."""
    assert resolve(with_change(project, path, changed), held).lock == held


def structs(value: Any) -> Iterator[type[Struct]]:
    """The kinds of struct in a declaration."""
    if isinstance(value, Struct):
        yield type(value)
        for field in value.__struct_fields__:
            yield from structs(getattr(value, field))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from structs(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from structs(inner)


def test_no_field_is_forgotten(project: Project) -> None:
    """Every field of a declaration is either pinned or known not to be."""
    reached = {owner for path, _ in (*PINNED, *OPEN) for owner in owners(project, path)}
    kinds = {kind for kind in structs(project) if kind.__name__ not in OF_OTHERS}
    assert {Adapter, Golden, McpServer, Parent, Route, Turn} <= kinds
    assert {(kind.__name__, field) for kind in kinds for field in kind.__struct_fields__} - reached == set()
