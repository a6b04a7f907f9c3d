"""Whether a person is to be asked before a tool acts, by the rules of its task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trimtab.declare.conditions import compiled
from trimtab.declare.reviewing import ReviewRule


def asks(rule: ReviewRule, tool: str, effect: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a rule asks. A condition that stumbles over arguments that are not as it says asks, to be safe."""
    if tool not in rule.tools if rule.tools else effect == "read":
        return False
    facts = {"tool": tool, "effect": effect, "arguments": arguments}
    return not rule.when or compiled(rule.when).holds(facts, stumbled=True)


def rule_for(rules: Iterable[ReviewRule], tool: str, effect: str, arguments: Mapping[str, Any]) -> ReviewRule | None:
    """The first rule that asks before a tool acts; None where none does."""
    return next((rule for rule in rules if asks(rule, tool, effect, arguments)), None)
