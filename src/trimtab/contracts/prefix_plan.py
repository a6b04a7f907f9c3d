"""A schema as an incremental validator needs it: the ways to satisfy it, found when they are first asked for.

A value must satisfy a `Goal`, several schemas at once. For each kind of value a goal comes apart into shapes, each
without alternatives or references; a value satisfies the goal if it satisfies one shape. What would make too many
shapes is left out, which allows more. `oneOf` counts as `anyOf`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final
from urllib.parse import unquote

from trimtab.contracts.prefix_pattern import Pattern
from trimtab.contracts.prefix_scalars import NumberShape, StringShape
from trimtab.contracts.prefix_schema import (
    ANNOTATIONS,
    ArrayRule,
    Kind,
    Node,
    ObjectRule,
    Raw,
    dialect,
    read,
)

MAX_SHAPES: Final = 64
"""Ways to satisfy one schema that are followed."""
MAX_GOALS: Final = 4096
"""Goals of one plan; a further one allows everything."""
MAX_KEPT: Final = 16_384
"""Shapes of one plan; a goal that would make more allows everything."""
MAX_STEPS: Final = 4000
"""Schemas looked at, and alternatives joined, for the shapes of one goal; further ones allow everything."""
MAX_PARTS: Final = 64
"""Schemas that one shape is made of; further ones are left out."""
MAX_JOINED: Final = 48
"""Schemas joined to one another at one place (allOf in allOf, references); deeper ones allow everything."""
MAX_HOPS: Final = 32

Parts = frozenset[Node]
"""Nodes whose own keywords must all hold."""


class ObjectShape:
    """The object keywords of one way to satisfy a goal."""

    __slots__ = ("_children", "_names", "_plan", "_rules", "counts", "free", "max_count", "min_count", "required")

    def __init__(self, plan: Plan, rules: tuple[ObjectRule, ...]) -> None:
        self._plan = plan
        self._rules = rules
        self._children: dict[str, Goal | str] = {}
        self.free = not rules
        self.counts = any(rule.min_count or rule.max_count is not None for rule in rules)
        self.required = frozenset(key for rule in rules for key in rule.required)
        self.min_count = max((rule.min_count for rule in rules), default=0)
        self.max_count = min((rule.max_count for rule in rules if rule.max_count is not None), default=None)
        closed = [set(rule.properties) for rule in rules if rule.closed()]
        self._names: list[str] | None = None
        if closed:
            names = set.intersection(*closed)
            self._names = sorted(name for name in names if not isinstance(self.child(name), str))

    def child(self, key: str) -> Goal | str:
        """What the value of a key must satisfy, or the keyword that forbids the key."""
        found = self._children.get(key)
        if found is None:
            found = self._child(key)
            if any(key in rule.properties for rule in self._rules):
                self._children[key] = found
        return found

    def _child(self, key: str) -> Goal | str:
        joined: list[Raw] = []
        for rule in self._rules:
            raws, keyword = rule.of_key(key)
            if any(raw is False for raw in raws):
                return keyword
            joined += raws
        return self._plan.goal(joined)

    def may_begin(self, key: str) -> bool:
        """Whether some allowed key begins so."""
        names = self._names
        if names is None:
            return True
        at = bisect_left(names, key)
        return at < len(names) and names[at].startswith(key)

    def end(self, keys: set[str]) -> str:
        """The keyword that an object of these keys does not satisfy, or ""."""
        if not self.required <= keys:
            return "required"
        return "minProperties" if len(keys) < self.min_count else ""


class ArrayShape:
    """The array keywords of one way to satisfy a goal."""

    __slots__ = ("_children", "_plan", "_rules", "_same_from", "free", "max_count", "min_count", "unique")

    def __init__(self, plan: Plan, rules: tuple[ArrayRule, ...]) -> None:
        self._plan = plan
        self._rules = rules
        self._same_from = max((len(rule.first) for rule in rules), default=0)
        self._children: dict[int, Goal | str] = {}
        self.free = not rules
        self.unique = any(rule.unique for rule in rules)
        self.min_count = max((rule.min_count for rule in rules), default=0)
        self.max_count = min((rule.max_count for rule in rules if rule.max_count is not None), default=None)

    def child(self, index: int) -> Goal | str:
        """What the item at an index must satisfy, or the keyword that forbids it."""
        if self.max_count is not None and index >= self.max_count:
            return "maxItems"
        place = min(index, self._same_from)
        found = self._children.get(place)
        if found is None:
            found = self._children[place] = self._child(place)
        return found

    def _child(self, index: int) -> Goal | str:
        joined: list[Raw] = []
        for rule in self._rules:
            within = index < len(rule.first)
            raw = rule.first[index] if within else rule.rest
            if raw is False:
                return "prefixItems" if within else rule.rest_keyword
            joined.append(raw)
        return self._plan.goal(joined)


Shape = ObjectShape | ArrayShape | StringShape | NumberShape | None
"""None stands for true, false and null: nothing more can be asked of them."""


class Goal:
    """What a value must satisfy: all of some schemas."""

    __slots__ = ("_nodes", "_plan", "_shapes", "reasons")

    def __init__(self, plan: Plan, nodes: tuple[Node, ...]) -> None:
        self._plan = plan
        self._nodes = nodes
        self._shapes: dict[Kind, tuple[Shape, ...]] = {}
        self.reasons: dict[Kind, str] = {}
        """The keyword that leaves no shape, for each kind asked for that has none."""

    def shapes(self, kind: Kind) -> tuple[Shape, ...]:
        """The ways for a value of a kind; none if the goal refuses the kind, a single free one if all is allowed."""
        found = self._shapes.get(kind)
        if found is None:
            apart = Apart(self._plan, kind)
            shapes = [shaped(self._plan, kind, parts) for parts in apart.joined(self._nodes)]
            kept = [shape for shape in shapes if not isinstance(shape, str)]
            free = [shape for shape in kept if shape is None or shape.free]
            found = tuple(free[:1] or kept)
            if not self._plan.keeps(len(found)):
                found = self._plan.anything.shapes(kind)
            self._shapes[kind] = found
            if not found:
                self.reasons[kind] = next((shape for shape in shapes if isinstance(shape, str)), apart.reason)
        return found


class Apart:
    """Takes schemas apart into alternatives for one kind of value. `reason`: the keyword that first refused it."""

    def __init__(self, plan: Plan, kind: Kind) -> None:
        self.plan = plan
        self.kind = kind
        self.reason = ""
        self.steps = 0
        self.within: list[Node] = []

    def joined(self, nodes: tuple[Node, ...]) -> list[Parts]:
        """The alternatives of schemas that must all hold."""
        found: list[Parts] = [frozenset()]
        for node in nodes:
            found = self.product(found, self.single(node))
        return found

    def single(self, node: Node) -> list[Parts]:
        """The alternatives of one schema; everything is allowed where it meets itself, and beyond the limits."""
        self.steps += 1
        if node in self.within or self.steps > MAX_STEPS or len(self.within) >= MAX_JOINED:
            return [frozenset()]
        if self.kind in node.refused:
            self.reason = self.reason or node.refused[self.kind]
            return []
        self.within.append(node)
        found: list[Parts] = [frozenset((node,)) if node.asks(self.kind) else frozenset()]
        for raw in node.every:
            found = self.product(found, self.single(self.plan.node(raw)))
        for kind, branches in node.some:
            if found and kind in (None, self.kind):
                found = self.product(found, self.some(branches))
        self.within.pop()
        return found

    def some(self, branches: tuple[Raw, ...]) -> list[Parts]:
        """The alternatives of which any will do."""
        found: dict[Parts, None] = {}
        for raw in branches:
            found.update(dict.fromkeys(self.single(self.plan.node(raw))))
            if frozenset() in found or len(found) > MAX_SHAPES:
                return [frozenset()]
        return list(found)

    def product(self, first: list[Parts], second: list[Parts]) -> list[Parts]:
        """Each alternative of the one with each of the other; the second is left out where they would be too many."""
        made = len(first) * len(second)
        self.steps += made
        if made > MAX_SHAPES or (made and self.steps > MAX_STEPS):
            return first
        joined = [one | other if len(one) + len(other) <= MAX_PARTS else one for one in first for other in second]
        return list(dict.fromkeys(joined))


def shaped(plan: Plan, kind: Kind, parts: Parts) -> Shape | str:
    """The shape of nodes that must all hold, or the keyword by which they exclude each other."""
    nodes = sorted(parts, key=lambda node: node.serial)
    match kind:
        case "object":
            return ObjectShape(plan, tuple(node.object for node in nodes if node.object is not None))
        case "array":
            return ArrayShape(plan, tuple(node.array for node in nodes if node.array is not None))
        case "string":
            return string_shape(nodes)
        case "number":
            return number_shape(nodes)
    return None


def string_shape(nodes: list[Node]) -> StringShape | str:
    """The shape of a string, or the keyword of an enumeration that has no value in common with the others."""
    rules = [node.string for node in nodes if node.string is not None]
    listing = [node for node in nodes if node.texts]
    choices = None
    if listing:
        common = set.intersection(*(set(node.texts) for node in listing))
        choices = tuple(text for text in listing[0].texts if text in common)
        if not choices:
            return listing[-1].named
    lengths = [rule.max_length for rule in rules if rule.max_length is not None]
    patterns: list[Pattern] = [rule.pattern for rule in rules if rule.pattern is not None]
    return StringShape(
        listing[0].named if listing else "",
        choices,
        max((rule.min_length for rule in rules), default=0),
        min(lengths, default=None),
        tuple(patterns),
    )


def number_shape(nodes: list[Node]) -> NumberShape:
    """The shape of a number."""
    rules = [node.number for node in nodes if node.number is not None]
    return NumberShape(
        any(rule.integer for rule in rules),
        tuple(limit for rule in rules for limit in rule.limits),
        tuple(rule.multiple for rule in rules if rule.multiple is not None),
        tuple((node.named, node.amounts) for node in nodes if node.amounts),
    )


def is_resource(raw: Raw, draft: int) -> bool:
    """Whether a schema within another has an identity or a dialect of its own."""
    if not isinstance(raw, dict):
        return False
    named = [raw.get(keyword) for keyword in ("id" if draft == 4 else "$id", "$schema")]
    return any(isinstance(name, str) and not name.startswith("#") for name in named)


def embeds(schema: Raw, draft: int) -> bool:
    """Whether a schema holds another with an identity, from which references start, or a dialect of its own."""
    waiting = list(schema.values()) if isinstance(schema, dict) else []
    while waiting:
        value = waiting.pop()
        if is_resource(value, draft):
            return True
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False


class Plan:
    """A schema made ready for incremental validation; shared by all streams, one thread at a time.

    References are followed within the schema, by JSON Pointer; others, and all in a schema that embeds one with an
    identity of its own, allow everything. So does the whole schema if its `$schema` is not the address of draft 4, 6,
    7, 2019-09 or 2020-12.
    """

    def __init__(self, schema: Raw) -> None:
        draft = dialect(schema)
        self._schema = schema if draft is not None else True
        self._draft = draft or 2020
        self._embeds = embeds(self._schema, self._draft)
        self._nodes: dict[int, tuple[Raw, Node]] = {}
        self._goals: dict[tuple[int, ...], Goal] = {}
        self._kept = 0
        self.anything = Goal(self, ())
        self.root = self.goal([self._schema])

    def goal(self, raws: list[Raw]) -> Goal:
        """The goal of satisfying all of some schemas."""
        nodes = {node.serial: node for node in map(self.node, raws) if not node.idle()}
        serials = tuple(sorted(nodes))
        if not serials:
            return self.anything
        found = self._goals.get(serials)
        if found is None:
            if len(self._goals) >= MAX_GOALS:
                return self.anything
            found = self._goals[serials] = Goal(self, tuple(nodes[serial] for serial in serials))
        return found

    def keeps(self, shapes: int) -> bool:
        """Whether there is room for some more shapes, which it then counts."""
        if self._kept + shapes > MAX_KEPT:
            return False
        self._kept += shapes
        return True

    def node(self, raw: Raw) -> Node:
        """The node of a schema; what only refers to another schema is that one."""
        raw = self._target(raw)
        if self._embeds and raw is not self._schema and is_resource(raw, self._draft):
            raw = True
        known = self._nodes.get(id(raw))
        if known is None:
            node = read(raw, self._draft, len(self._nodes))
            if isinstance(raw, dict) and isinstance(raw.get("$ref"), str) and self._draft > 7:
                node.every.append({"$ref": raw["$ref"]})
            known = self._nodes[id(raw)] = (raw, node)
        return known[1]

    def _target(self, raw: Raw) -> Raw:
        for _ in range(MAX_HOPS):
            if not (isinstance(raw, dict) and isinstance(raw.get("$ref"), str)):
                return raw
            if self._draft > 7 and not raw.keys() <= ANNOTATIONS | {"$ref"}:
                return raw
            raw = self._referred(raw["$ref"])
        return True

    def _referred(self, reference: str) -> Raw:
        """The schema that a reference names; True for one that is not followed."""
        if self._embeds or "%2f" in reference.lower() or not (reference == "#" or reference.startswith("#/")):
            return True
        found: Raw = self._schema
        for part in unquote(reference).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and key.isascii() and int(key) < len(found):
                found = found[int(key)]
            else:
                return True
        return found if isinstance(found, (dict, bool)) else True


def compile_plan(schema: Raw) -> Plan:
    """Makes a parsed JSON Schema ready, once for all streams; the schema must not be changed afterwards."""
    return Plan(schema)
