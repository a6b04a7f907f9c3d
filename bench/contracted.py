"""Calls under a schema, judged by a client that trusts nobody, and held against the records.

Each shape of `bench.shapes` is a task once for each policy. A call is streamed or not. What is delivered is parsed
strictly and validated here, by jsonschema-rs alone; what is not must end in a typed error.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import jsonschema_rs

from bench import chat, client
from bench.gateway import Gateway, Task
from bench.interrupted import PATIENCE_S, each
from bench.shapes import SHAPES, Shape

POLICIES = {
    "repair": 'output = { schema = "output.schema.json", on_invalid = "repair", repairs = 2 }',
    "reject": 'output = { schema = "output.schema.json", on_invalid = "reject" }',
    "held": 'output = { schema = "output.schema.json", on_invalid = "reject", hold = true }',
}
"""What a task does with an invalid answer: asks again, breaks off the stream, or lets nothing of it out."""
PATIENT = 'deadline = { connect = "10s", first_token = "300s", gap = "300s", total = "900s" }'
DEPTH = 128
LISTED = 1_000

Question = Callable[[Shape, int], dict[str, Any]]
"""The body that asks for a shape, for a call of this number."""


@dataclass
class Asked:
    """A call, what its client saw of it, and its record."""

    shape: str
    policy: str
    stream: bool
    body: dict[str, Any]
    said: chat.Said
    valid: bool
    record: dict[str, Any] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    """Tokens and picodollars of all attempts but the first, where the model was asked again."""


def tasks(model: str) -> dict[str, Task]:
    """A task for each shape and policy."""
    return {
        f"{shape.name}-{policy}": Task(model, f"{PATIENT}\n{settings}", {"output.schema.json": shape.text})
        for shape in SHAPES.values()
        for policy, settings in POLICIES.items()
    }


async def calls(opened: Gateway, count: int, at_once: int, question: Question, seed: int) -> list[Asked]:
    """So many calls, spread evenly over shapes, policies, and streams and whole answers."""
    kinds = [(shape, policy, stream) for shape in SHAPES for policy in POLICIES for stream in (True, False)]
    order = random.Random(seed).sample(range(count), count)

    async def one(number: int) -> Asked:
        shape, policy, stream = kinds[number % len(kinds)]
        target = opened.target(f"{shape}-{policy}")
        body = {**question(SHAPES[shape], seed * 1_000_000 + number), "stream": stream}
        answer = await client.ask(target, client.request(target, body), PATIENCE_S)
        said = chat.read(answer, stream=stream)
        return Asked(shape, policy, stream, body, said, said.end == "whole" and valid(said.text, SHAPES[shape].schema))

    return await each(order, at_once, one)


def valid(text: str, schema: dict[str, Any]) -> bool:
    """Whether a text is JSON that every reader reads alike (RFC 8259, I-JSON's names), and keeps the schema."""
    try:
        value = json.loads(text, parse_constant=_no, object_pairs_hook=_each_once)
        text.encode()
        json.dumps(value, ensure_ascii=False).encode()
        return bool(jsonschema_rs.validator_for(schema).is_valid(value))
    except (ValueError, RecursionError):
        return False


def _no(name: str) -> NoReturn:
    raise ValueError(name)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def read_records(asked: Sequence[Asked], opened: Gateway) -> list[str]:
    """Puts each call's record beside it; gives what the records have otherwise than the clients, in words."""
    opened.settle()
    records: dict[str, dict[str, Any]] = {}
    for task in tasks(""):
        for one in opened.told(f"/api/calls?task={task}&limit={LISTED}")["calls"]:
            records[one["admitted"]["call"]] = one
    wrong = []
    for one in asked:
        one.record = records.get(one.said.call, {})
        if not one.record:
            wrong.append(f"{one.said.call} ({one.shape}, {one.policy}): no record")
            continue
        wrong += [f"{one.said.call} ({one.shape}, {one.policy}): {words}" for words in disagreements(one)]
        if one.record.get("repairs"):
            spent = opened.call(one.said.call)["attempts"][1:]
            one.added = {
                "output": sum((each.get("usage") or {}).get("output", 0) for each in spent),
                "input": sum((each.get("usage") or {}).get("input", 0) for each in spent),
                "pusd": sum(each.get("cost_pusd") or 0 for each in spent),
            }
    return wrong


def wrongly_refused(asked: Sequence[Asked], opened: Gateway) -> list[str]:
    """Calls that were refused although the model's whole answer, as it was recorded, is valid.

    Of a stream that was stopped nobody knows what would have come.
    """
    found = []
    for one in asked:
        if one.stream or one.said.code != "output_invalid":
            continue
        recorded = opened.told(f"/api/calls/{one.said.call}/bodies")["response"]
        answer = chat.read(client.Answer(0.0, status=200, body=(recorded or "{}").encode(), whole=True), stream=False)
        if valid(answer.text, SHAPES[one.shape].schema):
            found.append(f"{one.said.call} ({one.shape}, {one.policy}): {answer.text}")
    return found


def disagreements(one: Asked) -> list[str]:
    """Where a record says something else than the client saw."""
    record, whole = one.record, one.said.end == "whole"
    found = []
    if (record["outcome"] == "ok") != whole:
        found.append(f"outcome {record['outcome']}, the client saw {one.said.end}")
    if whole and record.get("verdict") != "valid":
        found.append(f"delivered, with the verdict {record.get('verdict')!r}")
    if one.said.code == "output_invalid" and record.get("verdict") not in ("invalid", "truncated", "refused"):
        found.append(f"refused, with the verdict {record.get('verdict')!r}")
    if one.said.code and record["outcome"] != one.said.code:
        found.append(f"outcome {record['outcome']}, the client was told {one.said.code}")
    if record.get("repairs", 0) > (2 if one.policy == "repair" else 0):
        found.append(f"{record['repairs']} repairs")
    return found


def codes(asked: Sequence[Asked]) -> dict[str, int]:
    """The errors that clients got."""
    return dict(Counter(one.said.code for one in asked if one.said.code))
