# Made from runs/asking.py by `python -m trimtab.runs.generate`; change that one, and make this again.
"""Models' calls as steps of a run, held against the checks of their task before the program goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.runs.blocking.answering import answer
from trimtab.runs.blocking.checking import checked_reply
from trimtab.runs.models import Asked, Message, Reply, messages_of


def model(task: str, messages: Sequence[Message] | str = (), /, **inputs: Any) -> Reply:
    """What the task's model answers to its prompt with these inputs, and to messages behind it; a text is a user's.

    Raises `ModelFailed`, and `CheckFailed` where the answer does not pass a check.
    """
    asked = Asked(task, messages_of(messages), inputs)
    return checked_reply(asked, answer(asked))
