"""What people are asked before a tool acts, and about runs that are over: declared rules, as frozen structs.

Durations are seconds.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Otherwise = Literal["reject", "approve"]
FACTS: Final = ("tool", "effect", "arguments")
"""What a rule may read of what is about to be done."""
ROLES: Final = ("viewer", "operator", "admin")
"""Roles of keys, from least to most; whoever has a higher one may do what a lower one may."""


class ReviewRule(Struct, frozen=True):
    """When a person is asked before a tool acts, who that may be, and what holds if nobody decides.

    Without `tools` it is about every tool that does not only read. `roles` are roles of keys, or names of keys, of
    which one is enough. `receivers` are told when somebody is asked; none means those of the task's owner. Of what
    nobody has decided `escalate_s` later, the receiver `escalate_to` is told; `expires_s` later `otherwise` holds.
    """

    tools: tuple[str, ...] = ()
    when: str = ""
    roles: tuple[str, ...] = ("operator",)
    receivers: tuple[str, ...] = ()
    expires_s: float | None = None
    otherwise: Otherwise = "reject"
    escalate_s: float | None = None
    escalate_to: str = ""


class ReviewSample(Struct, frozen=True):
    """How many runs of a task are looked at by people after they have ended, each by so many, by themselves."""

    share: float
    reviewers: int = 1
    runs_a_day: int = 50
    question: str = "Did this run do what it should?"
