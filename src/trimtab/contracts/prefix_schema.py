"""The keywords of one JSON Schema object, read into a `Node`; those that are not judged are left out.

Leaving out is sound: a schema of fewer keywords allows more. Not judged: `not`, `if`, `contains`, `dependent*`,
`dependencies`, `propertyNames`, `unevaluated*`, `format`, `content*`, dynamic references.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from trimtab.contracts.prefix_pattern import Pattern, PatternUnread
from trimtab.contracts.prefix_scalars import Amount, Limit, amount

Raw = object
"""A schema as it was parsed from JSON."""
Kind = Literal["object", "array", "string", "number", "true", "false", "null"]
KINDS: Final[tuple[Kind, ...]] = ("object", "array", "string", "number", "true", "false", "null")
OF_TYPE: Final[dict[str, tuple[Kind, ...]]] = {
    "object": ("object",),
    "array": ("array",),
    "string": ("string",),
    "number": ("number",),
    "integer": ("number",),
    "boolean": ("true", "false"),
    "null": ("null",),
}
DIALECTS: Final = {
    "http://json-schema.org/draft-04/schema": 4,
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
ANNOTATIONS: Final = frozenset({
    "$schema", "$id", "id", "$comment", "$defs", "definitions", "title", "description", "default", "example",
    "examples", "deprecated", "readOnly", "writeOnly",
})  # fmt: skip
"""Keywords that ask nothing of a value."""


def dialect(schema: Raw) -> int | None:
    """The draft that a schema is written in, 2020 for none named; None for one that is not known here."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return 2020
    return DIALECTS.get(str(named).removesuffix("#"))


class ObjectRule(NamedTuple):
    """The object keywords of one schema. A pattern is None where it is not judged."""

    properties: dict[str, Raw]
    patterns: tuple[tuple[Pattern | None, Raw], ...]
    additional: Raw
    required: tuple[str, ...]
    min_count: int
    max_count: int | None

    def closed(self) -> bool:
        """Whether the schema names every key that there may be."""
        return self.additional is False and not self.patterns

    def of_key(self, key: str) -> tuple[list[Raw], str]:
        """The schemas for the value of a key, and the keyword they come from."""
        found = []
        keyword = ""
        if key in self.properties:
            found.append(self.properties[key])
            keyword = "properties"
        for pattern, raw in self.patterns:
            fits = pattern.matches(key) if pattern is not None else None
            if fits is not False:
                keyword = keyword or "patternProperties"
            if fits:
                found.append(raw)
        if not keyword:
            found.append(self.additional)
        return found, keyword or "additionalProperties"


class ArrayRule(NamedTuple):
    """The array keywords of one schema: schemas of the first items and of all that follow, the keyword of these."""

    first: tuple[Raw, ...]
    rest: Raw
    rest_keyword: str
    min_count: int
    max_count: int | None
    unique: bool


class StringRule(NamedTuple):
    """The string keywords of one schema, enum and const apart."""

    min_length: int
    max_length: int | None
    pattern: Pattern | None


class NumberRule(NamedTuple):
    """The number keywords of one schema, enum and const apart."""

    integer: bool
    limits: tuple[Limit, ...]
    multiple: Amount | None


class Node:
    """One schema object: what it asks of each kind of value itself, and the schemas that it joins.

    `refused` names the keyword for each kind that it never allows; `texts` and `amounts` are the strings and numbers
    that enum or const leave, `named` says which; `every` are schemas that must hold as well, `some` groups of which
    one must (for one kind of value, or for all).
    """

    __slots__ = (
        "amounts", "array", "every", "named", "number", "object", "refused", "serial", "some", "string", "texts",
    )  # fmt: skip

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.refused: dict[Kind, str] = {}
        self.named = "enum"
        self.texts: tuple[str, ...] = ()
        self.amounts: tuple[Amount, ...] = ()
        self.string: StringRule | None = None
        self.number: NumberRule | None = None
        self.object: ObjectRule | None = None
        self.array: ArrayRule | None = None
        self.every: list[Raw] = []
        self.some: list[tuple[Kind | None, tuple[Raw, ...]]] = []

    def asks(self, kind: Kind) -> bool:
        """Whether its own keywords ask anything of a kind that it allows."""
        match kind:
            case "object":
                return self.object is not None
            case "array":
                return self.array is not None
            case "string":
                return self.string is not None or bool(self.texts)
            case "number":
                return self.number is not None or bool(self.amounts)
        return False

    def idle(self) -> bool:
        """Whether it allows everything."""
        return not (self.refused or self.every or self.some or any(self.asks(kind) for kind in KINDS))


def read(raw: Raw, draft: int, serial: int) -> Node:
    """Reads one schema object or boolean of a draft; what is no schema allows everything."""
    node = Node(serial)
    if raw is False:
        node.refused = dict.fromkeys(KINDS, "false")
    if not isinstance(raw, dict):
        return node
    types = raw.get("type")
    if not isinstance(types, (str, list)):
        types = list(OF_TYPE)
    names = {types} if isinstance(types, str) else {name for name in types if isinstance(name, str)}
    allowed = {kind for name in names for kind in OF_TYPE.get(name, KINDS)}
    node.refused = {kind: "type" for kind in KINDS if kind not in allowed}
    read_choices(raw, draft, node)
    node.string = read_string(raw)
    node.number = read_number(raw, draft, integer="integer" in names and "number" not in names)
    node.object = read_object(raw)
    node.array = read_array(raw, draft)
    if isinstance(raw.get("allOf"), list):
        node.every += raw["allOf"]
    for keyword in ("anyOf", "oneOf"):
        branches = raw.get(keyword)
        if isinstance(branches, list) and branches:
            values = constants(branches, draft)
            if values is None:
                node.some.append((None, tuple(branches)))
            else:
                node.every.append({"enum": values})
    return node


