"""The beginnings of what was asked and answered, by which calls are searched; whole bodies lie in the packs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 500
"""How much of a question and of an answer is kept for searching."""


@dataclass(frozen=True)
class CallText:
    """The beginning of a call's last question and of its answer; made only where the task's redaction keeps them.

    `at_ns` is when the call ended. What is longer than `MAX_CHARACTERS` is cut when it is stored.
    """

    call: str
    at_ns: int
    task: str
    asked: str = ""
    answered: str = ""
