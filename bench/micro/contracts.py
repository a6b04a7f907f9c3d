"""What contracts cost: CPU of holding an answer and its tool calls against their schemas.

`python bench/micro/contracts.py` prints microseconds of CPU (user and system, one process) by the size of the answer:
the median of many calls, each timed alone, for answers that differ from one another.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence

from trimtab.contracts.reply import ToolCall
from trimtab.contracts.toolcalls import Toolbox, ToolSpec
from trimtab.contracts.validate import Validator

ANSWERS = 500
WORDS = ("late", "parcel", "invoice", "refund", "please", "order", "since", "Tuesday", "été", "the", "a", "customer")
ITEM = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{6}$"},
        "kind": {"enum": ["billing", "delivery", "refund", "other"]},
        "amount": {"type": "number", "minimum": 0, "maximum": 100_000},
        "date": {"type": "string", "format": "date"},
        "note": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]},
        "urgent": {"type": "boolean"},
    },
    "required": ["id", "kind", "amount"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "language": {"enum": ["en", "fr", "de"]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 500},
    },
    "required": ["summary", "language", "items"],
    "additionalProperties": False,
    "$defs": {"item": ITEM},
}


def text(source: random.Random, words: int) -> str:
    """Prose of a number of words."""
    return " ".join(source.choices(WORDS, k=words))


def answer(source: random.Random, size: int) -> str:
    """A valid answer of about `size` bytes, as models write JSON: with a space after every colon and comma."""
    said = {"summary": text(source, 25), "language": "en", "items": []}
    while len(json.dumps(said, ensure_ascii=False).encode()) < size - 90:
        said["items"].append(
            {
                "id": f"AB{source.randrange(10**6):06}",
                "kind": source.choice(ITEM["properties"]["kind"]["enum"]),
                "amount": source.randrange(10**6) / 100,
                "date": f"2026-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}",
                "note": text(source, 6) if source.random() < 0.7 else None,
                "urgent": source.random() < 0.5,
            }
        )
    return json.dumps(said, ensure_ascii=False)


def medians(acts: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """The 50th and 99th percentile of microseconds of CPU of one act, after one round to warm up."""
    for act in acts:
        act()
    taken = []
    for _ in range(4):
        for act in acts:
            began = time.thread_time_ns()
            act()
            taken.append((time.thread_time_ns() - began) / 1000)
    cuts = statistics.quantiles(taken, n=100)
    return cuts[49], cuts[98]


def line(what: str, acts: Sequence[Callable[[], object]]) -> None:
    """Prints one figure."""
    middle, high = medians(acts)
    print(f"{what}: p50 {middle:.1f} us, p99 {high:.1f} us")


def valid(validator: Validator, said: str) -> None:
    """One answer that must be valid."""
    assert not validator.check(said).faults


def called(tools: list[ToolSpec], said: str) -> None:
    """The tool call of one answer, of a request that brought its tools."""
    assert Toolbox(tools).check(ToolCall("", "tool7", said)).outcome == "valid"


def main() -> None:
    """Prints one figure a line."""
    source = random.Random(3)
    schema = json.dumps(SCHEMA)
    validator = Validator(schema)
    tools = [ToolSpec(f"tool{number}", schema) for number in range(100)]
    for size in (1_000, 10_000):
        answers = [answer(source, size) for _ in range(ANSWERS)]
        mean = statistics.fmean(len(said.encode()) for said in answers)
        name = f"{mean:.0f} B"
        line(f"answer of {name}, valid", [lambda said=said: valid(validator, said) for said in answers])
        line(f"tool call of {name}, 100 tools", [lambda said=said: called(tools, said) for said in answers])
        line(
            f"answer and tool call of {name} each",
            [lambda said=said: (valid(validator, said), called(tools, said)) for said in answers],
        )
        broken = [
            said.replace('"kind": "', '"kind": "x', 1).replace('"urgent": true', '"urgent": 1') for said in answers
        ]
        line(f"answer of {name}, invalid", [lambda said=said: validator.check(said) for said in broken])
        cut = [said[:-20] for said in answers]
        line(f"answer of {name}, cut off", [lambda said=said: validator.check(said) for said in cut])
    line("compiling this schema", [lambda: Validator(schema)] * 50)


if __name__ == "__main__":
    main()
