"""What a row is as a case: what goes in, what is expected to come out, and what is neither."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from trimtab.data.text import texts, words

OUTPUTS: Final = frozenset(
    {"expected", "observed", "label", "labels", "answer", "output", "completion", "target", "response"}
)
"""Fields that hold what comes out."""
ASIDE: Final = frozenset({"id", "call", "calls", "meta", "metadata", "tags", "split", "source", "note", "notes", "at"})
"""Fields that say something about a row; two rows that differ in them alone are the same case."""


class Case(NamedTuple):
    """A row taken apart: digests of its inputs and of its expected answer (empty for none), the words that go in, and
    how many texts these stand in.
    """

    inputs: bytes
    expected: bytes
    words: list[str]
    texts: int


def case(row: dict[str, Any]) -> Case:
    """A row as a case."""
    given = inputs(row)
    outputs = {key: value for key, value in row.items() if key in OUTPUTS and key != "observed"}
    if "messages" in row and "inputs" not in row and not outputs:
        outputs = {"messages": row["messages"][len(given) :]} if isinstance(given, list) else {}
        outputs = {key: value for key, value in outputs.items() if value}
    said = list(texts(_spoken(given)))
    return Case(_digest(given), _digest(outputs) if outputs else b"", words("\n".join(said)), len(said))


def inputs(row: dict[str, Any]) -> Any:
    """What goes in: `inputs`; else `messages` without the answer that ends them; else all but outputs and asides."""
    messages = row.get("messages")
    if "inputs" in row:
        return {"inputs": row["inputs"], "messages": messages} if messages else row["inputs"]
    if isinstance(messages, list):
        ends = bool(messages) and isinstance(messages[-1], dict) and messages[-1].get("role") == "assistant"
        return messages[:-1] if ends else messages
    return {key: value for key, value in row.items() if key not in OUTPUTS and key not in ASIDE}


def _spoken(given: Any) -> Any:
    """Of messages, what users and tools said: a system prompt is the task's, not the case's."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        return given
    said = [one.get("content") for one in given if one.get("role") not in {"system", "developer"}]
    return said or [one.get("content") for one in given]


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).digest()