def constants(branches: list[Raw], draft: int) -> list[object] | None:
    """All values of branches that each list theirs, whatever else they ask; None if some branch does not."""
    values: list[object] = []
    for branch in branches:
        if not isinstance(branch, dict) or (draft <= 7 and "$ref" in branch):
            return None
        if draft > 4 and "const" in branch:
            values.append(branch["const"])
        elif isinstance(branch.get("enum"), list):
            values += branch["enum"]
        else:
            return None
    return values


def read_choices(raw: dict[str, object], draft: int, node: Node) -> None:
    """Reads enum and const; objects and arrays among their values become schemas that allow just these."""
    constant = draft > 4 and "const" in raw
    listed = raw.get("enum")
    if constant and isinstance(listed, list):
        node.every.append({"enum": listed})
    values = [raw["const"]] if constant else listed
    if not isinstance(values, list):
        return
    node.named = keyword = "const" if constant else "enum"
    of_kind: dict[Kind, list[object]] = {kind: [] for kind in KINDS}
    for value in values:
        of_kind[kind_of(value)].append(value)
    for kind, found in of_kind.items():
        if not found:
            node.refused.setdefault(kind, keyword)
        elif kind in ("object", "array"):
            node.some.append((kind, tuple(exactly(value, draft) for value in found)))
        elif kind == "number":
            amounts = [one for value in found if (one := number(value)) is not None]
            node.amounts = tuple(amounts) if len(amounts) == len(found) else ()
        elif kind == "string":
            node.texts = tuple(map(str, found))


def kind_of(value: object) -> Kind:
    """The kind of a parsed value."""
    match value:
        case True:
            return "true"
        case False:
            return "false"
        case None:
            return "null"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "number"


def exactly(value: object, draft: int) -> Raw:
    """A schema that allows one object or array and nothing else."""
    if isinstance(value, dict):
        return {
            "type": "object",
            "properties": {key: {"enum": [inner]} for key, inner in value.items()},
            "required": list(value),
            "additionalProperties": False,
        }
    items = [{"enum": [inner]} for inner in value] if isinstance(value, list) else []
    first = {"prefixItems": items} if draft >= 2020 else {"items": items}
    return {"type": "array", **first, "minItems": len(items), "maxItems": len(items)}


def count(raw: dict[str, object], keyword: str) -> int | None:
    """The value of a keyword that counts; None without."""
    value = raw.get(keyword)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        return None
    return int(value)


def read_string(raw: dict[str, object]) -> StringRule | None:
    """Reads minLength, maxLength and pattern."""
    text = raw.get("pattern")
    pattern = read_pattern(text) if isinstance(text, str) else None
    low, high = count(raw, "minLength") or 0, count(raw, "maxLength")
    return StringRule(low, high, pattern) if low or high is not None or pattern else None


def read_pattern(text: str) -> Pattern | None:
    """A regular expression; None for one that is not judged."""
    try:
        return Pattern(text)
    except PatternUnread:
        return None


def read_number(raw: dict[str, object], draft: int, *, integer: bool) -> NumberRule | None:
    """Reads the bounds, multipleOf and the type integer."""
    limits = []
    for keyword, upper in (("minimum", False), ("maximum", True)):
        exclusive_keyword = "exclusive" + keyword.capitalize()
        if bound := number(raw.get(keyword)):
            exclusive = draft == 4 and raw.get(exclusive_keyword) is True
            limits.append(Limit(exclusive_keyword if exclusive else keyword, bound, upper=upper, exclusive=exclusive))
        if draft > 4 and (bound := number(raw.get(exclusive_keyword))):
            limits.append(Limit(exclusive_keyword, bound, upper=upper, exclusive=True))
    multiple = number(raw.get("multipleOf"))
    if multiple is not None and multiple.double <= 0:
        multiple = None
    return NumberRule(integer, tuple(limits), multiple) if integer or limits or multiple else None


def number(value: object) -> Amount | None:
    """A parsed value as a number; None if it is none, or not judged."""
    return amount(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def read_object(raw: dict[str, object]) -> ObjectRule | None:
    """Reads properties, patternProperties, additionalProperties, required and the limits on how many there are."""
    properties = raw.get("properties")
    patterns = raw.get("patternProperties")
    required = raw.get("required")
    rule = ObjectRule(
        properties if isinstance(properties, dict) else {},
        tuple((read_pattern(text), inner) for text, inner in patterns.items()) if isinstance(patterns, dict) else (),
        raw.get("additionalProperties", True),
        tuple(key for key in required if isinstance(key, str)) if isinstance(required, list) else (),
        count(raw, "minProperties") or 0,
        count(raw, "maxProperties"),
    )
    return rule if rule != ObjectRule({}, (), True, (), 0, None) else None


def read_array(raw: dict[str, object], draft: int) -> ArrayRule | None:
    """Reads the keywords of items and their number; `items` as a list is the older form of `prefixItems`."""
    items = raw.get("items", True)
    first: object = ()
    rest, keyword = items, "items"
    if draft >= 2020:
        first = raw.get("prefixItems")
    elif isinstance(items, list):
        first, rest, keyword = items, raw.get("additionalItems", True), "additionalItems"
    rule = ArrayRule(
        tuple(first) if isinstance(first, list) else (),
        True if isinstance(rest, list) else rest,
        keyword,
        count(raw, "minItems") or 0,
        count(raw, "maxItems"),
        raw.get("uniqueItems") is True,
    )
    return rule if rule != ArrayRule((), True, keyword, 0, None, False) else None
