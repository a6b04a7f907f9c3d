"""The beginnings of what was asked and answered, by which calls are searched; whole bodies lie in the packs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_CHARACTERS: Final = 500
"""How much of a question and of an answer is kept for searching."""
MAX_FIELDS: Final = 40
"""How many readings of each kind are kept with a call."""


@dataclass(frozen=True)
class CallText:
    """The beginning of a call's last question and of its answer; made only where the task's redaction keeps them.

    `at_ns` is when the call ended. `categories` and `numbers` are what was read of it, by the names of fields of
    readings, so that the calls behind a reading are found. What is longer than `MAX_CHARACTERS`, and fields past
    `MAX_FIELDS`, are cut off when it is stored.
    """

    call: str
    at_ns: int
    task: str
    asked: str = ""
    answered: str = ""
    categories: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


def bounded(text: CallText) -> CallText:
    """The text as it is stored: cut to its bounds, and what is no character (half of a surrogate pair) replaced."""
    return CallText(
        text.call,
        text.at_ns,
        text.task,
        _cut(text.asked),
        _cut(text.answered),
        {_cut(name): _cut(value) for name, value in list(text.categories.items())[:MAX_FIELDS]},
        {_cut(name): float(value) for name, value in list(text.numbers.items())[:MAX_FIELDS]},
    )


def _cut(text: str) -> str:
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
