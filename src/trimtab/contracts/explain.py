"""Finds where an invalid value breaks its schema.

A validator that lists every error of every branch of a union takes time exponential in the depth of the value when the
schema is recursive (seconds at depth 8). Here whole subschemas only say yes or no, and the walk goes down where they
say no: into a branch of a union only if it is the one meant, by its type and its constants.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import jsonschema_rs

from trimtab.contracts.compiling import Bounds, Options, References, options, pointer
from trimtab.contracts.faults import MAX_FAULTS, MAX_PATH, Fault, cut
from trimtab.contracts.wording import forms, wording

MAX_STEPS = 2_000
"""Subschemas found broken for one value, after which the walk goes no deeper."""

ASSERTIONS = (
    "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties",
    "required", "dependentRequired",
)  # fmt: skip
"""Keywords that stand for themselves: each can be asked alone."""
OPAQUE = (
    "contains", "unevaluatedProperties", "unevaluatedItems", "dependencies", "$dynamicRef", "$recursiveRef", "$ref",
)  # fmt: skip
"""Keywords that are named as the fault when nothing else explains it."""


class Spot(NamedTuple):
    """A part of the value and the subschema it is held against, each with its place.

    `shown` are the tokens of the place in the value as records may hold them.
    """

    value: Any
    schema: Any
    at: tuple[str, ...]
    path: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def under(self, schema: Any, *tokens: str) -> Spot:
        """The same value held against a subschema."""
        return self._replace(schema=schema, at=(*self.at, *tokens))

    def inside(self, token: str, value: Any, schema: Any, *tokens: str, named: bool) -> Spot:
        """A part of the value held against a subschema."""
        shown = (*self.shown, token if named else "*")
        return Spot(value, schema, (*self.at, *tokens), (*self.path, token), shown)


class Explainer:
    """Explains values that break one schema; compiles its parts when it is first asked."""

    def __init__(self, schema: dict[str, Any] | bool, bounds: Bounds) -> None:
        self._schema = schema
        self._bounds = bounds
        self._class = jsonschema_rs.validator_cls_for(schema)
        self._alone: dict[tuple[str, str], jsonschema_rs.Validator] = {}

    @cached_property
    def _options(self) -> Options:
        return options(self._bounds)

    @cached_property
    def _parts(self) -> jsonschema_rs.ValidatorMap:
        return jsonschema_rs.validator_map_for(self._schema, **self._options)

    @cached_property
    def _references(self) -> References:
        return References(self._schema)

    def faults(self, value: object) -> tuple[Fault, ...]:
        """At least one fault and at most `MAX_FAULTS` of a value that is known to be invalid, in the order of paths."""
        walk = _Walk(self)
        whole = Spot(value, self._schema, ())
        walk.go(whole)
        if not walk.found:
            walk.add(whole, "schema", None)
        return tuple(sorted(walk.found, key=lambda fault: (fault.path, fault.keyword)))

    def accepts(self, spot: Spot) -> bool:
        """Whether a part of the value is valid against a subschema; a place that was not compiled accepts nothing."""
        if isinstance(spot.schema, bool):
            return spot.schema
        compiled = self._parts.get("#" + pointer(spot.at))
        return compiled is not None and compiled.is_valid(spot.value)

    def alone(self, schema: dict[str, Any], value: object) -> bool:
        """Whether a value is valid against keywords that need nothing of the rest of the schema."""
        key = (repr(schema), self._class.__name__)
        compiled = self._alone.get(key)
        if compiled is None:
            if len(self._alone) >= 512:
                self._alone.clear()
            compiled = self._alone[key] = self._class(schema, **self._options)
        return compiled.is_valid(value)

    def target(self, spot: Spot) -> Spot | None:
        """The subschema that a `$ref` leads to; None where `$id`s inside make that a question of base URIs."""
        part = None if self._references.embedded else self._references.follow(spot.schema.get("$ref"))
        return None if part is None else spot._replace(schema=part.schema, at=part.tokens)

    def resolved(self, spot: Spot) -> Spot:
        """The spot behind a chain of references."""
        for _ in range(16):
            if not isinstance(spot.schema, dict) or "$ref" not in spot.schema:
                break
            target = self.target(spot)
            if target is None:
                break
            spot = target
        return spot

    @property
    def ref_alone(self) -> bool:
        """Whether `$ref` hides what stands beside it, as up to draft 7."""
        return self._class.__name__ in {"Draft4Validator", "Draft6Validator", "Draft7Validator"}

    @property
    def old_arrays(self) -> bool:
        """Whether `items` may be a list and `prefixItems` means nothing, as before draft 2020-12."""
        return self._class.__name__ != "Draft202012Validator"


class _Walk:
    """One explanation: the faults so far, the steps left, and where the walk is, to end circles of references.

    `_noted` also counts faults that were known already or had no room: what they explain is explained.
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer
        self._steps = MAX_STEPS
        self._open: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        self._noted = 0
        self.found: list[Fault] = []

    def add(self, spot: Spot, keyword: str, limit: Any, value: object = None) -> None:
        """Notes a fault, once for each place and keyword."""
        self._noted += 1
        if len(self.found) >= MAX_FAULTS:
            return
        path = pointer(spot.path)
        message = wording(keyword, limit, spot.value if value is None else value)
        place = f"{cut(pointer(spot.shown), MAX_PATH)}: {keyword}"
        if all((fault.path, fault.keyword) != (path, keyword) for fault in self.found):
            self.found.append(Fault(path, keyword, message, place))

    def go(self, spot: Spot) -> None:
        """Adds what is wrong with a spot, if anything is."""
        mark = (spot.at, spot.path)
        if len(self.found) >= MAX_FAULTS or self._steps <= 0:
            self._noted += 1
            return
        if mark in self._open or self._explainer.accepts(spot):
            return
        self._steps -= 1
        if not isinstance(spot.schema, dict):
            self.add(spot, "false", None)
            return
        before = self._noted
        self._open.add(mark)
        self._look(spot, spot.schema)
        self._open.discard(mark)
        if self._noted == before:
            unexplained = next((keyword for keyword in OPAQUE if keyword in spot.schema), "schema")
            self.add(spot, unexplained, None)

    def _look(self, spot: Spot, schema: dict[str, Any]) -> None:
        if "$ref" in schema:
            target = self._explainer.target(spot)
            if target is not None:
                self.go(target)
            if self._explainer.ref_alone:
                return
        if "type" in schema and not self._explainer.alone({"type": schema["type"]}, spot.value):
            self.add(spot, "type", schema["type"])
            return
        self._assertions(spot, schema)
        if isinstance(spot.value, dict):
            self._object(spot, schema)
        if isinstance(spot.value, list):
            self._array(spot, schema)
        self._in_place(spot, schema)

    def _assertions(self, spot: Spot, schema: dict[str, Any]) -> None:
        for keyword in ASSERTIONS:
            exclusive = f"exclusive{keyword.capitalize()}"
            if keyword not in schema or (keyword.startswith("exclusive") and isinstance(schema[keyword], bool)):
                continue
            asked = {keyword: schema[keyword]}
            if isinstance(schema.get(exclusive), bool):
                asked[exclusive] = schema[exclusive]
            if not self._explainer.alone(asked, spot.value):
                self.add(spot, keyword, schema[keyword])

    def _object(self, spot: Spot, schema: dict[str, Any]) -> None:
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        extra = []
        for name, value in spot.value.items():
            taken = name in known
            if taken:
                self.go(spot.inside(name, value, known[name], "properties", name, named=True))
            for pattern, inner in patterns.items():
                if self._explainer.alone({"pattern": pattern}, name):
                    taken = True
                    self.go(spot.inside(name, value, inner, "patternProperties", pattern, named=False))
            if not taken:
                extra.append(name)
        self._extra(spot, schema, extra)
        if "propertyNames" in schema:
            for name in spot.value:
                if not self._explainer.accepts(
                    spot._replace(value=name).under(schema["propertyNames"], "propertyNames")
                ):
                    self.add(spot, "propertyNames", None, name)
        for name, inner in schema.get("dependentSchemas", {}).items():
            if name in spot.value:
                self.go(spot.under(inner, "dependentSchemas", name))

    def _extra(self, spot: Spot, schema: dict[str, Any], names: list[str]) -> None:
        allowed = schema.get("additionalProperties", True)
        if names and allowed is False:
            self.add(spot, "additionalProperties", list(schema.get("properties", ())), names)
        elif allowed is not True:
            for name in names:
                self.go(spot.inside(name, spot.value[name], allowed, "additionalProperties", named=False))

    def _array(self, spot: Spot, schema: dict[str, Any]) -> None:
        keyword, rest = "prefixItems", "items"
        if isinstance(schema.get("items"), list):
            keyword, rest = "items", "additionalItems"
        first = schema.get(keyword, []) if keyword == "items" or not self._explainer.old_arrays else []
        for index, (value, inner) in enumerate(zip(spot.value, first, strict=False)):
            self.go(spot.inside(str(index), value, inner, keyword, str(index), named=True))
        others = schema.get(rest, True)
        if others is False and len(spot.value) > len(first):
            self.add(spot, rest, len(first))
        elif others is not True:
            for index in range(len(first), len(spot.value)):
                self.go(spot.inside(str(index), spot.value[index], others, rest, named=True))

    def _in_place(self, spot: Spot, schema: dict[str, Any]) -> None:
        for index, inner in enumerate(schema.get("allOf", ())):
            self.go(spot.under(inner, "allOf", str(index)))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                self._union(spot, schema[keyword], keyword)
        if "not" in schema and self._explainer.accepts(spot.under(schema["not"], "not")):
            self.add(spot, "not", None)
        if "if" in schema:
            branch = "then" if self._explainer.accepts(spot.under(schema["if"], "if")) else "else"
            if branch in schema:
                self.go(spot.under(schema[branch], branch))

    def _union(self, spot: Spot, branches: list[Any], keyword: str) -> None:
        spots = [spot.under(branch, keyword, str(index)) for index, branch in enumerate(branches)]
        valid = sum(self._explainer.accepts(branch) for branch in spots)
        if valid == 1 or (valid and keyword == "anyOf"):
            return
        before = self._noted
        if not valid:
            meant = [branch for branch in spots if self._meant(self._explainer.resolved(branch))]
            if len(meant) == 1:
                self.go(meant[0])
        if self._noted == before:
            self.add(spot, keyword, forms([self._explainer.resolved(branch).schema for branch in spots]))

    def _meant(self, spot: Spot) -> bool:
        schema, value = spot.schema, spot.value
        if not isinstance(schema, dict):
            return False
        for keyword in ("type", "const", "enum"):
            if keyword in schema and not self._explainer.alone({keyword: schema[keyword]}, value):
                return False
        if not isinstance(value, dict):
            return True
        properties = schema.get("properties", {})
        return all(
            self._explainer.alone({"enum": [inner["const"]] if "const" in inner else inner["enum"]}, value[name])
            for name, inner in properties.items()
            if name in value and isinstance(inner, dict) and ("const" in inner or len(inner.get("enum", ())) == 1)
        )
