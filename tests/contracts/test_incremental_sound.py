"""What the validator accepts is never refused on the way, and what is judged is refused by its end at the latest."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.contracts.incremental import Incremental, compile_plan
from trimtab.contracts.validate import Validator

KEYS = st.sampled_from(["a", "ab", "b", "é", "\U0001f600", "", 'q"/\\'])
TEXTS = st.text(alphabet='abc0é"\\/\n\U0001f600', max_size=4)
NUMBERS = st.one_of(
    st.integers(-12, 120),
    st.sampled_from([0.5, 1.0, -2.5, 0.1, 0.3, 1e-7, 12.25, 1e20, 2**60, 123456789012345678901234567890]),
    st.floats(-1e6, 1e6),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)
NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


def name_of(value):
    return NAMES.get(type(value), "null")


class SchemaFor:
    """Draws schemas that a value satisfies, of draft 2020-12 or 7; their definitions gather in `defs`."""

    def __init__(self, draw):
        self.draw = draw
        self.defs = {}
        self.older = self.maybe()

    def maybe(self):
        return self.draw(st.booleans())

    def whole(self, value):
        schema = self.schema(value, 0)
        if not isinstance(schema, dict):
            return schema
        if self.older and "$ref" in schema:
            schema = {"allOf": [schema]}
        dialect = {"$schema": "http://json-schema.org/draft-07/schema#"} if self.older else {}
        return {**dialect, **schema, "$defs": self.defs}

    def schema(self, value, depth):
        form = self.draw(st.sampled_from(["own"] * 6 + ["any", "const", "enum", "all", "some", "one", "ref"]))
        if form == "own" or depth > 4:
            return self.own(value, depth)
        if form == "any":
            return self.draw(st.sampled_from([True, {}, {"description": "anything"}]))
        if form == "const":
            return {"const": value}
        if form == "enum":
            others = self.draw(st.lists(VALUES, max_size=3))
            return {"enum": self.draw(st.permutations([*others, value]))}
        if form == "all":
            return {"allOf": [self.schema(value, depth + 1), self.schema(value, depth + 1)]}
        if form == "some":
            others = [self.schema(self.draw(VALUES), depth + 1) for _ in range(self.draw(st.integers(0, 2)))]
            return {"anyOf": self.draw(st.permutations([*others, self.schema(value, depth + 1)]))}
        if form == "one":
            return {"oneOf": self.draw(st.permutations([False, {"not": {}}, self.schema(value, depth + 1)]))}
        name = f"d/{len(self.defs)}~"
        self.defs[name] = True
        self.defs[name] = self.schema(value, depth + 1)
        beside = {"type": "null"} if self.older and self.maybe() else {}
        return {"$ref": "#/$defs/" + name.replace("~", "~0").replace("/", "~1"), **beside}

    def own(self, value, depth):
        schema = {}
        if self.maybe():
            others = self.draw(st.lists(st.sampled_from(["object", "array", "string", "null", "boolean"]), max_size=2))
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            named = "integer" if name_of(value) == "number" and whole and self.maybe() else name_of(value)
            schema["type"] = sorted({named, *others}) if self.maybe() else named
        keywords = getattr(self, name_of(value), None)
        for asked in keywords(value, depth) if keywords is not None else ():
            if self.maybe():
                schema.update(asked)
        return schema

    def string(self, value, depth):
        cut = self.draw(st.integers(0, len(value)))
        pieces = [
            self.draw(st.sampled_from([re.escape(char), "[^\\u0001]", f"(?:x|{re.escape(char)})"])) for char in value
        ]
        pieces += [self.draw(st.sampled_from(["", "y?", "z*", "(?:u{0,3})"]))]
        begun = "".join(pieces[:cut])
        return [
            {"minLength": cut},
            {"maxLength": len(value) + self.draw(st.integers(0, 2))},
            {"pattern": self.draw(st.sampled_from([f"^{''.join(pieces)}$", begun, f"^{begun}", "(?!x)x|"]))},
        ]

    def number(self, value, depth):
        asked = [
            {"minimum": value - self.draw(st.integers(0, 9))},
            {"maximum": value + self.draw(st.integers(0, 9))},
            {"exclusiveMinimum": value - abs(value) - 1},
            {"exclusiveMaximum": value + abs(value) + 1},
        ]
        if isinstance(value, int):
            asked.append({"multipleOf": abs(self.draw(st.sampled_from([1, value or 3])))})
        return asked

    def array(self, value, depth):
        asked = [{"minItems": self.draw(st.integers(0, len(value)))}]
        asked.append({"maxItems": len(value) + self.draw(st.integers(0, 2))})
        if all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
            asked.append({"uniqueItems": True})
        cut = self.draw(st.integers(0, len(value)))
        first, rest = ("items", "additionalItems") if self.older and cut else ("prefixItems", "items")
        items = {first: [self.schema(item, depth + 1) for item in value[:cut]]} if cut else {}
        if len(value) - cut < 2:
            items[rest] = self.schema(value[cut], depth + 1) if cut < len(value) else self.maybe()
        return [*asked, items]

    def object(self, value, depth):
        named = [key for key in value if self.maybe()]
        properties = {key: self.schema(value[key], depth + 1) for key in named}
        properties |= {key: False for key in self.draw(st.sets(KEYS, max_size=2)) if key not in value}
        patterns = {}
        for key in value:
            if key not in named:
                form = self.draw(st.sampled_from(["^{}$", "^(?:{})$", "^(?=){}$"]))
                patterns[form.format(re.escape(key))] = self.schema(value[key], depth + 1)
        joined = {"properties": properties, "patternProperties": patterns}
        if self.maybe():
            joined["additionalProperties"] = False
        return [
            {"required": self.draw(st.permutations(list(value)))[: self.draw(st.integers(0, 4))]},
            {"minProperties": self.draw(st.integers(0, len(value)))},
            {"maxProperties": len(value) + self.draw(st.integers(0, 2))},
            joined,
        ]


class Writer:
    """Writes a value as JSON in one of the many ways there are."""

    def __init__(self, seed, escaping, spaces):
        self.random = random.Random(seed)
        self.escaping = escaping
        self.spaces = spaces

    def space(self):
        return "".join(self.random.choices(" \n\t\r", k=self.random.randrange(3))) if self.spaces else ""

    def write(self, value):
        if isinstance(value, dict):
            members = [f"{self.string(key)}{self.space()}:{self.write(inner)}" for key, inner in value.items()]
            return (
                f"{self.space()}{{{','.join(self.space() + member for member in members)}{self.space()}}}{self.space()}"
            )
        if isinstance(value, list):
            return f"{self.space()}[{','.join(map(self.write, value)) or self.space()}]{self.space()}"
        if isinstance(value, str):
            return self.space() + self.string(value) + self.space()
        if type(value) is int and abs(value) < 1000:
            forms = [f"{value}", f"{value}.0", f"{value}e0", f"{value}.00e+0"]
            forms += [f"{value}0E-1", f"{value}000e-3"] if value else ["-0", "-0.0e7"]
            return self.space() + self.random.choice(forms) + self.space()
        return self.space() + json.dumps(value) + self.space()

    def string(self, text):
        return '"' + "".join(map(self.char, text)) + '"'

    def char(self, char):
        plain = json.dumps(char, ensure_ascii=False)[1:-1]
        if self.random.random() >= self.escaping:
            return plain
        units = char.encode("utf-16-be")
        return "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2))


@st.composite
def written(draw, values=VALUES):
    """A value and a text of it."""
    value = draw(values)
    writer = Writer(draw(st.integers(0, 2**32)), draw(st.sampled_from([0.0, 0.3, 1.0])), draw(st.booleans()))
    return value, writer.write(value)


@st.composite
def satisfied(draw):
    """A schema and the text of a value that satisfies it."""
    value, text = draw(written())
    return SchemaFor(draw).whole(value), text


def pieces(text, seed):
    """A text cut at random, sometimes into single characters."""
    source = random.Random(seed)
    size = source.choice([1, 2, 4, 12])
    at = 0
    while at < len(text):
        end = at + source.randint(1, size)
        yield text[at:end]
        at = end


@settings(max_examples=500, deadline=None)
@given(pair=satisfied(), seed=st.integers(0, 2**32))
def test_no_prefix_of_a_valid_answer_is_refused(pair, seed):
    """Drawn so that the value satisfies the schema, which the validator confirms: every piece is taken."""
    schema, text = pair
    assert Validator(json.dumps(schema)).check(text).faults == ()
    stream = Incremental(compile_plan(schema))
    for piece in pieces(text, seed):
        assert stream.feed(piece), (stream.fault, piece)
    assert stream.complete


LIMITS = st.sampled_from([0, 1, 2, 3, 10, 0.5, -2.5, 12.25])
COUNTS = st.integers(0, 3)
JUDGED = st.recursive(
    st.one_of(
        st.booleans(),
        st.builds(lambda value: {"const": value}, VALUES),
        st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=3)),
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.one_of(
                    st.sampled_from(["integer", "string", "array", "object"]),
                    st.lists(st.sampled_from(sorted(set(NAMES.values()))), min_size=1, unique=True),
                ),
                "minLength": COUNTS, "maxLength": COUNTS, "minItems": COUNTS, "maxItems": COUNTS,
                "minProperties": COUNTS, "maxProperties": COUNTS, "minimum": LIMITS, "maximum": LIMITS,
                "exclusiveMinimum": LIMITS, "exclusiveMaximum": LIMITS,
                "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
                "pattern": st.sampled_from(["^a", "b$", "^[a-c]*$", "é|0", "^.?$", "^(?:a|b.)+$", "[^a]"]),
                "required": st.lists(KEYS, max_size=2, unique=True),
            },
        ),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(KEYS, inner, max_size=3),
                "patternProperties": st.dictionaries(st.sampled_from(["a", "^b$", "^a?b"]), inner, max_size=2),
                "additionalProperties": inner,
                "items": inner,
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "minProperties": COUNTS, "maxItems": COUNTS,
            },
        ),
        st.builds(lambda schemas: {"allOf": schemas}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda schemas: {"anyOf": schemas}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)  # fmt: skip
ASCII_KEYS = st.sampled_from(["a", "ab", "b", "", "c"])
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-12, 120), st.sampled_from([0.5, -2.5, 1.0]), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ASCII_KEYS, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=500, deadline=None)
@given(schema=JUDGED, answer=written(PLAIN), seed=st.integers(0, 2**32))
def test_judged_keywords_are_judged_as_the_validator_does(schema, answer, seed):
    """A whole answer under schemas of judged keywords alone: possible to its end exactly if it is valid."""
    _, text = answer
    valid = not Validator(json.dumps(schema)).check(text).faults
    stream = Incremental(compile_plan(schema))
    assert all(stream.feed(piece) for piece in pieces(text + " ", seed)) is valid


def loads(text):
    """Whether a text is JSON; Python's own reader apart from NaN and Infinity, which it takes."""
    try:
        json.loads(text, parse_constant=pytest.fail)
    except (ValueError, pytest.fail.Exception):
        return False
    return True


@settings(max_examples=500, deadline=None)
@given(
    answer=written(),
    changes=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 2),
            st.sampled_from('{}[],:"\\0123456789.eE+-truefalsn NaI\n\x00\x1f\x7fxu\ud800'),
        ),
        max_size=3,
    ),
    seed=st.integers(0, 2**32),
)
def test_json_is_what_python_reads(answer, changes, seed):
    """Texts changed at random: one is taken to its end and complete exactly if Python reads it."""
    _, text = answer
    for place, removed, added in changes:
        at = int(place * len(text))
        text = text[:at] + added + text[at + removed :]
    stream = Incremental(compile_plan(True))
    taken = all(stream.feed(piece) for piece in pieces(text, seed))
    assert (taken and stream.complete) is loads(text)
    assert taken is (stream.fault is None)
