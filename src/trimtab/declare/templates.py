"""The template language of prompts: Jinja2 in a sandbox, cut down until rendering is bounded by its inputs.

What could run away or reach out is taken away: macros, recursion, inclusion, global state, string formatting, powers
and repetition; loops draw on a budget of steps. What is left reads inputs, chooses, and repeats over lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache, wraps
from itertools import islice
from typing import Any, Final

from jinja2 import StrictUndefined, Template, Undefined, nodes, pass_context, pass_environment
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.meta import TrackingCodeGenerator
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS: Final = 100_000
"""Rounds of all loops of one turn together."""
MAX_RANGE: Final = 10_000
MAX_CHARACTERS: Final = 8 << 20
"""Length of one turn, and of what a single filter may make."""
STEPS: Final = "\0steps"
METHOD: Final = "\0method"
FOREIGN_NODES: Final = (
    nodes.Macro,
    nodes.CallBlock,
    nodes.Block,
    nodes.Extends,
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
)
STANDARD_FILTERS: Final = (
    "abs capitalize count d default dictsort first float groupby int items last length list lower map max min "
    "reject rejectattr select selectattr sort string title trim truncate unique upper wordcount"
)
LAZY_FILTERS: Final = "items map reject rejectattr select selectattr unique"
"""Those that give generators, which would be written with their place in memory: here they give lists."""
REMEMBERED: Final = 512
MAX_NESTING: Final = 64
"""Levels of tags and expressions within each other; each of a chain such as `x | trim | upper` is one."""
MAX_NODES: Final = 20_000
"""Tags, expressions, their parts and the pieces of text between them: making code of so many takes about a second."""
SHALLOW: Final = 15
"""Nesting that Python compiles in any case: it takes 20 loops within each other, and 100 levels of blocks."""
NESTED: Final = (SyntaxError, RecursionError, MemoryError, OverflowError, ValueError)
"""What Python raises for a template that is nested beyond its own limits."""
METHODS: Final = (
    "count endswith find get index items keys lower lstrip rstrip split splitlines startswith strip title upper "
    "values cycle changed"
)
"""What may be called on a value; none of them makes more than it was given."""


class TooLarge(TemplateError):
    """A rendering that went over one of its bounds."""


class Missing(StrictUndefined):
    """What is not there: an error also where it stands within a list that is written."""

    __slots__ = ()
    __repr__ = StrictUndefined.__str__


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 as prompts have it; without autoescape, as prompts are not HTML, and without its optimizer, which takes
    time with the cube of the length of a chain.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=Missing, autoescape=False, trim_blocks=True, lstrip_blocks=True, optimized=False)
        self.globals = {"range": _range}
        self.filters = {name: FILTERS[name] for name in STANDARD_FILTERS.split()} | OWN_FILTERS
        self.filters |= {name: _listed(FILTERS[name]) for name in LAZY_FILTERS.split()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Products and remainders of numbers that fit 64 bits; no repetition, formatting or powers."""
        both = (left, right)
        if operator == "**" or not all(isinstance(side, (int, float)) and abs(side) < 2**63 for side in both):
            raise SecurityError(f"{operator} is not available in prompts but for * and % of numbers below 2^63")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Data, and methods that make no more than they were given."""
        return super().is_safe_attribute(obj, attr, value) and (not callable(value) or attr in METHODS.split())

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`order.items` is the order's entry of that name, and no method: that would be written with its place in
        memory.
        """
        return self._data(obj, attribute, self.method(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The same of `order["items"]`."""
        return self._data(obj, argument, super().getitem(obj, argument))

    def method(self, obj: Any, name: str) -> Any:
        """What `order.items()` calls: the entry of that name goes before the method."""
        if isinstance(obj, dict) and name in obj:
            return obj[name]
        return super().getattr(obj, name)

    def _data(self, obj: Any, name: Any, found: Any) -> Any:
        is_method = callable(found) and not isinstance(found, Undefined)
        return self.undefined(obj=obj, name=name) if is_method else found


@lru_cache(maxsize=REMEMBERED)
def inputs_of(source: str) -> frozenset[str]:
    """The inputs a template names; raises `TemplateSyntaxError`, with its line, for what no prompt may have.

    Of a template that is nested so little that Python compiles it in any case, the code is not made for that.
    """
    if not any(begin in source for begin in ("{{", "{%", "{#")):
        return frozenset()
    try:
        tree = _environment().parse(source)
        depth = _depth(tree)
        inputs = undeclared(tree, _environment())
        if depth > SHALLOW:
            _compiled_tree(tree)
    except NESTED as failure:
        raise TemplateSyntaxError("it is nested too deep", 1) from failure
    return inputs


def undeclared(tree: nodes.Template, environment: PromptEnvironment) -> frozenset[str]:
    """The names that a template looks up in its inputs: `find_undeclared_variables` without the optimizer."""
    found = TrackingCodeGenerator(environment)
    found.optimizer = None
    found.visit(tree)
    return frozenset(found.undeclared_identifiers)


def inclusions(source: str) -> list[tuple[str, int]]:
    """What a template includes, in the order of its text: names and lines; raises `TemplateSyntaxError`.

    A name is a plain string, and nothing is said beside it.
    """
    found = []
    try:
        tree = _environment().parse(source)
        _depth(tree, including=True)
        for node in tree.find_all(nodes.Include):
            name = node.template
            if not isinstance(name, nodes.Const) or not isinstance(name.value, str):
                raise TemplateSyntaxError("what is included must be named by a plain string", node.lineno)
            if node.ignore_missing or not node.with_context:
                raise TemplateSyntaxError("nothing may follow the name of what is included", node.lineno)
            found.append((name.value, node.lineno))
    except NESTED as failure:
        raise TemplateSyntaxError("it is nested too deep", 1) from failure
    return found


def check(source: str) -> None:
    """Raises `TemplateSyntaxError` for a shared part that is no template by itself; it may include others."""
    try:
        _depth(_environment().parse(source), including=True)
    except NESTED as failure:
        raise TemplateSyntaxError("it is nested too deep", 1) from failure


def compiled(source: str) -> Template:
    """The template, ready to be rendered; raises `TemplateSyntaxError`."""
    tree = _environment().parse(source)
    _depth(tree)
    return _compiled_tree(tree)


def render(template: Template, inputs: Mapping[str, Any]) -> str:
    """The rendered text; raises `TooLarge` at a bound and what Jinja2 and Python raise for unfit inputs."""
    parts, length = [], 0
    for part in template.generate({**inputs, STEPS: _Steps(MAX_STEPS)}):
        length += len(part)
        if length > MAX_CHARACTERS:
            raise TooLarge(f"a turn became longer than {MAX_CHARACTERS} characters")
        parts.append(part)
    return "".join(parts)


class _Steps:
    """What is left of a rendering's budget of loop rounds."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, values: Iterable[Any]) -> list[Any]:
        """The values as a list, paid for."""
        taken = list(islice(values, self.left + 1))
        if len(taken) > self.left:
            raise TooLarge(f"the loops of a turn ran for more than {MAX_STEPS} rounds")
        self.left -= len(taken)
        return taken


@pass_context
def _paid(context: Context, values: Iterable[Any]) -> list[Any]:
    steps: _Steps = context[STEPS]
    return steps.take(values)


@pass_environment
def _method(environment: PromptEnvironment, obj: Any, name: str) -> Any:
    return environment.method(obj, name)


def _listed(lazy: Callable[..., Iterable[Any]]) -> Callable[..., list[Any]]:
    @wraps(lazy)
    def found(*arguments: Any, **named: Any) -> list[Any]:
        return list(lazy(*arguments, **named))

    return found


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise TooLarge(f"range() gives more than {MAX_RANGE} numbers")
    return found


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as it is, unlike Jinja2's own filter, which escapes it for HTML."""
    if indent is not None and not 0 <= indent <= 8:
        raise TooLarge("tojson indents by 0 to 8")
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _join(values: Iterable[Any], separator: str = "") -> str:
    texts = [str(value) for value in values]
    _check_length(sum(map(len, texts)) + len(str(separator)) * len(texts))
    return str(separator).join(texts)


def _replace(text: str, old: str, new: str) -> str:
    text, old, new = str(text), str(old), str(new)
    _check_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    _check_length(len(text) + (text.count("\n") + 1) * width)
    lines = text.split("\n")
    return "\n".join(" " * width + line if line and (first or number) else line for number, line in enumerate(lines))


def _round(value: float, digits: int = 0) -> float:
    if not -20 <= digits <= 20:
        raise TooLarge("round takes -20 to 20 digits")
    return round(float(value), digits)


def _sum(values: Iterable[float]) -> float:
    """Of numbers only: sums of lists would take quadratic time."""
    return sum(values)


def _check_length(length: int) -> None:
    if length > MAX_CHARACTERS:
        raise TooLarge(f"a filter would make more than {MAX_CHARACTERS} characters")


OWN_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "tojson": _tojson,
    "join": _join,
    "replace": _replace,
    "indent": _indent,
    "round": _round,
    "sum": _sum,
    STEPS: _paid,
    METHOD: _method,
}


@cache
def _environment() -> PromptEnvironment:
    return PromptEnvironment()


def _depth(tree: nodes.Template, *, including: bool = False) -> int:
    """How deep a template is nested; raises `TemplateSyntaxError` for the first thing that prompts do not have."""
    deepest = count = 0
    open_nodes: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while open_nodes:
        node, depth = open_nodes.pop()
        deepest, count = max(deepest, depth), count + 1
        _hold_to_bounds(node, depth, count)
        foreign = "" if including and isinstance(node, nodes.Include) else _foreign(node)
        if foreign:
            raise TemplateSyntaxError(f"{foreign} is not available in prompts", node.lineno)
        inner: list[nodes.Node] = []
        for field in node.fields:
            value = getattr(node, field, None)
            if isinstance(value, nodes.Node) and not (isinstance(node, nodes.Call) and isinstance(value, nodes.Name)):
                inner.append(value)
            elif isinstance(value, list):
                inner.extend(item for item in value if isinstance(item, nodes.Node))
        open_nodes.extend((child, depth + 1) for child in reversed(inner))
    return deepest


def _hold_to_bounds(node: nodes.Node, depth: int, count: int) -> None:
    if depth > MAX_NESTING:
        what = f"it is nested too deep, over {MAX_NESTING} levels; name parts of it with {{% set %}}"
        raise TemplateSyntaxError(what, node.lineno)
    if count > MAX_NODES:
        raise TemplateSyntaxError(f"it has over {MAX_NODES} tags, expressions and texts; say it in fewer", node.lineno)


def _foreign(node: nodes.Node) -> str:
    """What a node asks for that prompts do not have; empty if it is one of theirs."""
    environment = _environment()
    if isinstance(node, FOREIGN_NODES):
        return type(node).__name__.lower()
    if isinstance(node, nodes.For) and node.recursive:
        return "a recursive loop"
    if isinstance(node, nodes.Filter) and node.name not in environment.filters:
        return f"the filter {node.name}"
    if isinstance(node, nodes.Test) and node.name not in environment.tests:
        return f"the test {node.name}"
    if isinstance(node, nodes.Name):
        return "range without its numbers" if (node.name, node.ctx) == ("range", "load") else ""
    if isinstance(node, nodes.Call):
        return _foreign_call(node.node) or _repeated(node)
    return _repeated(node) if isinstance(node, (nodes.Filter, nodes.Test)) else ""


def _foreign_call(called: nodes.Node) -> str:
    if isinstance(called, nodes.Name):
        return "" if called.name == "range" else f"{called.name}()"
    if isinstance(called, nodes.Getattr):
        return "" if called.attr in METHODS.split() else f"{called.attr}()"
    return "this call"


def _repeated(node: nodes.Call | nodes.Filter | nodes.Test) -> str:
    """A named argument that is given twice, which is no Python."""
    names = [keyword.key for keyword in node.kwargs]
    return next((f"the argument {name} twice" for name in names if names.count(name) > 1), "")


def _compiled_tree(tree: nodes.Template) -> Template:
    """The tree with every loop drawing on the budget, and methods only where they are called, as a template."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, STEPS, [], [], None, None, lineno=loop.lineno)
    for call in list(tree.find_all(nodes.Call)):
        if isinstance(call.node, nodes.Getattr):
            name = nodes.Const(call.node.attr, lineno=call.lineno)
            call.node = nodes.Filter(call.node.node, METHOD, [name], [], None, None, lineno=call.lineno)
    environment = _environment()
    tree.set_environment(environment)
    code = environment.compile(tree)
    return Template.from_code(environment, code, environment.make_globals(None))
