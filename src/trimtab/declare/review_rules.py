"""The `review` and `review_sample` tables of a task.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from trimtab.declare import values
from trimtab.declare.alert_receivers import check_receivers
from trimtab.declare.conditions import condition
from trimtab.declare.contract import tool_name
from trimtab.declare.mistakes import nearest
from trimtab.declare.reviewing import FACTS, ROLES, Otherwise, ReviewRule, ReviewSample
from trimtab.declare.table import Table

MOST_RULES: Final = 64
SHORTEST_S: Final = 1.0
LONGEST_S: Final = 366 * 86_400.0
MOST_REVIEWERS: Final = 5
OTHERWISE: Final[values.Read[Otherwise]] = values.choice("reject", "approve")
DURATION: Final = values.duration(SHORTEST_S, LONGEST_S)


def read_reviews(table: Table, known_tools: Iterable[str]) -> tuple[ReviewRule, ...]:
    """The rules of a task, in the order in which they are tried."""
    rules = table.tables("review")
    if len(rules) > MOST_RULES:
        table.wrong("review", f"there are {len(rules)} rules of reviews", f"write at most {MOST_RULES}")
    return tuple(_read_rule(each, tuple(known_tools)) for each in rules[:MOST_RULES])


def read_review_sample(table: Table) -> ReviewSample:
    """How runs are sampled for people to look at."""
    usual = ReviewSample(0.0)
    return ReviewSample(
        share=table.required("share", values.number(0, 1, above=True), "0.02") or 0.0,
        reviewers=table.get("reviewers", values.whole(1, MOST_REVIEWERS), usual.reviewers),
        runs_a_day=table.get("runs_a_day", values.whole(1, 100_000), usual.runs_a_day),
        question=table.get("question", values.text, usual.question),
    )


def check_review_receivers(tasks: Mapping[str, Table], declared: Iterable[str]) -> None:
    """The receivers that rules of reviews name are declared."""
    receivers = tuple(declared)
    for table in tasks.values():
        for rule in table.tables("review"):
            check_receivers(rule, "receivers", receivers)
            escalate = rule.table("escalate")
            name = escalate.get("to", values.name, "")
            if name and name not in receivers:
                close = nearest(name, receivers)
                hint = f"did you mean {close}?" if close else f"declare [receivers.{name}] in trimtab.toml"
                escalate.wrong("to", f"there is no receiver {values.show(name)}", hint)


def _read_rule(table: Table, known: tuple[str, ...]) -> ReviewRule:
    usual = ReviewRule()
    tools = table.elements("tools", tool_name)
    for index, tool in tools:
        close = nearest(tool, known) if tool not in known else None
        if close:
            table.wrong_at(("tools", index), f"the task has no tool {values.show(tool)}", f"did you mean {close}?")
    escalate, expires_s = table.table("escalate"), table.get("expires", DURATION, None)
    escalate_s = escalate.required("after", DURATION, '"4h"') if "escalate" in table else None
    if expires_s is not None and escalate_s is not None and escalate_s >= expires_s:
        escalate.wrong("after", "it escalates after it has expired", "write a time shorter than expires")
    if "otherwise" in table and "expires" not in table:
        table.wrong("otherwise", "otherwise has no use where nothing expires", 'write expires = "24h" beside it')
    return ReviewRule(
        tools=tuple(tool for _, tool in tools),
        when=table.get("when", condition(*FACTS), usual.when),
        roles=table.each("roles", _role, single=True, example='"operator"') if "roles" in table else usual.roles,
        receivers=table.each("receivers", values.name),
        expires_s=expires_s,
        otherwise=table.get("otherwise", OTHERWISE, usual.otherwise),
        escalate_s=escalate_s,
        escalate_to=escalate.get("to", values.name, usual.escalate_to),
    )


def _role(value: object) -> str:
    """A role of keys, or the name of a key."""
    role = values.name(value)
    if role == "client":
        raise values.Wrong('"client", whose keys are for calls', f"use {', '.join(ROLES)}, or the name of a key")
    return role
