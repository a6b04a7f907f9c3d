"""Conditions over what is known of a call, in one line: expressions of Jinja2, of which only bounded ones are taken.

There are comparisons, `and`, `or`, `not`, `in`, sums of numbers, choices, and a few filters and tests; nothing is
called, repeated, formatted or looped over. So a condition takes time in proportion to its length and to its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from trimtab.declare import values
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.templates import NESTED, PromptEnvironment, undeclared

MAX_CHARACTERS: Final = 1000
MAX_DEPTH: Final = 50
"""How deep a condition may be nested, the terms of a chain counted: to compile one takes time with its depth cubed."""
FILTERS: Final = "abs count default first float int last length lower max min string trim upper"
TESTS: Final = "boolean defined float in integer mapping none number sequence string undefined"
NODES: Final = (
    nodes.Template,
    nodes.Output,
    nodes.Add,
    nodes.And,
    nodes.Compare,
    nodes.CondExpr,
    nodes.Const,
    nodes.Filter,
    nodes.Getattr,
    nodes.Getitem,
    nodes.List,
    nodes.Name,
    nodes.Neg,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Sub,
    nodes.Test,
    nodes.Tuple,
)
"""What a condition may be made of."""
FAILS: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What a condition stumbles over in data that is not as it says."""


class Condition(NamedTuple):
    """A condition, ready to be held against facts; `names` are those that it reads."""

    text: str
    names: frozenset[str]
    expression: TemplateExpression

    def holds(self, facts: Mapping[str, Any], *, stumbled: bool = False) -> bool:
        """Whether it holds; `stumbled` is said of one that stumbles over what is not there or of another kind."""
        try:
            return bool(self.expression(**{name: facts[name] for name in self.names & facts.keys()}))
        except FAILS:
            return stumbled


def condition(*names: str) -> values.Read[str]:
    """Reads a condition over these names, as its text."""

    def read(value: object) -> str:
        text = values.text(value)
        try:
            found = compiled(text)
        except TemplateSyntaxError as wrong:
            raise values.Wrong(f"no condition: {wrong.message}", f'write one such as "{EXAMPLE}"') from None
        for name in sorted(found.names - set(names)):
            close = nearest(name, names)
            hint = f"did you mean {close}?" if close else f"use {one_of(names)}"
            raise values.Wrong(f"a condition on {values.show(name)}, which is not known of a call", hint)
        return text

    return read


EXAMPLE: Final = "outcome == 'ok' and answer.label is defined"


@lru_cache(maxsize=512)
def compiled(text: str) -> Condition:
    """The condition of a text; raises `TemplateSyntaxError` for what none may hold."""
    if len(text) > MAX_CHARACTERS:
        raise TemplateSyntaxError(f"it is longer than {MAX_CHARACTERS} characters", 1)
    environment = _environment()
    try:
        tree = environment.parse("{{ (" + text + "\n) }}")
        for node in _all(tree):
            _check(node)
        names = undeclared(tree, environment)
        expression = environment.compile_expression(text, undefined_to_none=False)
    except NESTED as failure:
        raise TemplateSyntaxError("it is nested too deep", 1) from failure
    return Condition(text, names, expression)


def _all(tree: nodes.Node) -> list[nodes.Node]:
    found, waiting = [], [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise TemplateSyntaxError(f"it is nested too deep; use {MAX_DEPTH} terms at most", node.lineno)
        found.append(node)
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())
    return found


def _check(node: nodes.Node) -> None:
    kind = type(node).__name__.lower()
    if not isinstance(node, NODES):
        raise TemplateSyntaxError(f"{WORDS.get(kind, kind)} has no place in a condition", node.lineno)
    if isinstance(node, nodes.Output) and len(node.nodes) != 1:
        raise TemplateSyntaxError("it is more than one expression", node.lineno)
    if isinstance(node, nodes.Name) and node.name in {"self", "super"}:
        raise TemplateSyntaxError(f"{node.name} has no place in a condition", node.lineno)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS.split():
        raise TemplateSyntaxError(f"the filter {node.name} has no place in a condition", node.lineno)
    if isinstance(node, nodes.Test) and node.name not in TESTS.split():
        raise TemplateSyntaxError(f"the test {node.name} has no place in a condition", node.lineno)


WORDS: Final = {
    "call": "calling something",
    "concat": "~",
    "dict": "an object",
    "div": "/",
    "mod": "%",
    "mul": "*",
    "pow": "**",
    "slice": "a slice",
}


@cache
def _environment() -> PromptEnvironment:
    environment = PromptEnvironment()
    environment.globals = {}
    return environment
