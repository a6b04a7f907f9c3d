"""The readings of one call, out of what was read of its bodies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from trimtab.record.events import Confidence, Settled
from trimtab.signals.readings.language import language
from trimtab.signals.readings.sketch import sketch
from trimtab.store.readings import Reading, ReadingKind

ANSWER: Final = "answer/"
CONFIDENCE: Final = "confidence/"
INPUT: Final = "input/"
LANGUAGE: Final = "input.language"
SKETCH: Final = "input.sketch"
MAX_INPUTS: Final = 32
MAX_CONFIDENCES: Final = 33
"""Fields of one call whose confidence is kept, the whole answer's among them."""
ANY_ITEM: Final = "*"


class Said(NamedTuple):
    """What an answer says in a watched field: the field's JSON pointer, and its category or number."""

    pointer: str
    kind: ReadingKind
    value: str | float


@dataclass(frozen=True)
class Contents:
    """What was read of a call's bodies; what is empty was not kept or could not be read.

    `asked` is the text that was asked, `inputs` are those of the task's prompt, `said` what the answer says in the
    fields that the task's schema names, `watched` the pointers of all such fields.
    """

    asked: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    said: Sequence[Said] = ()
    watched: frozenset[str] = frozenset()


def field_name(prefix: str, pointer: str) -> str:
    """The name of a field under `answer/` or `confidence/`: its JSON pointer without the first slash."""
    return prefix + pointer.removeprefix("/")


def readings_of(call: Settled, contents: Contents) -> tuple[Reading, ...]:
    """All readings of a call; the same of the same call and contents."""
    admitted = call.admitted
    return tuple(
        Reading(
            at_ns=call.at_ns,
            call=admitted.call,
            environment=admitted.environment,
            task=admitted.task,
            model=call.model or admitted.model,
            prompt=admitted.prompt,
            lock=admitted.lock,
            field=name,
            kind="category" if isinstance(value, str) else "number",
            value=value if isinstance(value, str) else "-" if value < 0 else "",
            number=0.0 if isinstance(value, str) else value,
        )
        for name, value in _values(call, contents)
    )


def _values(call: Settled, contents: Contents) -> Iterator[tuple[str, str | float]]:
    for one in contents.said:
        yield field_name(ANSWER, one.pointer), one.value
    yield from _inputs(contents.inputs)
    if contents.asked:
        for name, found in ((LANGUAGE, language(contents.asked)), (SKETCH, sketch(contents.asked))):
            if found:
                yield name, found
    yield from _confidences(call.confidence, contents.watched)


def _inputs(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str | float]]:
    """Truths and numbers as they are. Texts are what people write, and are not kept here."""
    for name in sorted(inputs)[:MAX_INPUTS]:
        value = inputs[name]
        if isinstance(value, bool):
            yield INPUT + name, "true" if value else "false"
        elif isinstance(value, (int, float)):
            number = _finite(value)
            if number is not None:
                yield INPUT + name, number


def _confidences(confidence: Mapping[str, Confidence], watched: frozenset[str]) -> Iterator[tuple[str, float]]:
    """The mean probability of the whole answer and of its watched fields; items of arrays count as one field."""
    kept = 0
    for pointer, of_field in confidence.items():
        place = "" if pointer == "" else _watched_place(pointer, watched)
        if place is not None and kept < MAX_CONFIDENCES:
            kept += 1
            yield field_name(CONFIDENCE, place), of_field.mean


def _watched_place(pointer: str, watched: frozenset[str]) -> str | None:
    """The watched field that a pointer is of, if it is of one."""
    if pointer in watched:
        return pointer
    place = "/".join(ANY_ITEM if token.isdecimal() else token for token in pointer.split("/"))
    return place if place in watched else None


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
