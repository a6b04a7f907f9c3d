"""What incremental validation costs: microseconds a chunk of four characters, and how long a schema takes to prepare.

    python -m bench.micro.incremental [--rounds N] [--chunk CHARACTERS]

The answer is about 1 KB of JSON under a schema of 20 fields: strings with enumerations, patterns and limits, numbers,
an array of objects behind a reference, and a union.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from trimtab.contracts.incremental import Incremental, compile_plan

TEXT = {"type": "string", "maxLength": 300}
ITEM = {
    "type": "object",
    "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"}, "count": {"type": "integer"}},
    "required": ["sku", "count"],
    "additionalProperties": False,
}
FIELDS: dict[str, tuple[dict[str, object], object]] = {
    "ticket": ({"type": "string", "pattern": "^T-[0-9]{6}$"}, "T-204417"),
    "label": ({"enum": ["billing", "shipping", "returns", "other"]}, "shipping"),
    "priority": ({"type": "integer", "minimum": 1, "maximum": 5}, 3),
    "confidence": ({"type": "number", "minimum": 0, "maximum": 1}, 0.87),
    "customer": (TEXT, "Amaru Quispe"),
    "language": ({"type": "string", "minLength": 2, "maxLength": 5}, "en"),
    "summary": (TEXT, "The parcel was delivered to a neighbour; two of five items are missing from the box, and the "
        "photograph at the door shows another house number than the one in the order."),
    "items": ({"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 20}, [
        {"sku": "AB-1034", "count": 2}, {"sku": "QX-0001", "count": 1}, {"sku": "ZZ-7719", "count": 12},
    ]),
    "refund": ({"anyOf": [{"type": "null"}, {"type": "number", "multipleOf": 0.01}]}, 25.5),
    "currency": ({"type": ["string", "null"], "enum": ["EUR", "USD", None]}, "EUR"),
    "escalate": ({"type": "boolean"}, False),
    "due": ({"type": "string", "format": "date"}, "2026-11-02"),
    "tags": ({"type": "array", "items": TEXT, "uniqueItems": True}, ["parcel", "missing items", "neighbour"]),
    "address": ({"type": "object", "properties": {"city": TEXT, "zip": TEXT}}, {"city": "Lyon", "zip": "69003"}),
    "channel": ({"const": "mail"}, "mail"),
    "reply": (TEXT, "Dear customer, we are sorry to hear that.\nWe shall send the missing items again today, by "
        "express, and they "
        "will be with you on Thursday. You need not return anything."),
    "sentiment": ({"type": "number"}, -0.25),
    "duplicate_of": ({"type": ["string", "null"]}, None),
    "handled_by": (TEXT, "desk 4"),
    "note": ({"type": "string"}, "First contact; the carrier's \"proof of delivery\" names no one."),
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {name: schema for name, (schema, _) in FIELDS.items()},
    "required": list(FIELDS),
    "additionalProperties": False,
    "$defs": {"item": ITEM},
}


def measure(rounds: int, size: int) -> dict[str, list[float]]:
    """Seconds a chunk, of the slowest chunk and of a first answer, once for each round."""
    text = json.dumps({name: value for name, (_, value) in FIELDS.items()})
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    preparing, feeding, slowest = [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        plan = compile_plan(SCHEMA)
        first = Incremental(plan)
        if not all(first.feed(chunk) for chunk in chunks) or not first.complete:
            raise SystemExit(f"the answer was refused: {first!r}")
        preparing.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        feed = Incremental(plan).feed
        for chunk in chunks:
            feed(chunk)
        feeding.append((time.perf_counter() - begin) / len(chunks))
        feed = Incremental(plan).feed
        worst = 0.0
        for chunk in chunks:
            begin = time.perf_counter()
            feed(chunk)
            worst = max(worst, time.perf_counter() - begin)
        slowest.append(worst)
    return {"a chunk": feeding, "slowest chunk": slowest, "first answer": preparing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=4)
    arguments = parser.parse_args()
    print(f"chunks of {arguments.chunk} characters, {len(FIELDS)} fields, n={arguments.rounds}")
    for name, found in measure(arguments.rounds, arguments.chunk).items():
        us = [1e6 * each for each in found]
        print(f"us, {name:14}: {statistics.median(us):8.2f} ({min(us):.2f}-{max(us):.2f})")


if __name__ == "__main__":
    main()
