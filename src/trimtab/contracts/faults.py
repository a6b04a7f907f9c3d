"""Where a value breaks its schema, in words for the model that is asked to answer again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

MAX_FAULTS = 8
MAX_MESSAGE = 400
MAX_PATH = 200


class Fault(NamedTuple):
    """One place at which an answer breaks its schema.

    `path` is a JSON pointer (RFC 6901) into the answer, `keyword` the keyword of the schema that it breaks ("json" for
    a text that is not JSON), `message` says what is wrong and what is allowed. `place` is for records: path and keyword
    with `*` for every property name that the schema does not have, so that it holds nothing of the answer.
    """

    path: str
    keyword: str
    message: str
    place: str


def complaint(faults: Sequence[Fault]) -> str:
    """What the model is told of an invalid answer when it is asked again; at most some 4 KiB."""
    return (
        "The answer does not match the required JSON Schema:\n"
        f"{listed(faults)}\n"
        "Answer again with the whole corrected JSON value and nothing else: no explanation, no code fence."
    )


def listed(faults: Sequence[Fault]) -> str:
    """The faults, one a line."""
    return "\n".join(f"- {_where(fault)}: {fault.message}" for fault in faults[:MAX_FAULTS])


def _where(fault: Fault) -> str:
    return cut(fault.path, MAX_PATH) or "the whole"


def cut(text: str, limit: int) -> str:
    """The text, shortened in its middle to `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def preview(value: object, limit: int = 60) -> str:
    """A value as JSON of at most `limit` characters, however large it is."""
    if isinstance(value, str):
        return cut(json.dumps(value[: limit + 1], ensure_ascii=False), limit)
    if isinstance(value, dict):
        return f"an object of {len(value)} properties" if value else "{}"
    if isinstance(value, list):
        return f"an array of {len(value)} items" if value else "[]"
    if isinstance(value, int) and value.bit_length() > 256:
        return "an integer of more than 77 digits"
    return json.dumps(value)


def choices(values: Sequence[object], limit: int = 240) -> str:
    """The values as JSON, as many as have room, and how many more there are."""
    shown: list[str] = []
    room = limit
    for value in values:
        text = cut(json.dumps(value, ensure_ascii=False), 80)
        if shown and len(text) > room:
            break
        shown.append(text)
        room -= len(text) + 2
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
