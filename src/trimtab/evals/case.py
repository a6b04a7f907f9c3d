"""A case: what goes in, what should come out, and what it belongs to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Case(Struct, frozen=True):
    """One row of a suite's data set.

    `inputs` are those of the task's prompt, `messages` the request's own in OpenAI's form; a case has either or both.
    `group` names the cases that belong together (a customer, a document); a case without one is a group by itself.
    `slices` are the names of the suite's conditions that hold for it.
    """

    id: str
    inputs: dict[str, Any] | None = None
    messages: tuple[dict[str, Any], ...] = ()
    expected: Any = None
    group: str = ""
    slices: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
